# ruff: noqa: E501 (a row of a table, or a whole message, is one line)
import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from gare.errors import ConfigError
from gare.gates.registry import resolve
from gare.gates.settings import Gate


def test_a_project_without_gates_gets_the_default_ones() -> None:
    assert [(spec["name"], spec["suite"]) for spec in resolve(None)] == [
        ("changes", "changes"),
        ("tests", "tests"),
        ("artifacts", "artifacts"),
    ]


def test_no_gates_are_no_gates() -> None:
    assert resolve(()) == []


def test_specs_are_json_and_keep_what_was_written() -> None:
    entry = {"expect_column_max_to_be_between": {"column": "seconds", "max_value": 3}}
    specs = resolve(
        (
            Gate(name="slow", facts="tests", expectations=(entry,)),
            Gate(name="cov", suite="coverage", settings={"minimum_branch_rate": 0.5}),
        )
    )
    assert json.loads(json.dumps(specs)) == specs
    assert specs[0]["asks"] == [{"facts": "tests", "expectations": [entry]}]


def test_limits_reach_the_expectations() -> None:
    gate = Gate(name="a", suite="artifacts", settings={"minimum": 3, "maximum_size_bytes": 9})
    text = json.dumps(resolve((gate,)))
    assert '"min_value": 3' in text
    assert '"max_value": 9' in text


@pytest.mark.parametrize("weight", ["critical", "info", "off"])
def test_checks_of_changes_weigh_what_the_project_says(weight: str) -> None:
    gate = Gate(name="c", suite="changes", settings={"kinds": weight, "tickets": weight})
    severities = [
        arguments["severity"]
        for entry in resolve((gate,))[0]["asks"][0]["expectations"][1:]
        for arguments in entry.values()
    ]
    assert severities == ([] if weight == "off" else [weight, weight])


def test_coverage_is_not_applicable_only_without_any_report_configured() -> None:
    gate = (Gate(name="cov", suite="coverage"),)
    assert resolve(gate)[0]["not_applicable"] == ""
    assert resolve(gate, has_coverage=False)[0]["not_applicable"] == (
        "The project names no coverage report (`test: coverage`)."
    )


MAX = "expect_column_max_to_be_between"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "give either `suite` (a built-in one) or `facts` with `expectations`"),
        ({"suite": "tests", "expectations": [{MAX: {}}]}, "give either `suite` (a built-in one) or `facts` with `expectations`"),
        ({"suite": "tests", "facts": "tests"}, "a built-in `suite` knows its table: take `facts` out"),
        ({"expectations": [{MAX: {}}]}, "name the table of `facts` that these expectations are about"),
        ({"suite": "test"}, "there is no built-in suite `test`: did you mean `tests`?"),
        ({"suite": "zzz"}, "there is no built-in suite `zzz`: known are `changes`, `tests`, `coverage`, `artifacts`"),
        ({"suite": "artifacts", "settings": {"minimun": 2}}, "suite `artifacts`: there is no setting `minimun`: did you mean `minimum`?"),
        ({"suite": "coverage", "settings": {"minimum_line_rate": 80}}, "suite `coverage`: `minimum_line_rate` is 80: Input should be less than or equal to 1"),
        ({"suite": "changes", "settings": {"kinds": "bad"}}, "suite `changes`: `kinds` is 'bad': Input should be 'critical', 'warning', 'info' or 'off'"),
        ({"facts": "test", "expectations": [{MAX: {}}]}, "there is no table of facts `test`: did you mean `tests`?"),
        ({"facts": "tests", "settings": {"a": 1}, "expectations": [{MAX: {}}]}, "`settings` belong to a built-in suite; give limits as arguments instead"),
        ({"facts": "tests", "expectations": [{"expect_tabel_row_count_to_equal": {}}]}, "Great Expectations has no `expect_tabel_row_count_to_equal`: did you mean `expect_table_row_count_to_equal` or `expect_table_column_count_to_equal` or `expect_table_row_count_to_be_between`?"),
        ({"facts": "tests", "expectations": [{"zzz": {}}]}, "Great Expectations has no `zzz`"),
        ({"facts": "tests", "expectations": [{"unexpected_rows_expectation": {}}]}, "`unexpected_rows_expectation` asks a database; gates ask tables of facts"),
        ({"facts": "tests", "expectations": [{MAX: {}, "x": {}}]}, "an expectation is one key, Great Expectations' name, with its arguments below it, such as `expect_column_max_to_be_between: {column: line_rate, min_value: 0.8}`"),
        ({"facts": "tests", "expectations": [{MAX: 3}]}, "`expect_column_max_to_be_between` takes its arguments as keys, such as `{column: …}`"),
        ({"facts": "tests", "expectations": [{MAX: {"column": "second"}}]}, "`expect_column_max_to_be_between`: the table `tests` has no column `second`: did you mean `seconds`?"),
        ({"facts": "tests", "expectations": [{"expect_compound_columns_to_be_unique": {"column_list": ["name", "x"]}}]}, "`expect_compound_columns_to_be_unique`: the table `tests` has no column `x`: known are `suite`, `classname`, `name`, `status`, `seconds`"),
        ({"facts": "tests", "expectations": [{MAX: {"column": "seconds", "result_format": "COMPLETE"}}]}, "`expect_column_max_to_be_between` may not set `result_format`: Gare does"),
        ({"facts": "tests", "expectations": [{MAX: {"column": "seconds", "max_value": float("inf")}}]}, "`inf` is no text, number, true, false, list or section: put it in quotes"),
    ],
)  # fmt: skip
def test_a_wrong_gate_is_found_before_anything_runs(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        Gate.model_validate({"name": "g", **values})
    assert error.value.errors()[0]["msg"] == f"Value error, {message}"


def test_two_gates_of_one_name_are_refused() -> None:
    gates = (Gate(name="a", suite="tests"), Gate(name="a", suite="changes"))
    with pytest.raises(ConfigError) as error:
        resolve(gates)
    assert str(error.value) == "Two gates are named `a`. (gates) Give each gate a name of its own."


def test_planning_imports_no_heavy_library() -> None:
    code = (
        "import sys; from gare.gates.registry import resolve; from gare.gates.settings import Gate;"
        "resolve(None); resolve((Gate(name='a', facts='tests', expectations=({'expect_table_row_count_to_equal':"
        "{'value': 1}},)),)); import gare.gates.evaluate, gare.gates.report;"
        "print({'great_expectations', 'pandas', 'numpy', 'defusedxml'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
