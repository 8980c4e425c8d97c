"""A gate as the plan keeps it: plain JSON, complete, so that a later change of configuration changes nothing."""

from typing import Any, ClassVar, Protocol, TypedDict

Expectation = dict[str, Any]
"""One key, Great Expectations' name in snake case, and its arguments."""


class Ask(TypedDict):
    """Expectations about one table of facts."""

    facts: str
    expectations: list[Expectation]


class GateSpec(TypedDict):
    """One gate of a plan. `not_applicable` is the reason why it need not be asked, usually empty."""

    name: str
    question: str
    suite: str
    asks: list[Ask]
    not_applicable: str


class Suite(Protocol):
    """A built-in suite: a settings model whose values are its limits."""

    question: ClassVar[str]

    def asks(self) -> list[Ask]:
        """Return the expectations that these limits make."""


def expect(
    name: str, severity: str = "critical", description: str = "", **arguments: Any
) -> Expectation:
    """Spell one expectation of a built-in suite."""
    words = {"description": description} if description else {}
    return {name: {**arguments, "severity": severity, **words}}


def where(column: str, operator: str, value: Any) -> dict[str, Any]:
    """Spell a row condition, `column operator value`, as Great Expectations reads it from JSON."""
    return {
        "type": "comparison",
        "column": {"name": column},
        "operator": operator,
        "parameter": value,
    }
