"""Whether an environment may be changed now: freeze windows that deny or allow, and stops of the line. Pure, no clock.

Open = no window that denies is active, and no window that allows applies or one of them is active, and nobody has
stopped the line. What cannot be read counts as closed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from gare.domain.plan import Kind, Plan, PlannedStep
from gare.domain.spans import Span, Times, merged

KEEPER = "the station's keeper"
ROLLBACK_ALONE = frozenset({Kind.ROLLBACK})
LOOKING_AGAIN = timedelta(minutes=5)
"""How often a release looks again whether a calendar can be read."""
REACHES = (timedelta(days=8), timedelta(days=64), timedelta(days=731))
"""How far ahead the next opening is looked for, step by step; nobody plans a freeze of two years."""
BEFORE_ALL, FOR_EVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_INSTANT = timedelta(microseconds=1)
_CHANGE_NOTHING = frozenset({"approve", "verify", "soak", "depart", "arrive", "return"})
"""Votes and looks, and the steps of a train: its members are runs of their own, each looks for itself."""


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
    """A freeze window. `origin` is where it is written; `owner` may change it."""

    name: str
    times: Times
    kind: WindowKind = WindowKind.DENY
    scope: Scope = Scope()
    on_closed: OnClosed = OnClosed.WAIT
    owner: str = ""
    reason: str = ""
    origin: str = ""


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


@dataclass(frozen=True, slots=True)
class Calendar:
    """All that says when environments may be changed."""

    windows: Sequence[Window] = ()
    stops: Sequence[Stop] = ()
    unreadable: Sequence[Unreadable] = ()

    def without(self, names: Collection[str]) -> "Calendar":
        """Return the calendar without what has one of these names: somebody has set it aside."""
        return Calendar(
            tuple(one for one in self.windows if one.name not in names),
            tuple(one for one in self.stops if one.name not in names),
            tuple(one for one in self.unreadable if one.name not in names),
        )


@dataclass(frozen=True, slots=True)
class Closing:
    """One thing that keeps an environment closed. `until` is None when nobody knows."""

    name: str
    what: str
    owner: str
    until: datetime | None
    is_refusal: bool = False
    is_blind: bool = False
    """It could not be read whether this closes."""

    def __str__(self) -> str:
        return f"{self.what} (until {when(self.until)})"


@dataclass(frozen=True, slots=True)
class Clearance:
    """Whether an environment is open at an instant, or why not. `opens_at` is None when nobody knows when it opens."""

    environment: str
    closings: tuple[Closing, ...] = ()
    opens_at: datetime | None = None
    wake_at: datetime | None = None
    """When a release that waits for it looks again."""

    @property
    def is_open(self) -> bool:
        """Whether nothing keeps it closed."""
        return not self.closings

    @property
    def opens(self) -> str:
        """Say when it opens."""
        if self.opens_at is None and all(closing.until for closing in self.closings):
            return "not within two years"
        return when(self.opens_at)

    @property
    def is_refusal(self) -> bool:
        """Whether a release that meets this is refused instead of waiting."""
        return any(closing.is_refusal for closing in self.closings)

    def __str__(self) -> str:
        if self.is_open:
            return f"{self.environment} is open"
        reasons = "; ".join(closing.what for closing in self.closings)
        return f"{self.environment} is closed: {reasons}; opens {self.opens}"


def when(at: datetime | None) -> str:
    """Spell an instant for people; None as what it means."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "nobody knows when"


def is_outward(step: PlannedStep) -> bool:
    """Tell whether a step changes something outside, so that a closed environment keeps it.

    A rollout that has begun is verified, and soaks, in a closed window too.
    """
    return step.type not in _CHANGE_NOTHING and bool(step.effects or step.environment)


def environment_of(plan: Plan, step: PlannedStep) -> str:
    """Return the environment that a step belongs to: its own, else the plan's last."""
    return step.environment or (plan.environments[-1] if plan.environments else "")


def move_of(plan: Plan, step: PlannedStep) -> Move:
    """Return what a step does, as windows see it."""
    return Move(plan.project, environment_of(plan, step), plan.kind)


def clearance(calendar: Calendar, move: Move, at: datetime) -> Clearance:
    """Say whether a move may be made at an instant, with all that is in its way and when it opens."""
    found = (
        *(_denial(window, span) for window, span in _active(calendar, move, at)),
        *_disallowed(calendar, move, at),
        *(_stopped(stop) for stop in calendar.stops if _counts(stop, move, at)),
        *(_unread(one) for one in calendar.unreadable if one.scope.covers(move)),
    )
    if not found:
        return Clearance(move.environment)
    opens_at = next_opening(calendar, move, at)
    return Clearance(move.environment, found, opens_at, opens_at or _look_again(found, at))


