# ruff: noqa: E501 (a row of a table, or a whole message, is one line)
import json
import re
from pathlib import Path

import pytest

from gare.domain.artifacts import Artifact, ArtifactKind
from gare.domain.facts import Facts
from gare.domain.plan import PlannedCommit, PlannedTicket
from gare.errors import StepFailed
from gare.gates import tables
from gare.gates.registry import SUITES, suite

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "gates.md"
COMMIT = PlannedCommit(
    "f" * 40, "add cart", "feat", "shop", False, ("SHOP-1", "SHOP-2"), "Ann", "ann@example.org", "2026-01-01T00:00:00Z"
)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "is_conventional"),
    [("feat", True), ("revert", True), ("other", False), ("merge", False), ("", False)],
)
def test_a_change_knows_whether_it_is_conventional(kind: str, is_conventional: bool) -> None:
    commit = PlannedCommit("a", "s", kind, "", False, (), "n", "e", "d")
    (row,) = tables.changes([commit]).rows
    assert row["is_conventional"] is is_conventional
    assert row["has_ticket"] is False


def test_every_table_has_its_columns_in_every_row(tmp_path: Path) -> None:
    report = tmp_path / "r.xml"
    report.write_text('<testsuite name="s"><testcase name="a" time="0.1"/></testsuite>')
    cover = tmp_path / "c.xml"
    cover.write_text(
        '<coverage><class filename="a"><lines><line number="1" hits="1"/></lines></class></coverage>'
    )
    made = [
        tables.changes([COMMIT]),
        tables.tickets([PlannedTicket("S-1", "t", "bug", "done", "1.0", "matched", ("a", "b"))]),
        *tables.tests([report]),
        *tables.coverage([cover]),
        tables.artifacts([Artifact("a.whl", 3, "a" * 64, ArtifactKind.WHEEL)]),
    ]
    assert {facts.name: facts.columns for facts in made} == dict(tables.COLUMNS)
    for facts in made:
        assert facts.rows
        assert all(tuple(row) == facts.columns for row in facts.rows)
        assert Facts.from_json(json.loads(json.dumps(facts.as_json()))) == facts


def test_totals_add_up(tmp_path: Path) -> None:
    report = tmp_path / "r.xml"
    report.write_text(
        '<testsuite><testcase time="0.1"/><testcase time="0.2"><failure/></testcase><testcase><error/></testcase>'
        "<testcase><skipped/></testcase></testsuite>"
    )
    _, totals = tables.tests([report, report])
    assert totals.rows == [
        {"total": 8, "executed": 6, "passed": 2, "failed": 2, "errors": 2, "failed_or_error": 4, "skipped": 2, "seconds": 0.6}
    ]  # fmt: skip
    tables.require_executed(totals)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<testsuites/>", "The reports tell of 0 tests, 0 skipped."),
        (
            "<testsuite><testcase><skipped/></testcase></testsuite>",
            "The reports tell of 1 tests, 1 skipped.",
        ),
    ],
)
def test_a_run_without_an_executed_test_is_a_failure(tmp_path: Path, text: str, found: str) -> None:
    report = tmp_path / "r.xml"
    report.write_text(text)
    _, totals = tables.tests([report])
    with pytest.raises(StepFailed) as error:
        tables.require_executed(totals)
    assert str(error.value) == (
        f"No test was executed. {found} (test) Look at the test command and at `test: junit` in gare.yaml."
    )


def test_the_guide_names_every_table_and_column() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ((?:`\w+`(?:, )?)+) \|$", GUIDE.read_text(), re.M)
    assert {name: tuple(re.findall(r"`(\w+)`", columns)) for name, columns in rows} == dict(
        tables.COLUMNS
    )


def test_the_guide_names_every_setting_and_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| ([^|]+) \| [^|]+ \|$", GUIDE.read_text(), re.M)
    known = []
    for name in SUITES:
        built = suite(name, {})
        for key in type(built).model_fields:  # type: ignore[attr-defined]
            value = getattr(built, key)
            words = f"[{', '.join(value)}]" if isinstance(value, tuple) else str(value).lower()
            known.append((name, key, words))
    told = [(name, key, default.strip().strip("`")) for name, key, default in rows]
    assert [(name, key) for name, key, _ in told] == [(name, key) for name, key, _ in known]
    assert all(
        mine == theirs or (theirs == "none" and mine in ("any", "not asked"))
        for (_, _, mine), (_, _, theirs) in zip(told, known, strict=True)
    )
