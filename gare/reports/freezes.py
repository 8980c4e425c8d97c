"""What a freeze would hit, and when environments are closed. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gare.domain.freezes import (
    FOR_EVER,
    Calendar,
    Clearance,
    Move,
    Scope,
    Stop,
    Window,
    WindowKind,
    clearance,
    closed_spans,
    is_outward,
    move_of,
    next_start,
    when,
)
from gare.domain.plan import Plan, PlannedStep
from gare.domain.releases import Release, StepState
from gare.domain.spans import Span

Json = dict[str, Any]
SIGHT = timedelta(days=31)
"""How far ahead a freeze is looked at: an open release of today has ended by then."""
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class OpenRelease:
    """A release on its way, with the states of the steps that have started."""

    release: Release
    plan: Plan
    states: Mapping[str, StepState]


@dataclass(frozen=True, slots=True)
class Hit:
    """A release that a freeze would keep from some of its steps, and the first time it would."""

    release: Release
    environment: str
    steps: tuple[str, ...]
    closed: Span

    def __str__(self) -> str:
        return (
            f"{self.release.id} ({self.release.project} {self.release.version}): {', '.join(self.steps)}; "
            f"{self.environment} closed from {when(self.closed.start)} until {_until(self.closed)}"
        )

    def as_json(self) -> Json:
        """Spell it as plain JSON."""
        return {
            "release": self.release.id,
            "project": self.release.project,
            "version": self.release.version,
            "environment": self.environment,
            "steps": list(self.steps),
            **_span_json(self.closed),
        }


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


def hits(freeze: Window | Stop, releases: Iterable[OpenRelease], now: datetime) -> list[Hit]:
    """Return what a freeze would keep within the next month, by release and environment."""
    alone = alone_in(freeze)
    found: list[Hit] = []
    for one in releases:
        steps: dict[Move, list[str]] = {}
        for step in to_come(one.plan, one.states):
            steps.setdefault(move_of(one.plan, step), []).append(step.id)
        for move, names in steps.items():
            if closed := closed_spans(alone, move, now, now + SIGHT):
                found.append(Hit(one.release, move.environment, tuple(names), closed[0]))
    return found


@dataclass(frozen=True, slots=True)
class TrainAhead:
    """A train's departures to come, and what its members may change."""

    name: str
    departures: Sequence[datetime]
    moves: Sequence[Move]


@dataclass(frozen=True, slots=True)
class TrainHit:
    """A departure that falls into a freeze, and the members that would wait in it."""

    train: str
    departs_at: datetime
    members: tuple[str, ...]

    def __str__(self) -> str:
        return f"train {self.train}, departing {when(self.departs_at)}: {', '.join(self.members)}"

    def as_json(self) -> Json:
        """Spell it as plain JSON."""
        return {
            "train": self.train,
            "departs_at": self.departs_at.isoformat(),
            "members": list(self.members),
        }


def train_hits(freeze: Window | Stop, trains: Iterable[TrainAhead]) -> list[TrainHit]:
    """Return the departures at which a freeze keeps members from an environment."""
    alone = alone_in(freeze)
    found = []
    for train in trains:
        for at in train.departures:
            kept = [move for move in train.moves if not clearance(alone, move, at).is_open]
            if kept:
                members = tuple(dict.fromkeys(move.project for move in kept))
                found.append(TrainHit(train.name, at, members))
    return found


def alone_in(freeze: Window | Stop) -> Calendar:
    """Return a calendar with nothing else in it."""
    return Calendar(stops=(freeze,)) if isinstance(freeze, Stop) else Calendar((freeze,))


@dataclass(frozen=True, slots=True)
class Entry:
    """A time of one freeze. `freeze` closes in it, or allows when it is a window that does."""

    freeze: Window | Stop
    span: Span

    def row(self) -> list[str]:
        """Spell it for a table: from, to, what, projects, environments, why."""
        scope = self.freeze.scope
        return [
            when(self.span.start),
            _until(self.span),
            _what(self.freeze, self.span),
            ", ".join(scope.projects),
            ", ".join(scope.environments),
            self.freeze.reason,
        ]

    def as_json(self) -> Json:
        """Spell it as plain JSON."""
        return {
            "freeze": self.freeze.name,
            "what": _what(self.freeze, self.span),
            "reason": self.freeze.reason,
            **_span_json(self.span),
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
    return sorted(found, key=lambda entry: (entry.span, entry.freeze.name))


def lines(calendar: Calendar, now: datetime) -> list[Json]:
    """Spell every freeze as plain JSON: what it is, whether it is active, when it is next."""
    return [
        *(_window_line(window, now) for window in calendar.windows),
        *(_stop_line(stop) for stop in calendar.stops),
        *(
            {
                "name": one.name, "kind": "unreadable", "now": "closed", "next": one.problem,
                "owner": one.owner, "origin": "", "reason": "", **_scope_json(one.scope),
            }
            for one in calendar.unreadable
        ),
    ]  # fmt: skip


def _window_line(window: Window, now: datetime) -> Json:
    active = window.times.spans(now, now + _MOMENT)
    following = next_start(window.times, now)
    return {
        "name": window.name,
        "kind": window.kind.value,
        "now": f"active until {when(active[-1].end)}" if active else "",
        "next": when(following) if following else "",
        "owner": window.owner,
        "origin": window.origin,
        "reason": window.reason,
        **_scope_json(window.scope),
    }


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


def _what(freeze: Window | Stop, span: Span) -> str:
    label = f" ({span.label})" if span.label else ""
    if isinstance(freeze, Stop):
        return f"{freeze.name}: stop of the line"
    return f"{freeze.name}{label}" + (": allowed" if freeze.kind is WindowKind.ALLOW else "")


def _scope_json(scope: Scope) -> Json:
    return {
        "projects": ", ".join(scope.projects),
        "environments": ", ".join(scope.environments),
        "lets": ", ".join(sorted(scope.lets)),
    }


def _until(span: Span) -> str:
    return when(span.end if span.end < FOR_EVER else None)


def _span_json(span: Span) -> Json:
    end = span.end if span.end < FOR_EVER else None
    return {"start": span.start.isoformat(), "end": _iso(end)}
