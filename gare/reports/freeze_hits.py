"""What a freeze would hit: releases on their way, departures of trains. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gare.domain.clearance import INSTANT, closed_spans, when
from gare.domain.freezes import Calendar, Move, Stop, Window, move_of
from gare.domain.plan import Plan
from gare.domain.releases import Release, StepState
from gare.domain.spans import Span
from gare.reports.freezes import SIGHT, Json, span_json, to_come, until


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
    zone: ZoneInfo | None = None

    def __str__(self) -> str:
        return (
            f"{self.release.id} ({self.release.project} {self.release.version}): {', '.join(self.steps)}; "
            f"{self.environment} closed from {when(self.closed.start, self.zone)} "
            f"until {until(self.closed, self.zone)}"
        )

    def as_json(self) -> Json:
        """Spell it as plain JSON."""
        return {
            "release": self.release.id,
            "project": self.release.project,
            "version": self.release.version,
            "environment": self.environment,
            "steps": list(self.steps),
            **span_json(self.closed),
        }


def hits(
    freeze: Window | Stop,
    releases: Iterable[OpenRelease],
    now: datetime,
    zone: ZoneInfo | None = None,
) -> list[Hit]:
    """Return what a freeze would keep within the next month, by release and environment; told in a zone, too."""
    alone = alone_in(freeze)
    found: list[Hit] = []
    for one in releases:
        steps: dict[Move, list[str]] = {}
        for step in to_come(one.plan, one.states):
            steps.setdefault(move_of(one.plan, step), []).append(step.id)
        for move, names in steps.items():
            if closed := closed_spans(alone, move, now, now + SIGHT):
                found.append(Hit(one.release, move.environment, tuple(names), closed[0], zone))
    return found


@dataclass(frozen=True, slots=True)
class TrainAhead:
    """A train's departures to come, what its members may change, and how long it is on its way."""

    name: str
    departures: Sequence[datetime]
    moves: Sequence[Move]
    lasts: timedelta = INSTANT
    zone: ZoneInfo | None = None


@dataclass(frozen=True, slots=True)
class TrainHit:
    """A departure that meets a freeze, and the members that would wait in it from `closed_from` on."""

    train: str
    departs_at: datetime
    members: tuple[str, ...]
    closed_from: datetime
    zone: ZoneInfo | None = None

    def __str__(self) -> str:
        later = ""
        if self.closed_from > self.departs_at:
            later = f"; closed from {when(self.closed_from, self.zone)}, while it may be on its way"
        departs = when(self.departs_at, self.zone)
        return f"train {self.train}, departing {departs}: {', '.join(self.members)}{later}"

    def as_json(self) -> Json:
        """Spell it as plain JSON."""
        return {
            "train": self.train,
            "departs_at": self.departs_at.isoformat(),
            "closed_from": self.closed_from.isoformat(),
            "members": list(self.members),
        }


def train_hits(freeze: Window | Stop, trains: Iterable[TrainAhead]) -> list[TrainHit]:
    """Return the departures on whose way a freeze keeps members from an environment."""
    alone = alone_in(freeze)
    found = []
    for train in trains:
        for at in train.departures:
            kept = {
                move: closed[0].start
                for move in train.moves
                if (closed := closed_spans(alone, move, at, at + train.lasts))
            }
            if kept:
                members = tuple(dict.fromkeys(move.project for move in kept))
                begins = max(min(kept.values()), at)
                found.append(TrainHit(train.name, at, members, begins, train.zone))
    return found


def alone_in(freeze: Window | Stop) -> Calendar:
    """Return a calendar with nothing else in it."""
    return Calendar(stops=(freeze,)) if isinstance(freeze, Stop) else Calendar((freeze,))
