"""Tables of facts that gates ask questions of, and the answers: plain columns and rows, JSON values only."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Facts:
    """One table. `columns` are kept even when there are no rows; each row has every column."""

    name: str
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """Spell the table for the ledger: rows as lists in the order of the columns."""
        rows = [[row.get(column) for column in self.columns] for row in self.rows]
        return {"name": self.name, "columns": list(self.columns), "rows": rows}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Facts":
        """Read what `as_json` spelled."""
        columns = tuple(value["columns"])
        rows = [dict(zip(columns, row, strict=True)) for row in value["rows"]]
        return cls(value["name"], columns, rows)


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation's answer. `observed` is for people; `unexpected` counts rows that failed.

    `samples` name up to twenty of those rows. With an `error` it could not be told, which counts as no.
    """

    expectation: str
    column: str
    is_met: bool
    severity: str
    observed: str
    wanted: str
    unexpected: int = 0
    error: str = ""
    samples: tuple[str, ...] = ()
    facts: str = ""
    description: str = ""

    @property
    def blocks(self) -> bool:
        """Whether this answer alone stops the release: a critical no, or one that could not be told."""
        return bool(self.error) or (not self.is_met and self.severity == "critical")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate's answer. `result`: passed, failed, not applicable. "Could not tell" is failed with an error."""

    gate: str
    facts: str
    result: str
    checks: tuple[Check, ...]
    reason: str = ""
    question: str = ""

    @property
    def has_passed(self) -> bool:
        """Whether the release may go on as far as this gate is concerned."""
        return self.result in ("passed", "not applicable")

    @property
    def warnings(self) -> tuple[Check, ...]:
        """Answers that are no and are only told."""
        return tuple(check for check in self.checks if not check.is_met and not check.blocks)

    def as_json(self) -> dict[str, Any]:
        """Spell the verdict for the ledger."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Verdict":
        """Read what `as_json` spelled."""
        checks = (Check(**{**c, "samples": tuple(c["samples"])}) for c in value["checks"])
        return cls(**{**value, "checks": tuple(checks)})
