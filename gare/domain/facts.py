"""Tables of facts that gates ask questions of: plain columns and rows, JSON values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Facts:
    """One table. `columns` are kept even when there are no rows; each row has every column."""

    name: str
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation's answer. `observed` is for people; `unexpected` counts rows that failed."""

    expectation: str
    column: str
    is_met: bool
    severity: str
    observed: str
    wanted: str
    unexpected: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate's answer. `result`: passed, failed, not applicable. "Could not tell" is failed with an error."""

    gate: str
    facts: str
    result: str
    checks: tuple[Check, ...]
    reason: str = ""

    @property
    def has_passed(self) -> bool:
        """Whether the release may go on as far as this gate is concerned."""
        return self.result in ("passed", "not applicable")