def _look_again(found: Sequence[Closing], at: datetime) -> datetime | None:
    """Return when something changes, or may, although nobody knows when it opens.

    The same instant however often it is asked: whoever waits compares what it waits for.
    """
    ends = [closing.until for closing in found if closing.until]
    if any(closing.is_blind for closing in found):
        ends.append(at - (at - BEFORE_ALL) % LOOKING_AGAIN + LOOKING_AGAIN)
    return min(ends, default=None)


def next_opening(calendar: Calendar, move: Move, at: datetime) -> datetime | None:
    """Return the first instant from `at` on at which the move may be made; None when there is none in sight."""
    for reach in REACHES:
        end = at + reach
        closed = closed_spans(calendar, move, at, end)
        opens_at = next((span.end for span in closed if span.has(at)), at)
        if opens_at < end:
            return opens_at
    return None


def closed_spans(calendar: Calendar, move: Move, begin: datetime, end: datetime) -> list[Span]:
    """Return when the move may not be made: spans that neither touch nor overlap each other, sorted."""
    closed = [
        span for window in _covering(calendar, move, WindowKind.DENY)
        for span in window.times.spans(begin, end)
    ]  # fmt: skip
    closed += [stop.span() for stop in calendar.stops if stop.scope.covers(move)]
    closed += [Span(begin, FOR_EVER) for one in calendar.unreadable if one.scope.covers(move)]
    if allowing := _covering(calendar, move, WindowKind.ALLOW):
        allowed = merged(span for window in allowing for span in window.times.spans(begin, end))
        closed += _between(allowed, begin, end)
    return [span for span in merged(closed) if span.overlaps(begin, end)]


def _between(allowed: Sequence[Span], begin: datetime, end: datetime) -> list[Span]:
    """Return what is left of the time from `begin` to `end`."""
    starts = [begin, *(span.end for span in allowed)]
    ends = [*(span.start for span in allowed), end]
    return [Span(one, other) for one, other in zip(starts, ends, strict=True) if one < other]


def _covering(calendar: Calendar, move: Move, kind: WindowKind) -> list[Window]:
    return [
        window for window in calendar.windows if window.kind is kind and window.scope.covers(move)
    ]


def _active(calendar: Calendar, move: Move, at: datetime) -> list[tuple[Window, Span]]:
    """Return the windows that deny at an instant, each with the span it is in."""
    return [
        (window, span)
        for window in _covering(calendar, move, WindowKind.DENY)
        for span in window.times.spans(at, at + _INSTANT)[-1:]
    ]


def _denial(window: Window, span: Span) -> Closing:
    name = f"{window.name} ({span.label})" if span.label else window.name
    return Closing(
        window.name,
        _told(f"the freeze {name}", window),
        window.owner or KEEPER,
        span.end,
        window.on_closed is OnClosed.REFUSE,
    )


def _disallowed(calendar: Calendar, move: Move, at: datetime) -> list[Closing]:
    """Return the windows that allow when there are some and none of them is active."""
    allowing = _covering(calendar, move, WindowKind.ALLOW)
    if any(window.times.spans(at, at + _INSTANT) for window in allowing):
        return []
    return [
        Closing(
            window.name,
            _told(f"it is not the time of {window.name}", window),
            window.owner or KEEPER,
            next_start(window.times, at),
            window.on_closed is OnClosed.REFUSE,
        )
        for window in allowing
    ]


def next_start(times: Times, at: datetime) -> datetime | None:
    """Return when some times start next after an instant; None when they do not in sight."""
    for reach in REACHES:
        if found := [span.start for span in times.spans(at, at + reach) if span.start > at]:
            return found[0]
    return None


def _told(what: str, window: Window) -> str:
    said = f" in {window.origin}" if window.origin else ""
    return f"{what}{said}" + (f": {window.reason}" if window.reason else "")


def _counts(stop: Stop, move: Move, at: datetime) -> bool:
    return stop.scope.covers(move) and stop.span().has(at)


def _stopped(stop: Stop) -> Closing:
    link = f" ({stop.link})" if stop.link else ""
    what = f"{stop.author} stopped the line, {stop.name}: {stop.reason}{link}"
    return Closing(stop.name, what, stop.author, stop.until)


def _unread(one: Unreadable) -> Closing:
    what = f"{one.name} cannot be read: {one.problem}"
    return Closing(one.name, what, one.owner, None, is_blind=True)
