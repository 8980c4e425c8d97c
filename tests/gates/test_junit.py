# ruff: noqa: E501 (a row of a table, or a whole message, is one line)
from collections import Counter
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gare.errors import StepFailed
from gare.gates import junit, markup
from gare.gates.junit import read_cases, seconds

PYTEST = """<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="1"
failures="1" skipped="1" tests="4" time="0.9"><testcase classname="t.a" name="ok" time="0.25"/><testcase
classname="t.a" name="bad[x-&lt;b&gt;]" time="0.1"><failure message="m">assert</failure></testcase><testcase
classname="t.a" name="setup" time="0"><error message="m"/></testcase><testcase classname="t.a" name="later"
time="0"><skipped type="pytest.skip" message="m"/></testcase></testsuite></testsuites>"""
SUREFIRE = """<testsuite xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" name="com.acme.AppTest"
time="1,234.5" tests="2" errors="0" skipped="1" failures="0"><properties><property name="a" value="failure"/>
</properties><testcase name="works" classname="com.acme.AppTest" time="1,234.5"><system-out><![CDATA[<failure>]]>
</system-out><flakyFailure type="x">first try</flakyFailure></testcase><testcase name="off" classname="com.acme.AppTest"
time="0"><skipped/></testcase></testsuite>"""
GTEST = """<testsuites tests="3" failures="1" disabled="1" errors="0" time="0.01" name="AllTests"><testsuite name="Math"
tests="3" failures="1" disabled="1" errors="0"><testcase name="Adds" status="run" result="completed" time="0."
classname="Math"/><testcase name="DISABLED_Slow" status="notrun" result="suppressed" time="0." classname="Math"/>
<testcase name="Divides" status="run" result="completed" time="0.01" classname="Math"><failure message="a"/><failure
message="b"/></testcase></testsuite></testsuites>"""
CTEST = """<testsuite name="Linux-c++" tests="3" failures="1" disabled="1" skipped="0" hostname="" time="2">
<testcase name="unit" classname="unit" time="1.5" status="run"><system-out>ok</system-out></testcase><testcase name="old"
classname="old" time="0" status="disabled"><skipped message="Disabled"/></testcase><testcase name="net" classname="net"
time="0.5" status="fail"><failure message="Failed"/></testcase></testsuite>"""
PHPUNIT = """<testsuites><testsuite name="" tests="3" assertions="3" errors="1" failures="0" skipped="0" time="0.3">
<testsuite name="unit" tests="3" errors="1"><testsuite name="CartTest" file="t.php" tests="1"><testcase name="testSum"
class="CartTest" classname="CartTest" assertions="1" time="0.1"/><testsuite name="CartTest::testTax" tests="2" errors="1">
<testcase name="testTax with data set #0" time="0.1"/><testcase name="testTax with data set #1" class="CartTest"
time="0.1"><error type="E">x</error></testcase></testsuite></testsuite></testsuite></testsuite></testsuites>"""
JEST = """<testsuites name="jest tests" tests="1" failures="1" errors="0" time="1"><testsuite name="cart" errors="0"
failures="1" skipped="0" tests="1"><testcase classname="cart adds" name="cart adds" time="0,004"><failure>Error</failure>
</testcase></testsuite></testsuites>"""


def written(folder: Path, text: str | bytes, name: str = "report.xml") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (PYTEST, ["pytest/t.a/ok passed 0.25", "pytest/t.a/bad[x-<b>] failed 0.1", "pytest/t.a/setup error 0.0", "pytest/t.a/later skipped 0.0"]),
        (SUREFIRE, ["com.acme.AppTest/com.acme.AppTest/works passed 1234.5", "com.acme.AppTest/com.acme.AppTest/off skipped 0.0"]),
        (GTEST, ["Math/Math/Adds passed 0.0", "Math/Math/DISABLED_Slow skipped 0.0", "Math/Math/Divides failed 0.01"]),
        (CTEST, ["Linux-c++/unit/unit passed 1.5", "Linux-c++/old/old skipped 0.0", "Linux-c++/net/net failed 0.5"]),
        (PHPUNIT, ["CartTest/CartTest/testSum passed 0.1", "CartTest::testTax//testTax with data set #0 passed 0.1", "CartTest::testTax/CartTest/testTax with data set #1 error 0.1"]),
        (JEST, ["cart/cart adds/cart adds failed 0.004"]),
        ("<testsuites/>", []),
        ('<t:testsuite xmlns:t="urn:x" name="n"><t:testcase name="a"/></t:testsuite>', ["n//a passed 0.0"]),
    ],
    ids=["pytest", "surefire", "gtest", "ctest", "phpunit", "jest", "no test", "namespace"],
)  # fmt: skip
def test_reads_the_dialect(tmp_path: Path, text: str, told: list[str]) -> None:
    rows = read_cases(written(tmp_path, text))
    assert [
        f"{row['suite']}/{row['classname']}/{row['name']} {row['status']} {row['seconds']}"
        for row in rows
    ] == told


