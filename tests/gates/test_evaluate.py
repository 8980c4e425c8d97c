# ruff: noqa: E501 (a row of a table, or a whole message, is one line)
"""Real runs of Great Expectations: its import costs seconds, once per session."""

from pathlib import Path
from typing import Any

import pytest

from gare.domain.artifacts import Artifact
from gare.domain.facts import Facts, Verdict
from gare.domain.plan import PlannedCommit
from gare.errors import ConfigError
from gare.gates import names, tables
from gare.gates.evaluate import evaluate
from gare.gates.registry import resolve
from gare.gates.settings import Gate
from gare.gates.spec import GateSpec


def commit(number: int, kind: str = "other", tickets: tuple[str, ...] = ()) -> PlannedCommit:
    is_merge = kind == "merge"
    return PlannedCommit(
        f"{number:040x}", f"change {number}", kind, "", False, tickets, "A", "a@example.org", "2026", is_merge
    )  # fmt: skip


def facts(name: str, *rows: dict[str, Any]) -> Facts:
    columns = tables.COLUMNS[name]
    return Facts(name, columns, [{column: row.get(column) for column in columns} for row in rows])


def release(**other: Facts) -> dict[str, Facts]:
    """Tables of an ordinary release: no conventional commits, tests that pass, one artifact."""
    totals = dict.fromkeys(tables.COLUMNS["test_totals"], 0) | {"total": 1, "executed": 1}
    made = {
        "changes": tables.changes([commit(1), commit(2, "merge"), commit(3, "feat")]),
        "tests": facts("tests", {"name": "a", "status": "passed", "seconds": 0.5}),
        "test_totals": facts("test_totals", totals),
        "artifacts": tables.artifacts([Artifact("a.whl", 10, "a" * 64, "wheel")]),
    }
    return made | other


def ask(tmp_path: Path, table: Facts, *expectations: dict[str, Any], name: str = "own") -> Verdict:
    gate = Gate(name=name, facts=table.name, expectations=expectations)
    (verdict,) = evaluate(resolve((gate,)), {table.name: table}, tmp_path).verdicts
    return verdict


def test_an_ordinary_release_passes_the_default_gates_with_warnings(tmp_path: Path) -> None:
    found = evaluate(resolve(None), release(), tmp_path)
    assert [verdict.result for verdict in found.verdicts] == ["passed"] * 3
    assert found.has_passed
    assert [
        (check.column, check.observed, check.samples) for check in found.verdicts[0].warnings
    ] == [
        ("is_conventional", "1 of 2 rows are not as wanted", ("0000000000 change 1: false",)),
        ("has_ticket", "1 of 1 rows are not as wanted", ("0000000000 change 3: false",)),
    ]


@pytest.mark.parametrize(
    ("table", "gate", "told"),
    [
        ("tests", "tests", "could not tell: there is no table `tests`. Name the project's JUnit reports under `test: junit`."),
        ("artifacts", "artifacts", "could not tell: the table `artifacts` is empty. Name the files that the build makes under `build: artifacts`."),
    ],
)  # fmt: skip
def test_what_was_not_measured_could_not_be_told(
    tmp_path: Path, table: str, gate: str, told: str
) -> None:
    known = release()
    if table == "tests":
        del known[table]
    else:
        known[table] = facts(table)
    found = {verdict.gate: verdict for verdict in evaluate(resolve(None), known, tmp_path).verdicts}
    assert found[gate].result == "failed"
    assert told in [check.error for check in found[gate].checks]


