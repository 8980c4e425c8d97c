"""When environments are closed, for people and programs. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gare.domain.clearance import (
    INSTANT,
    Clearance,
    clearance,
    closed_spans,
    next_start,
    when,
)
from gare.domain.freezes import (
    FOR_EVER,
    Calendar,
    Move,
    Scope,
    Stop,
    Unreadable,
    Window,
    WindowKind,
    is_outward,
    move_of,
)
from gare.domain.plan import Plan, PlannedStep
from gare.domain.releases import StepState
from gare.domain.spans import Span, over_since

Json = dict[str, Any]
SIGHT = timedelta(days=31)
"""How far ahead a freeze is looked at: an open release of today has ended by then."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """How the way stands to an environment: the first outward step there, and what keeps it now."""

    step: str
    clearance: Clearance
    closes: datetime | None = None
    """For one that is open: when it closes next, within a month."""

    def __str__(self) -> str:
        if self.clearance.is_open and self.closes:
            return f"{self.clearance}; it closes {when(self.closes)}"
        return str(self.clearance)

    def as_json(self) -> Json:
        """Spell it as plain JSON."""
        opens_at = self.clearance.opens_at
        return {
            "step": self.step,
            "environment": self.clearance.environment,
            "is_open": self.clearance.is_open,
            "closed_by": [
                {"freeze": one.name, "what": one.what, "owner": one.owner, "until": _iso(one.until)}
                for one in self.clearance.closings
            ],
            "opens_at": _iso(opens_at),
            "closes_at": _iso(self.closes),
        }


def ahead(
    plan: Plan,
    states: Mapping[str, StepState],
    calendar_of: Callable[[Move], Calendar],
    now: datetime,
) -> list[Ahead]:
    """Return how the way stands to each environment that the steps to come change, in their order."""
    found: dict[Move, Ahead] = {}
    for step in to_come(plan, states):
        move = move_of(plan, step)
        if move not in found:
            calendar = calendar_of(move)
            closed = closed_spans(calendar, move, now, now + SIGHT)
            closes = next((span.start for span in closed if span.start > now), None)
            found[move] = Ahead(step.id, clearance(calendar, move, now), closes)
    return list(found.values())


def earliest(ways: Sequence[Ahead]) -> str:
    """Say when the first outward step may start; empty when it may now."""
    if not ways or ways[0].clearance.is_open:
        return ""
    return f"the earliest start of {ways[0].step}: {ways[0].clearance.opens}"


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None


def to_come(plan: Plan, states: Mapping[str, StepState]) -> list[PlannedStep]:
    """Return the outward steps that are not done."""
    return [
        step
        for step in plan.steps
        if is_outward(step) and states.get(step.id) is not StepState.DONE
    ]


@dataclass(frozen=True, slots=True)
class Entry:
    """A time of one freeze. `freeze` closes in it, or allows when it is a window that does."""

    freeze: Window | Stop | Unreadable
    span: Span

    def row(self) -> list[str]:
        """Spell it for a table: from, to, what, projects, environments, why."""
        scope = self.freeze.scope
        return [
            when(self.span.start),
            until(self.span),
            _what(self.freeze, self.span),
            ", ".join(scope.projects),
            ", ".join(scope.environments),
            _why(self.freeze),
        ]

    def as_json(self) -> Json:
        """Spell it as plain JSON."""
        return {
            "freeze": self.freeze.name,
            "what": _what(self.freeze, self.span),
            "reason": _why(self.freeze),
            **span_json(self.span),
            **_scope_json(self.freeze.scope),
        }


def entries(calendar: Calendar, begin: datetime, end: datetime) -> Sequence[Entry]:
    """Return every time of every freeze that overlaps the time from `begin` to `end`, in order."""
    found = [
        Entry(window, span)
        for window in calendar.windows
        for span in window.times.spans(begin, end)
    ]
    found += [
        Entry(stop, span) for stop in calendar.stops if (span := stop.span()).overlaps(begin, end)
    ]
    found += [Entry(one, Span(begin, FOR_EVER)) for one in calendar.unreadable]
    return sorted(found, key=lambda entry: (entry.span, entry.freeze.name))


def lines(calendar: Calendar, now: datetime) -> list[Json]:
    """Spell every freeze as plain JSON: what it is, whether it is active, when it is next."""
    return [
        *(_window_line(window, now) for window in calendar.windows),
        *(_stop_line(stop) for stop in calendar.stops),
        *(
            {
                "name": one.name, "kind": "unreadable", "now": "closed", "next": "",
                "owner": one.owner, "origin": "", "reason": "", "problem": one.problem,
                **_scope_json(one.scope),
            }
            for one in calendar.unreadable
        ),
    ]  # fmt: skip


def _window_line(window: Window, now: datetime) -> Json:
    active = window.times.spans(now, now + INSTANT)
    following = next_start(window.times, now)
    return {
        "name": window.name,
        "kind": window.kind.value,
        "now": f"active until {when(active[-1].end)}" if active else "",
        "next": when(following) if following else window.note or _over(window, now),
        "owner": window.owner,
        "origin": window.origin,
        "reason": window.reason,
        **_scope_json(window.scope),
    }


def _over(window: Window, now: datetime) -> str:
    over = over_since(window.times, now)
    what = "closed" if window.kind is WindowKind.ALLOW else "over"
    return f"{what} since {when(over)}" if over else ""


def _stop_line(stop: Stop) -> Json:
    end = f" until {when(stop.until)}" if stop.until else ""
    return {
        "name": stop.name,
        "kind": "stop",
        "now": f"stopped{end}",
        "next": "",
        "owner": stop.author,
        "origin": stop.link,
        "reason": stop.reason,
        **_scope_json(stop.scope),
    }


def _why(freeze: Window | Stop | Unreadable) -> str:
    return freeze.problem if isinstance(freeze, Unreadable) else freeze.reason


def _what(freeze: Window | Stop | Unreadable, span: Span) -> str:
    label = f" ({span.label})" if span.label else ""
    if isinstance(freeze, Stop):
        return f"{freeze.name}: stop of the line"
    if isinstance(freeze, Unreadable):
        return f"{freeze.name}: cannot be read, closed until it can"
    return f"{freeze.name}{label}" + (": allowed" if freeze.kind is WindowKind.ALLOW else "")


def _scope_json(scope: Scope) -> Json:
    return {
        "projects": ", ".join(scope.projects),
        "environments": ", ".join(scope.environments),
        "lets": ", ".join(sorted(scope.lets)),
    }


def until(span: Span, zone: ZoneInfo | None = None) -> str:
    """Spell the end of a span for people."""
    return when(span.end if span.end < FOR_EVER else None, zone)


def span_json(span: Span) -> Json:
    """Spell a span as plain JSON."""
    end = span.end if span.end < FOR_EVER else None
    return {"start": span.start.isoformat(), "end": _iso(end)}