@pytest.mark.parametrize(
    "text",
    [
        '<testsuite name="s" errors="1" tests="0"/>',
        '<testsuite name="s" tests="1" failures="2"><testcase name="a"/></testsuite>',
        '<testsuites errors="1"><testsuite name="s"><error message="crash"/></testsuite></testsuites>',
    ],
)
def test_a_suite_that_failed_without_naming_a_test_is_never_lost(tmp_path: Path, text: str) -> None:
    bad = [row for row in read_cases(written(tmp_path, text)) if row["status"] != "passed"]
    assert [row["name"] for row in bad] == ["(the suite itself)"]


BOMB = '<!DOCTYPE t [<!ENTITY a "x"><!ENTITY b "&a;&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>'
OUTSIDE = '<!DOCTYPE t [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite name="&a;"/>'


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty. ({}) Did the tool that writes it stop early? See its output."),
        ("ok 1 - fine\n", "is no XML at line 1, column 1: syntax error. ({}) Give the XML report, not the tool's other output."),
        (PYTEST[:400], "is cut off at line 4. ({}) Did the tool that writes it stop early? See its output."),
        ('<testsuite name="x"><testcase', "is cut off at line 1. ({}) Did the tool that writes it stop early? See its output."),
        ("<html><body/></html>", "starts with <html> and is no JUnit report. ({}) JUnit XML starts with <testsuites> or <testsuite>: let the test tool write that format (pytest: `--junitxml=FILE`)."),
        (BOMB, "holds what a report may not hold (EntitiesForbidden). ({}) Entities and outside references are refused. Look at the tool that wrote it."),
        (OUTSIDE, "holds what a report may not hold (EntitiesForbidden). ({}) Entities and outside references are refused. Look at the tool that wrote it."),
        ('<?xml version="1.0" encoding="klingon"?><testsuite/>', "is in an encoding that is not known. ({}) Write UTF-8."),
        ("<testsuite>" * 300, "is nested deeper than 200 elements. ({}) Look at the tool that wrote it."),
    ],
    ids=["empty", "text", "cut off", "cut off in a tag", "root", "bomb", "outside", "encoding", "deep"],
)  # fmt: skip
def test_says_what_is_wrong_with_a_report(tmp_path: Path, text: str, what: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(StepFailed) as error:
        read_cases(file)
    assert str(error.value) == f"The JUnit report `report.xml` {what.format(file)}"


def test_names_a_report_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(StepFailed) as error:
        read_cases(tmp_path / "none.xml")
    assert str(error.value) == (
        "The JUnit report `none.xml` cannot be read: No such file or directory. "
        f"({tmp_path / 'none.xml'})"
    )


def test_refuses_a_huge_report_before_reading_it(tmp_path: Path) -> None:
    file = tmp_path / "huge.xml"
    with file.open("wb") as stream:
        stream.truncate(markup.MAX_BYTES + 1)
    with pytest.raises(StepFailed, match=r"is larger than 512 MiB \(512 MiB\)"):
        read_cases(file)


def test_stops_at_the_limit_of_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junit, "MAX_CASES", 2)
    text = f"<testsuite>{'<testcase/>' * 3}</testsuite>"
    with pytest.raises(StepFailed, match="holds more than 2 test cases"):
        read_cases(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.5", 1.5), ("0,25", 0.25), ("1,234.5", 1234.5), ("1.234,5", 1234.5), ("1,234,567", 1234567), ("0.", 0),
     ("", 0), ("n/a", 0), ("nan", 0), ("-1", 0), ("inf", 0), ("1e-3", 0.001), ("1\u202f234,5", 1234.5)],
)  # fmt: skip
def test_reads_seconds_of_every_locale(text: str, value: float) -> None:
    assert seconds(text) == value


_XML_TEXT = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Cn", "Co"]), max_size=20
)
_STATUS = st.sampled_from(["passed", "failed", "error", "skipped"])
_CHILD = {"failed": "failure", "error": "error", "skipped": "skipped"}


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(suites=st.lists(st.tuples(_XML_TEXT, st.lists(st.tuples(_XML_TEXT, _STATUS)))))
def test_every_case_is_told_once_with_its_status(
    tmp_path: Path, suites: list[tuple[str, list[tuple[str, str]]]]
) -> None:
    root = ET.Element("testsuites")
    for name, cases in suites:
        suite = ET.SubElement(root, "testsuite", name=name)
        for case, status in cases:
            element = ET.SubElement(suite, "testcase", name=case)
            if status in _CHILD:
                ET.SubElement(element, _CHILD[status]).text = case
    rows = read_cases(written(tmp_path, ET.tostring(root, "utf-8")))
    assert Counter((row["name"], row["status"]) for row in rows) == Counter(
        case for _, cases in suites for case in cases
    )


@settings(
    max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(noise=st.binary(max_size=40), place=st.integers(0, len(PYTEST)))
def test_noise_in_a_report_is_read_or_refused_never_more(
    tmp_path: Path, noise: bytes, place: int
) -> None:
    raw = PYTEST.encode()
    file = written(tmp_path, raw[:place] + noise + raw[place + len(noise) :])
    rows: list[dict[str, object]] = []
    with suppress(StepFailed):
        rows = read_cases(file)
    assert {row["status"] for row in rows} <= {"passed", "failed", "error", "skipped"}