def test_critical_changes_and_failing_tests_fail_and_are_named(tmp_path: Path) -> None:
    known = release(
        tests=facts("tests", {"classname": "t.cart", "name": "sum", "status": "failed"}),
        test_totals=facts("test_totals", {"executed": 1, "failed": 1, "failed_or_error": 1, "errors": 0, "skipped": 3}),
        artifacts=tables.artifacts([Artifact("a", 0, "nonsense", "file"), Artifact("a", 1, "b" * 64, "file")]),
    )  # fmt: skip
    gates = (
        Gate(name="changes", suite="changes", settings={"kinds": "critical"}),
        Gate(name="tests", suite="tests", settings={"minimum_executed": 2, "maximum_skipped": 2}),
        Gate(name="artifacts", suite="artifacts"),
    )
    found = evaluate(resolve(gates), known, tmp_path)
    bad = {v.gate: [(c.column, c.observed) for c in v.checks if c.blocks] for v in found.verdicts}
    rows = "rows are not as wanted"
    assert bad == {
        "changes": [("is_conventional", f"1 of 2 {rows}")],
        "tests": [("executed", "1"), ("failed_or_error", "1"), ("skipped", "3"), ("status", f"1 of 1 {rows}")],
        "artifacts": [("name", f"2 of 2 {rows}"), ("size_bytes", f"1 of 2 {rows}"), ("sha256", f"1 of 2 {rows}")],
    }  # fmt: skip
    assert found.verdicts[1].checks[-1].samples == ("t.cart sum: failed",)
    assert found.verdicts[1].reason == (
        "test_totals.executed: 1 (wanted min_value: 2); 3 more of 4 checks failed"
    )
    assert not found.has_passed


@pytest.mark.parametrize(
    ("settings", "result"),
    [
        ({"minimum_line_rate": 0.8}, "passed"),
        ({"minimum_line_rate": 0.9}, "failed"),
        ({"minimum_branch_rate": 0.1}, "failed"),
        ({"minimum_file_line_rate": 0.5}, "failed"),
    ],
    ids=["enough", "too little", "no branches measured", "one file too low"],
)
def test_coverage_is_held_against_its_limits(
    tmp_path: Path, settings: dict[str, float], result: str
) -> None:
    known = {
        "coverage_total": facts("coverage_total", {"line_rate": 0.85, "branch_rate": None}),
        "coverage": facts("coverage", {"path": "a.py", "line_rate": 0.2}),
    }
    gates = resolve((Gate(name="cov", suite="coverage", settings=settings),))
    assert evaluate(gates, known, tmp_path).verdicts[0].result == result


def test_coverage_that_is_not_configured_is_not_applicable(tmp_path: Path) -> None:
    gates = resolve((Gate(name="cov", suite="coverage"),), has_coverage=False)
    (verdict,) = evaluate(gates, {}, tmp_path).verdicts
    assert (verdict.result, verdict.has_passed) == ("not applicable", True)


VALUES = Facts("tests", ("name", "seconds", "status"), [{"name": n, "seconds": s, "status": "x"} for n, s in (("a", 0.5), ("b", 0.25), ("c", 0.75), ("d", None))])  # fmt: skip


def test_observed_values_are_told_in_words_for_people(tmp_path: Path) -> None:
    """Numpy 2 spells them `np.float64(0.5)`, and its booleans stop Great Expectations' own store."""
    quantiles = {"quantiles": [0.5], "value_ranges": [[0, 0.6]]}
    verdict = ask(
        tmp_path,
        VALUES,
        {"expect_column_mean_to_be_between": {"column": "seconds", "max_value": 1}},
        {"expect_column_max_to_be_between": {"column": "seconds", "max_value": 0.6}},
        {"expect_column_quantile_values_to_be_between": {"column": "seconds", "quantile_ranges": quantiles}},
        {"expect_column_distinct_values_to_be_in_set": {"column": "name", "value_set": ["a", "b"]}},
        {"expect_table_row_count_to_equal": {"value": 4}},
        {"expect_column_values_to_not_be_null": {"column": "seconds", "mostly": 0.7}},
        {"expect_column_values_to_not_be_null": {"column": "seconds", "mostly": 0.8}},
    )  # fmt: skip
    assert [(check.is_met, check.observed) for check in verdict.checks] == [
        (True, "0.5"),
        (False, "0.75"),
        (True, "{quantiles: [0.5], values: [0.5]}"),
        (False, "also [c, d]"),
        (True, "4"),
        (True, "1 of 4 rows are not as wanted"),
        (False, "1 of 4 rows are not as wanted"),
    ]
    assert verdict.checks[-1].samples == ("d: nothing",)
    page = (tmp_path / "gates.html").read_text()
    assert "np." not in page
    assert "{quantiles: [0.5], values: [0.5]}" in page


