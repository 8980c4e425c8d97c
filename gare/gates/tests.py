"""Built-in suite `tests`: whether the project's tests were really run and hold."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from gare.gates.spec import Ask, Expectation, expect
from gare.settings import Settings

Count = Annotated[int, Field(ge=0)]


class Tests(Settings):
    """Limits of the suite `tests`."""

    question: ClassVar[str] = "Were the tests run, and did they all pass?"

    minimum_executed: Annotated[int, Field(ge=1)] = 1
    """How many tests must have been executed (skipped ones do not count)."""
    maximum_failed: Count = 0
    """How many tests may fail or end in an error."""
    maximum_skipped: Count | None = None
    """How many tests may be skipped; without it, any number."""

    def asks(self) -> list[Ask]:
        """Return the expectations about `test_totals`, and about `tests` so that failing ones are named."""
        totals: list[Expectation] = [
            _between("executed", minimum=self.minimum_executed),
            _between("failed_or_error", maximum=self.maximum_failed),
        ]
        if self.maximum_skipped is not None:
            totals.append(_between("skipped", maximum=self.maximum_skipped))
        # With a tolerance the totals decide, and the failing tests are only named.
        severity = "info" if self.maximum_failed else "critical"
        named = expect(
            "expect_column_values_to_not_be_in_set",
            severity,
            "No test failed.",
            column="status",
            value_set=["failed", "error"],
        )
        return [
            Ask(facts="test_totals", expectations=totals),
            Ask(facts="tests", expectations=[named]),
        ]


def _between(column: str, minimum: int | None = None, maximum: int | None = None) -> Expectation:
    limits: dict[str, Any] = {"min_value": minimum, "max_value": maximum}
    return expect(
        "expect_column_max_to_be_between",
        column=column,
        **{key: value for key, value in limits.items() if value is not None},
    )
