"""Freeze windows that deny or allow, stops of the line, and what of them one release is spared. Pure values.

Whether an environment is open at an instant is in gare/domain/clearance.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from gare.domain.plan import Kind, Plan, PlannedStep
from gare.domain.schedule import environment_of
from gare.domain.spans import Span, Times

ROLLBACK_ALONE = frozenset({Kind.ROLLBACK})
FOR_EVER = datetime.max.replace(tzinfo=UTC)
OUTWARD = "outward"
"""Setting of a step with commands: whether they change something outside."""
_LABEL = 100
_CHANGE_NOTHING = frozenset({"approve", "verify", "soak", "depart", "arrive", "return"})
"""Votes and looks, and the steps of a train: its members are runs of their own, each looks for itself."""

Aside = Mapping[str, datetime | None]
"""Occurrences (`Window.occurrence` and its like) that do not count, each until when; None: as long as it lasts."""


class WindowKind(StrEnum):
    """What an active window means."""

    DENY = "deny"
    ALLOW = "allow"


class OnClosed(StrEnum):
    """What becomes of a release that meets a closed environment."""

    WAIT = "wait"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Move:
    """What somebody wants to do: change an environment of a project, by a kind of release."""

    project: str
    environment: str
    kind: Kind = Kind.RELEASE


@dataclass(frozen=True, slots=True)
class Scope:
    """What a window is about: names or patterns (`*`, `?`, `[ab]`), and the kinds of releases it lets through."""

    projects: tuple[str, ...] = ("*",)
    environments: tuple[str, ...] = ("*",)
    lets: frozenset[Kind] = ROLLBACK_ALONE

    def covers(self, move: Move) -> bool:
        """Tell whether a window of this scope keeps this move."""
        return (
            move.kind not in self.lets
            and self.covers_project(move.project)
            and any(fnmatchcase(move.environment, name) for name in self.environments)
        )

    def covers_project(self, project: str) -> bool:
        """Tell whether a window of this scope is about this project at all."""
        return any(fnmatchcase(project, name) for name in self.projects)


@dataclass(frozen=True, slots=True)
class Window:
    """A freeze window. `origin` is where it is written; `owner` may change it.

    `project` is the one whose own it is (empty: the station's), `number` that of its entry in the ledger (0: a file's).
    """

    name: str
    times: Times
    kind: WindowKind = WindowKind.DENY
    scope: Scope = Scope()
    on_closed: OnClosed = OnClosed.WAIT
    owner: str = ""
    reason: str = ""
    origin: str = ""
    project: str = ""
    number: int = 0
    note: str = ""
    """What whoever looks at it should know of its times."""

    @property
    def id(self) -> str:
        """Return what no other freeze of the station is called."""
        return identity(self.name, self.project, self.number)

    def occurrence(self, span: Span) -> str:
        """Name one time of the window: what an override sets aside."""
        label = f" {span.label[:_LABEL]}" if span.label else ""
        return f"{self.id} from {span.start:%Y-%m-%dT%H:%M:%SZ}{label}"

    def gap(self, end: datetime | None) -> str:
        """Name one time in which a window that allows does not, by its end."""
        return f"{self.id} before {f'{end:%Y-%m-%dT%H:%M:%SZ}' if end else 'ever'}"


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody has stopped the line. It counts until it is lifted, or until `until`."""

    name: str
    reason: str
    author: str
    since: datetime
    until: datetime | None = None
    link: str = ""
    scope: Scope = Scope()
    number: int = 0

    @property
    def id(self) -> str:
        """Return what no other freeze of the station is called."""
        return identity(self.name, "", self.number)

    @property
    def occurrence(self) -> str:
        """Name this stop: another one of the same name is another one."""
        return f"{self.id} from {self.since:%Y-%m-%dT%H:%M:%SZ}"

    def span(self) -> Span:
        """Return how long it counts."""
        return Span(self.since, self.until or FOR_EVER)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Windows that could not be read: all that they might be about is closed until they can."""

    name: str
    problem: str
    owner: str
    scope: Scope = Scope()
    project: str = ""
    number: int = 0

    @property
    def occurrence(self) -> str:
        """Name that it cannot be read; when it can, each of its times is another thing."""
        return f"{identity(self.name, self.project, self.number)} unreadable"


def identity(name: str, project: str, number: int) -> str:
    """Return what a freeze is called among all of a station: a name alone is unique in its file only."""
    return (f"{project}/" if project else "") + name + (f"#{number}" if number else "")


@dataclass(frozen=True, slots=True)
class Calendar:
    """All that says when environments may be changed. `aside` is what does not count of it."""

    windows: Sequence[Window] = ()
    stops: Sequence[Stop] = ()
    unreadable: Sequence[Unreadable] = ()
    aside: Aside = field(default_factory=dict)

    def without(self, aside: Aside) -> "Calendar":
        """Return the calendar of a release for which somebody has set these occurrences aside."""
        return replace(self, aside=aside)


def is_outward(step: PlannedStep) -> bool:
    """Tell whether a step changes something outside, so that a closed environment keeps it.

    A rollout that has begun is verified, and soaks, in a closed window too.
    """
    if step.type in _CHANGE_NOTHING:
        return False
    return bool(step.effects or step.environment or step.settings.get(OUTWARD))


def move_of(plan: Plan, step: PlannedStep) -> Move:
    """Return what a step does, as windows see it."""
    return Move(plan.project, environment_of(plan, step), plan.kind)
