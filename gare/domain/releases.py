"""The life of a release: its states, which of them are ends, and how each is told to the engine and the shell."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from gare.domain.plan import Kind
from gare.domain.waits import Waited


class ReleaseState(StrEnum):
    """Where a release stands. The closed ones are ends; a stopped one is open and stands still until a person acts."""

    RUNNING = "running"
    WAITING = "waiting"
    FAILED = "failed"
    ATTENTION = "needs attention"
    RELEASED = "released"
    REJECTED = "rejected"
    EXPIRED = "expired"
    ROLLED_BACK = "rolled back"
    CANCELLED = "cancelled"

    @property
    def is_closed(self) -> bool:
        """Whether nothing further can happen to the release."""
        return self in CLOSED

    @property
    def is_stopped(self) -> bool:
        """Whether nothing moves until a person resumes or cancels the release."""
        return self in (ReleaseState.FAILED, ReleaseState.ATTENTION)

    @property
    def exit_code(self) -> int:
        """What `gare release` and `gare watch` end with (docs/exit-codes.md)."""
        return EXIT_CODES[self]


CLOSED = frozenset(
    {
        ReleaseState.RELEASED,
        ReleaseState.REJECTED,
        ReleaseState.EXPIRED,
        ReleaseState.ROLLED_BACK,
        ReleaseState.CANCELLED,
    }
)
EXIT_CODES = {
    ReleaseState.RUNNING: 0,
    ReleaseState.WAITING: 0,
    ReleaseState.RELEASED: 0,
    ReleaseState.FAILED: 1,
    ReleaseState.ATTENTION: 1,
    ReleaseState.REJECTED: 3,
    ReleaseState.EXPIRED: 3,
    ReleaseState.CANCELLED: 3,
    ReleaseState.ROLLED_BACK: 5,
}


class StepState(StrEnum):
    """Where a step stands. Absent from the ledger means: not started."""

    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Release:
    """A release as the ledger has it. Instants are aware UTC."""

    id: str
    project: str
    version: str
    plan: str
    flow_run_id: str
    state: ReleaseState
    requested_by: str
    reason: str
    opened_at: datetime
    changed_at: datetime
    closed_at: datetime | None
    end: str
    waits: tuple[Waited, ...]
    wake_at: datetime | None
    kind: Kind = Kind.RELEASE
    train: str = ""
    """The train that it is a member of, such as R-12; empty for none."""

    @property
    def waiting(self) -> tuple[str, ...]:
        """Return what it waits for, in words."""
        return tuple(map(str, self.waits))

    @property
    def is_closed(self) -> bool:
        """Whether the release has reached an end."""
        return self.state.is_closed

    @property
    def is_stopped(self) -> bool:
        """Whether the release stands still until a person acts."""
        return self.state.is_stopped

    @property
    def is_moving(self) -> bool:
        """Whether the release goes on by itself, now or when what it waits for comes."""
        return not self.is_closed and not self.is_stopped


def how_it_ended(state: str, end: str) -> str:
    """Tell a state with its reason, where that does not say it already: `cancelled by alice`."""
    return end if end.startswith(state) else f"{state}: {end}" if end else state


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of a release as the ledger has it. `value` is JSON; `log` is relative to the store."""

    step: str
    state: StepState
    attempt: int
    value: Any
    error: str
    started_at: datetime
    ended_at: datetime | None
