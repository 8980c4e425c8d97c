"""What the answer to "why does it not move" is made of, and its shape. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gare.domain.approvals import Voter
from gare.domain.locks import Place
from gare.domain.plan import Plan
from gare.domain.releases import Release, StepRecord
from gare.domain.standing import Hold
from gare.domain.timetable import Kept
from gare.reports.freezes import Ahead
from gare.reports.owed import Owed
from gare.reports.status import Asked

KEEPER = "the station's keeper"


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that keeps the release. `owner` can do something about it, `do` says what."""

    what: str
    owner: str
    do: str
    step: str = ""
    since: datetime | None = None
    until: datetime | None = None
    details: tuple[str, ...] = ()
    is_moving: bool = False
    """It moves itself: nobody has to do anything about it."""


@dataclass(frozen=True, slots=True)
class EngineState:
    """The run as the engine has it; `problem` says why it could not be asked."""

    type: str = ""
    name: str = ""
    message: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Queued:
    """A place in the queue, and why each of the releases that hold the locks stands where it stands."""

    place: Place
    holders: Mapping[str, "Explanation"]


@dataclass(frozen=True, slots=True)
class View:
    """All that the answer is made of. `logs` are the paths of each step's logs, the newest last."""

    release: Release
    plan: Plan
    records: Mapping[str, StepRecord]
    asked: Sequence[Asked]
    people: Sequence[Voter]
    engine: EngineState
    now: datetime
    logs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    queued: Queued | None = None
    holds: Mapping[str, Hold] = field(default_factory=dict)
    """Holds that keep this release from deploying, by environment."""
    ways: Sequence[Ahead] = ()
    owed: Sequence[Owed] = ()
    """What a hotfix owes after its end."""
    others: Mapping[str, "Explanation"] = field(default_factory=dict)
    """Why each of the releases that a train waits for stands where it stands."""
    may_come_again: bool = False
    """Whether the train of a member stands for it: it may release it once more."""
    kept: Kept | None = None
    """What people keep a train back by that has boarded."""
    held: str = ""
    """By whom a departure is held, and why."""
    goes_back: str = ""
    """Because of whom a train goes back."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole answer: one sentence, what is in the way, what comes then."""

    sentence: str
    blockers: tuple[Blocker, ...]
    then: str
    wake_at: datetime | None = None
    earliest: str = ""
    """When the next outward step can start, when a freeze keeps it."""

    def as_json(self) -> dict[str, Any]:
        """Spell it as plain JSON."""
        return {
            "sentence": self.sentence,
            "then": self.then,
            "wake_at": self.wake_at.isoformat() if self.wake_at else None,
            "earliest": self.earliest,
            "blockers": [
                {
                    "what": blocker.what,
                    "owner": blocker.owner,
                    "do": blocker.do,
                    "step": blocker.step,
                    "since": blocker.since.isoformat() if blocker.since else None,
                    "until": blocker.until.isoformat() if blocker.until else None,
                    "details": list(blocker.details),
                }
                for blocker in self.blockers
            ],
        }
