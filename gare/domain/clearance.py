"""Whether an environment may be changed now, what keeps it closed, and when it opens. Pure, no clock.

Open = no window that denies is active; and of the windows that allow, of the station and of the project each, there is
none or one is active; and nobody has stopped the line. What cannot be read counts as closed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from gare.domain.freezes import (
    FOR_EVER,
    Calendar,
    Move,
    OnClosed,
    Stop,
    Unreadable,
    Window,
    WindowKind,
)
from gare.domain.spans import Span, Times, merged

KEEPER = "the station's keeper"
LOOKING_AGAIN = timedelta(minutes=5)
"""How often a release looks again whether a calendar can be read."""
BLIND_FOR = timedelta(days=1)
"""How long somebody's word counts about what could not be read: nobody knew then what it would say."""
REACHES = (timedelta(days=8), timedelta(days=64), timedelta(days=731))
"""How far ahead the next opening is looked for, step by step; nobody plans a freeze of two years."""
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Closing:
    """One thing that keeps an environment closed. `until` is None when nobody knows.

    `key` names this very time of it; `project` is the one whose own it is, empty: the station's.
    """

    name: str
    what: str
    owner: str
    until: datetime | None
    is_refusal: bool = False
    is_blind: bool = False
    """It could not be read whether this closes."""
    key: str = ""
    project: str = ""

    def __str__(self) -> str:
        return f"{self.what} (until {when(self.until)})"

    def spared_until(self, now: datetime) -> datetime | None:
        """Return until when it does not count for a release that is let through now; None: as long as it lasts."""
        return now + BLIND_FOR if self.is_blind else self.until


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
        reasons = "; ".join(dict.fromkeys(closing.what for closing in self.closings))
        return f"{self.environment} is closed: {reasons}; opens {self.opens}"


def when(at: datetime | None, zone: ZoneInfo | None = None) -> str:
    """Spell an instant for people, in a zone of theirs too; None as what it means."""
    if at is None:
        return "nobody knows when"
    said = f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if zone is None or zone.key == "UTC":
        return said
    local = at.astimezone(zone)
    day = "" if local.date() == at.astimezone(UTC).date() else f"{local:%Y-%m-%d} "
    return f"{said} ({day}{local:%H:%M} {zone.key})"


def clearance(calendar: Calendar, move: Move, at: datetime) -> Clearance:
    """Say whether a move may be made at an instant, with all that is in its way and when it opens."""
    found = tuple(
        closing
        for closing in _closings(calendar, move, at)
        if not _is_aside(calendar, closing.key, at)
    )
    if not found:
        return Clearance(move.environment)
    opens_at = next_opening(calendar, move, at)
    return Clearance(move.environment, found, opens_at, opens_at or _look_again(found, at))


def _closings(calendar: Calendar, move: Move, at: datetime) -> Iterator[Closing]:
    """Yield all that is in the way, set aside or not."""
    for window in _covering(calendar, move, WindowKind.DENY):
        for span in window.times.spans(at, at + INSTANT):
            yield _denial(window, span)
    for allowing in _groups(calendar, move):
        if not any(window.times.spans(at, at + INSTANT) for window in allowing):
            yield from (_disallowance(window, at) for window in allowing)
    yield from (_stopped(stop) for stop in calendar.stops if _counts(stop, move, at))
    yield from (_unread(one) for one in calendar.unreadable if one.scope.covers(move))


def _is_aside(calendar: Calendar, key: str, at: datetime) -> bool:
    """Tell whether an occurrence does not count at an instant."""
    if key not in calendar.aside:
        return False
    until = calendar.aside[key]
    return until is None or at < until


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
        _counting(calendar, window.occurrence(span), span)
        for window in _covering(calendar, move, WindowKind.DENY)
        for span in window.times.spans(begin, end)
    ]
    closed += [
        _counting(calendar, stop.occurrence, stop.span())
        for stop in calendar.stops
        if stop.scope.covers(move)
    ]
    closed += [
        _counting(calendar, one.occurrence, Span(begin, FOR_EVER))
        for one in calendar.unreadable
        if one.scope.covers(move)
    ]
    for allowing in _groups(calendar, move):
        allowed = merged(span for window in allowing for span in window.times.spans(begin, end))
        closed += [
            gap
            for gap in _between(allowed, begin, end)
            if not _is_gap_aside(calendar, allowing, gap)
        ]
    return [span for span in merged(closed) if span.start < span.end and span.overlaps(begin, end)]


def _counting(calendar: Calendar, key: str, span: Span) -> Span:
    """Return what counts of an occurrence: all of it, what is left when it was set aside for a while, or nothing."""
    if key not in calendar.aside:
        return span
    until = calendar.aside[key]
    return Span(span.end if until is None else min(max(until, span.start), span.end), span.end)


def _is_gap_aside(calendar: Calendar, allowing: Sequence[Window], gap: Span) -> bool:
    return bool(calendar.aside) and all(
        _is_aside(calendar, window.gap(next_start(window.times, gap.start)), gap.start)
        for window in allowing
    )


def _between(allowed: Sequence[Span], begin: datetime, end: datetime) -> list[Span]:
    """Return what is left of the time from `begin` to `end`."""
    starts = [begin, *(span.end for span in allowed)]
    ends = [*(span.start for span in allowed), end]
    return [Span(one, other) for one, other in zip(starts, ends, strict=True) if one < other]


def _covering(calendar: Calendar, move: Move, kind: WindowKind) -> list[Window]:
    return [
        window for window in calendar.windows if window.kind is kind and window.scope.covers(move)
    ]


def _groups(calendar: Calendar, move: Move) -> list[list[Window]]:
    """Return the windows that allow, those of the station and of the project apart: neither opens for the other."""
    windows = sorted(_covering(calendar, move, WindowKind.ALLOW), key=_project)
    return [list(group) for _, group in groupby(windows, key=_project)]


def _project(window: Window) -> str:
    return window.project


def _denial(window: Window, span: Span) -> Closing:
    name = f"{window.name} ({span.label})" if span.label else window.name
    return Closing(
        window.name,
        _told(f"the freeze {name}", window),
        window.owner or KEEPER,
        span.end,
        window.on_closed is OnClosed.REFUSE,
        key=window.occurrence(span),
        project=window.project,
    )


def _disallowance(window: Window, at: datetime) -> Closing:
    until = next_start(window.times, at)
    return Closing(
        window.name,
        _told(f"it is not the time of {window.name}", window),
        window.owner or KEEPER,
        until,
        window.on_closed is OnClosed.REFUSE,
        key=window.gap(until),
        project=window.project,
    )


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
    return Closing(stop.name, what, stop.author, stop.until, key=stop.occurrence)


def _unread(one: Unreadable) -> Closing:
    what = f"{one.name} cannot be read: {one.problem}"
    return Closing(
        one.name, what, one.owner, None, is_blind=True, key=one.occurrence, project=one.project
    )
