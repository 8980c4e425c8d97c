"""Built-in suite `changes`: whether every commit says what it is and what it is for."""

from typing import Any, ClassVar, Literal

from gare.gates.spec import Ask, Expectation, expect, where
from gare.settings import Settings

Weight = Literal["critical", "warning", "info", "off"]


class Changes(Settings):
    """Limits of the suite `changes`. By default it tells and does not stop: most histories are not conventional."""

    question: ClassVar[str] = "Does every commit say what it is and which ticket it is for?"

    kinds: Weight = "warning"
    """How bad a commit without a conventional kind (`feat:`, `fix:` …) is; merges need none."""
    tickets: Weight = "warning"
    """How bad a commit of `ticket_kinds` without a ticket key is."""
    ticket_kinds: tuple[str, ...] = ("feat", "fix")
    """Kinds of commits that must name a ticket."""
    allow_breaking: bool = True
    """Whether a breaking change may be released."""

    def asks(self) -> list[Ask]:
        """Return the expectations about the table `changes`."""
        no_merge = where("is_merge", "==", False)
        found: list[Expectation] = [
            expect("expect_column_values_to_be_unique", column="sha", description="Each commit is told once."),
        ]  # fmt: skip
        if self.kinds != "off":
            found.append(
                _all_true("is_conventional", self.kinds, no_merge, "Every commit has a kind.")
            )
        if self.tickets != "off" and self.ticket_kinds:
            kinds = where("kind", "IN", list(self.ticket_kinds))
            both = {"type": "and", "conditions": [no_merge, kinds]}
            words = f"Every {' and '.join(self.ticket_kinds)} names a ticket."
            found.append(_all_true("has_ticket", self.tickets, both, words))
        if not self.allow_breaking:
            words = "Nothing breaks those who use it."
            found.append(
                expect(
                    "expect_column_values_to_be_in_set",
                    description=words,
                    column="is_breaking",
                    value_set=[False],
                )
            )
        return [Ask(facts="changes", expectations=found)]


def _all_true(column: str, severity: str, condition: dict[str, Any], words: str) -> Expectation:
    return expect(
        "expect_column_values_to_be_in_set",
        severity,
        words,
        column=column,
        value_set=[True],
        row_condition=condition,
    )
