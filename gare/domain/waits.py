"""What a release waits for, each with its cause. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Cause(StrEnum):
    """Why something waits, in the words that people are told it with."""

    QUEUE = "queue"
    APPROVALS = "approvals"
    PEOPLE = "people"
    FREEZES = "freezes"
    ON_HOLD = "automation on hold"
    SOAK = "soak"
    SYSTEMS = "other systems"
    TIMETABLE = "timetable"
    MEMBERS = "members"
    FAILED = "failed members"
    HELD = "held by a person"
    OTHER = "other"

    @property
    def needs_people(self) -> bool:
        """Whether nothing moves until somebody acts."""
        return self in _OF_PEOPLE

    @property
    def concerns_train(self) -> bool:
        """Whether the train of who waits so is told: it is in the way, and no work of the release itself."""
        return self not in (Cause.SOAK, Cause.SYSTEMS)


_OF_PEOPLE = (Cause.APPROVALS, Cause.PEOPLE, Cause.ON_HOLD, Cause.FAILED, Cause.HELD)


@dataclass(frozen=True, slots=True)
class Waited:
    """One thing waited for. `step` is whose; `release` is the one whose end is waited for, such as R-12.

    `ways` are the commands that a person may choose from for it to go on, each perhaps with what comes of it.
    """

    what: str
    cause: Cause
    step: str = ""
    release: str = ""
    ways: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Tell it with the step that waits."""
        return f"{self.step}: {self.what}" if self.step else self.what

    def as_json(self) -> Mapping[str, Any]:
        """Spell it as plain JSON."""
        told = {key: value for key, value in asdict(self).items() if key != "ways"}
        return told | ({"ways": list(self.ways)} if self.ways else {})

    def in_full(self) -> str:
        """Tell it with the step that waits and the ways on."""
        return f"{self} ({one_of(self.ways)})" if self.ways else str(self)


def one_of(ways: Sequence[str]) -> str:
    """Name ways on in a sentence: `a`, `b`, or `c`."""
    return f"{', '.join(ways[:-1])}, or {ways[-1]}" if len(ways) > 1 else "".join(ways)


def read_waited(value: Any) -> Waited:
    """Return what was waited for; an older Gare wrote words alone, and no ways."""
    if isinstance(value, str):
        return Waited(value, Cause.OTHER)
    ways = tuple(value.get("ways", ()))
    return Waited(**{**value, "cause": Cause(value["cause"]), "ways": ways})