def test_one_expectation_that_cannot_be_told_leaves_the_others_alone(tmp_path: Path) -> None:
    mixed = Facts("tests", ("name",), [{"name": value} for value in (1, "x", None, True)])
    verdict = ask(
        tmp_path,
        mixed,
        {"expect_column_values_to_match_regex": {"column": "name", "regex": "x(", "severity": "info"}},
        {"expect_column_max_to_be_between": {"column": "name", "max_value": 3}},
        {"expect_column_min_to_be_between": {"column": "status", "max_value": 3}},
        {"expect_table_row_count_to_equal": {"value": 4}},
    )  # fmt: skip
    assert verdict.result == "failed"
    assert [bool(check.error) for check in verdict.checks] == [True, True, True, False]
    assert all(check.error.startswith("could not tell: ") for check in verdict.checks[:3])
    assert verdict.checks[3].is_met


def test_row_conditions_choose_the_rows(tmp_path: Path) -> None:
    condition = {"type": "comparison", "column": {"name": "name"}, "operator": "!=", "parameter": "d"}  # fmt: skip
    verdict = ask(
        tmp_path,
        VALUES,
        {"expect_column_values_to_not_be_null": {"column": "seconds", "row_condition": condition}},
    )
    assert verdict.result == "passed"
    assert verdict.checks[0].wanted == "where name != d"


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("expect_column_max_to_be_between", {"column": "seconds", "max": 3}, "Great Expectations refuses an argument: `max`: there is no such argument. (gate `own`, `expect_column_max_to_be_between`) Arguments are `description`, `severity`, `column`, `row_condition`, `condition_parser`, `min_value`, `max_value`, `strict_min`, `strict_max`."),
        ("expect_column_values_to_be_in_set", {"column": "status"}, "Great Expectations refuses an argument: `value_set`: field required. (gate `own`, `expect_column_values_to_be_in_set`) Arguments are `description`, `severity`, "),
        ("expect_column_max_to_be_between", {"column": "seconds", "severity": "bad"}, "Great Expectations refuses an argument: `severity`: value is not a valid enumeration member; permitted: 'critical', 'warning', 'info'. (gate `own`, "),
        ("expect_column_max_to_be_between", {"column": "seconds", "max_value": {"$PARAMETER": "x"}}, "A `$PARAMETER` has no value here. (gate `own`, `expect_column_max_to_be_between`) Write the value itself."),
        ("expect_colunm_max_to_be_between", {"column": "seconds"}, "Great Expectations has no `expect_colunm_max_to_be_between`: did you mean `expect_column_max_to_be_between` or "),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_refused_with_its_name(
    tmp_path: Path, name: str, arguments: dict[str, Any], message: str
) -> None:
    spec = GateSpec(name="own", question="?", suite="", asks=[{"facts": "tests", "expectations": [{name: arguments}]}], not_applicable="")  # fmt: skip
    with pytest.raises(ConfigError) as error:
        evaluate([spec], {"tests": VALUES}, tmp_path / "none")
    assert str(error.value).startswith(message)
    assert not (tmp_path / "none").exists()


def test_the_page_is_equal_when_the_facts_are(tmp_path: Path) -> None:
    pages = [evaluate(resolve(None), release(), tmp_path / name).pages[0] for name in "ab"]
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_a_large_history_stays_small_in_the_answer(tmp_path: Path) -> None:
    known = release(changes=tables.changes(commit(number) for number in range(20_000)))
    (verdict,) = evaluate(resolve((Gate(name="c", suite="changes"),)), known, tmp_path).verdicts
    worst = max(verdict.checks, key=lambda check: check.unexpected)
    assert (worst.unexpected, len(worst.samples)) == (20_000, 20)
    assert (tmp_path / "gates.html").stat().st_size < 20_000


def test_evaluating_reaches_no_network_and_no_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def deny(*_: object) -> None:
        raise AssertionError("a gate opened a connection")

    monkeypatch.setattr(socket.socket, "connect", deny)
    assert evaluate(resolve(None), release(), tmp_path).has_passed
    assert capfd.readouterr() == ("", "")


def test_the_names_known_at_planning_are_those_of_great_expectations() -> None:
    import great_expectations.expectations.core
    from great_expectations.expectations.registry import (
        list_registered_expectation_implementations,
    )

    assert great_expectations.__version__
    core = set(list_registered_expectation_implementations())
    assert core == {*names.EXPECTATIONS, *names.SQL_ONLY}
