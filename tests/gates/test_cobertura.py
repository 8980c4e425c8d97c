# ruff: noqa: E501 (a row of a table, or a whole message, is one line)
from pathlib import Path

import pytest

from gare.errors import StepFailed
from gare.gates import tables

DTD = "<!DOCTYPE coverage SYSTEM 'http://cobertura.sourceforge.net/xml/coverage-04.dtd'>"
COVERAGE_PY = """<?xml version="1.0" ?><coverage version="7.1" timestamp="1" lines-valid="3" lines-covered="2"
line-rate="0.6667" branches-covered="1" branches-valid="2" branch-rate="0.5" complexity="0"><sources><source>/x</source>
</sources><packages><package name="." line-rate="0.6"><classes><class name="a.py" filename="shop/a.py" line-rate="0.6">
<methods/><lines><line number="1" hits="1"/><line number="2" hits="1" branch="true" condition-coverage="50% (1/2)"
missing-branches="3"/><line number="3" hits="0"/></lines></class></classes></package></packages></coverage>"""
GCOVR = f"""<?xml version='1.0' encoding='UTF-8'?>{DTD}<coverage line-rate="1.0" branch-rate="0.0" lines-covered="2"
lines-valid="2" branches-covered="0" branches-valid="0"><packages><package name="src"><classes><class name="m_cpp"
filename="src\\m.cpp"><methods><method name="main()"><lines><line number="4" hits="12" branch="false"/></lines></method>
</methods><lines><line number="4" hits="12" branch="false"/><line number="5" hits="3"/></lines></class></classes></package>
</packages></coverage>"""
PHPUNIT = f"""<?xml version="1.0"?>{DTD}<coverage line-rate="0.5" branch-rate="0" lines-covered="1" lines-valid="2"
branches-covered="0" branches-valid="0"><packages><package name=""><classes><class name="A" filename="src/A.php"><lines>
<line number="7" hits="0"/></lines></class><class name="B" filename="src/A.php"><lines><line number="9" hits="2"/></lines>
</class></classes></package></packages></coverage>"""
SUMS_ONLY = '<coverage line-rate="0.75" lines-valid="4" lines-covered="3" branch-rate="0"/>'


def written(folder: Path, text: str, name: str = "coverage.xml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "files", "total"),
    [
        (COVERAGE_PY, [("shop/a.py", 3, 2, 0.666667)], (0.666667, 0.5, 3, 2, 2, 1)),
        (GCOVR, [("src/m.cpp", 2, 2, 1.0)], (1.0, None, 2, 2, 0, 0)),
        (PHPUNIT, [("src/A.php", 2, 1, 0.5)], (0.5, None, 2, 1, 0, 0)),
        (SUMS_ONLY, [], (0.75, None, 4, 3, 0, 0)),
        ("<coverage line-rate='1'/>", [], (None, None, 0, 0, 0, 0)),
    ],
    ids=["coverage.py", "gcovr", "phpunit", "sums only", "nothing measured"],
)
def test_reads_the_dialect(tmp_path: Path, text: str, files: list[tuple], total: tuple) -> None:
    each, both = tables.coverage([written(tmp_path, text)])
    assert [tuple(row[column] for column in each.columns) for row in each.rows] == files
    assert [tuple(row[column] for column in both.columns) for row in both.rows] == [total]


def test_several_reports_are_one_and_a_line_counts_once(tmp_path: Path) -> None:
    other = COVERAGE_PY.replace('number="3" hits="0"', 'number="3" hits="5"').replace("1/2", "2/2")
    each, total = tables.coverage(
        [written(tmp_path, COVERAGE_PY), written(tmp_path, other, "second.xml")]
    )
    assert each.rows == [
        {"path": "shop/a.py", "lines_valid": 3, "lines_covered": 3, "line_rate": 1.0}
    ]
    assert total.rows[0]["branch_rate"] == 1.0


def test_no_report_measures_nothing() -> None:
    each, total = tables.coverage([])
    assert (each.rows, total.rows) == ([], [])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<report name='x'/>", "starts with <report>, as JaCoCo's own format does, and is no Cobertura report. ({}) Convert it (for example with `cover2cover`) or let the tool write Cobertura."),
        ("<coverage generated='1'><project/></coverage>", "is in Clover format and is no Cobertura report. ({}) Let the tool write Cobertura (PHPUnit: `--coverage-cobertura FILE`)."),
        ("<testsuites/>", "starts with <testsuites> and is no Cobertura report. ({}) Cobertura XML starts with <coverage>: let the tool write that format (coverage.py: `coverage xml`)."),
        ("TN:\nSF:a.c\n", "is no XML at line 1, column 1: syntax error. ({}) Give the XML report, not the tool's other output."),
    ],
    ids=["jacoco", "clover", "junit", "lcov"],
)  # fmt: skip
def test_says_what_is_wrong_with_a_report(tmp_path: Path, text: str, what: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(StepFailed) as error:
        tables.coverage([file])
    assert str(error.value) == f"The Cobertura report `coverage.xml` {what.format(file)}"
