"""Which built-in suites exist, and how gates become part of a plan. Imports no Great Expectations.

One line to add a suite.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from gare.errors import ConfigError
from gare.gates.names import check_expectation, nearest
from gare.gates.spec import GateSpec, Suite

if TYPE_CHECKING:
    from gare.gates.settings import Gate

SUITES: Mapping[str, str] = {
    "changes": "gare.gates.changes:Changes",
    "tests": "gare.gates.tests:Tests",
    "coverage": "gare.gates.coverage:Coverage",
    "artifacts": "gare.gates.artifacts:Artifacts",
}

DEFAULT_GATES = ("changes", "tests", "artifacts")
"""Suites of a project that names no gates."""

NO_COVERAGE = "The project names no coverage report (`test: coverage`)."


def resolve(gates: Sequence["Gate"] | None, *, has_coverage: bool = True) -> list[GateSpec]:
    """Return the gates as the plan keeps them: JSON values, complete.

    `has_coverage` tells whether the project names coverage reports; without any, the suite `coverage` is not
    applicable. Raises ConfigError for an unknown suite, setting, table, column or expectation, and for a name
    that is used twice.
    """
    if gates is None:
        return [_built_in(name, name, {}, has_coverage) for name in DEFAULT_GATES]
    specs: list[GateSpec] = []
    for gate in gates:
        if any(spec["name"] == gate.name for spec in specs):
            raise ConfigError(
                f"Two gates are named `{gate.name}`.",
                where="gates",
                hint="Give each gate a name of its own.",
            )
        try:
            specs.append(spec_of(gate, has_coverage=has_coverage))
        except ValueError as error:
            raise ConfigError(
                f"The gate `{gate.name}` cannot be asked: {error}.".replace("?.", "?"),
                where="gates",
                hint="See docs/how-to/gates.md.",
            ) from error
    return specs


def spec_of(gate: "Gate", *, has_coverage: bool = True) -> GateSpec:
    """Return one gate as the plan keeps it. Raises ValueError, in words for the person who wrote it."""
    if gate.suite:
        return _built_in(gate.name, gate.suite, gate.settings, has_coverage)
    return _own(gate)


def suite(name: str, settings: Mapping[str, Any]) -> Suite:
    """Return the built-in suite with these limits. Raises ValueError."""
    if name not in SUITES:
        raise ValueError(f"there is no built-in suite `{name}`: {nearest(name, SUITES)}")
    module, _, attribute = SUITES[name].partition(":")
    model: type[BaseModel] = getattr(import_module(module), attribute)
    try:
        built: Any = model.model_validate(dict(settings))
    except ValidationError as error:
        raise ValueError(f"suite `{name}`: {_first(error, model)}") from error
    result: Suite = built
    return result


def _built_in(name: str, kind: str, settings: Mapping[str, Any], has_coverage: bool) -> GateSpec:
    found = suite(kind, settings)
    reason = NO_COVERAGE if kind == "coverage" and not has_coverage else ""
    return GateSpec(
        name=name, question=found.question, suite=kind, asks=found.asks(), not_applicable=reason
    )


def _own(gate: "Gate") -> GateSpec:
    from gare.gates.tables import COLUMNS

    if gate.settings:
        raise ValueError("`settings` belong to a built-in suite; give limits as arguments instead")
    if gate.facts not in COLUMNS:
        raise ValueError(
            f"there is no table of facts `{gate.facts}`: {nearest(gate.facts, COLUMNS)}"
        )
    entries: list[dict[str, Any]] = []
    for entry in gate.expectations:
        check_expectation(entry, gate.facts, COLUMNS[gate.facts])
        entries.append(_plain(entry))
    return GateSpec(
        name=gate.name,
        question=f"Is the table `{gate.facts}` as expected?",
        suite="",
        asks=[{"facts": gate.facts, "expectations": entries}],
        not_applicable="",
    )


def _plain(value: Any) -> Any:
    """Return the value as JSON holds it. Raises ValueError for what JSON has no word for."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return int(value)
        case float() if value - value == 0:
            return float(value)
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
    raise ValueError(
        f"`{value}` is no text, number, true, false, list or section: put it in quotes"
    )


def _first(error: ValidationError, model: type[BaseModel]) -> str:
    detail = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"there is no setting `{key}`: {nearest(key, model.model_fields)}"
    return f"`{key}` is {detail['input']!r}: {detail['msg']}"
