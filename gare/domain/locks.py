"""Who may hold a project's locks, and who is next: one release at a time, in the order of a queue. Pure, no clock.

A release asks for all its locks at once and gets all or none; it holds nothing while it waits. The order of the queue
is the same for every lock: priority first, then who was opened first. The first of the whole order can therefore be
kept only by releases that run, never by one that waits: no deadlock, and among equals nobody starves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple

from gare.domain.plan import DEPARTURE, Kind, Plan, train_of
from gare.domain.releases import StepState

LINE = ""
"""The lock of a project's line of versions: two releases planned from the same last tag would take one version."""

LEASE = timedelta(minutes=15)
"""How long a lock outlives its last renewal. Longer than a machine takes to restart and a second reconciler to take
over, so that a release that is brought on keeps its locks; short enough that the next one leaves the same hour."""

NAMED = 5
"""How many of those ahead a place names; a queue may be long, and all its places are told together."""


class Priority(IntEnum):
    """Who goes first in the queue. Nobody that runs is pushed out of what it holds; one that waits gives way."""

    RELEASE = 0
    HOTFIX = 100
    ROLLBACK = 200


PRIORITIES = {Kind.HOTFIX: Priority.HOTFIX, Kind.ROLLBACK: Priority.ROLLBACK}
"""By kind of release; the others have the lowest."""


NOBODY = 1000
"""More urgent than anything."""


class StepPlace(NamedTuple):
    """What is asked of a planned step to know whether its release may give way."""

    id: str
    type: str
    environment: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What one release holds, or waits for: always all its locks together. `number` is 7 for R-7."""

    number: int
    locks: frozenset[str]
    priority: int
    asked_at: datetime
    is_held: bool = False

    @property
    def rank(self) -> tuple[int, int]:
        """Return the place in the order of the queue: the smallest goes first.

        By number, not by the time of asking: a clock that is set back changes nothing, and a release that stood still
        goes before those opened after it.
        """
        return (-self.priority, self.number)


@dataclass(frozen=True, slots=True)
class Holder:
    """A release that another one waits for, and which of the wanted locks it has."""

    release: str
    locks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the queue of a project: `number` of `total`, counted from 1.

    `ahead` names those that go before it, the first few of them. Nobody holds, nobody is ahead: its turn has come.
    """

    release: str
    project: str
    number: int
    total: int
    holders: tuple[Holder, ...]
    ahead: tuple[str, ...]
    since: datetime

    @property
    def behind(self) -> str:
        """Name the releases that hold the locks, or that go first when nobody does."""
        return " and ".join(holder.release for holder in self.holders) or ", ".join(self.ahead)

    def __str__(self) -> str:
        """Tell it in words."""
        behind = (
            " and ".join(
                f"{holder.release} ({lock_names(self.project, holder.locks)})"
                for holder in self.holders
            )
            or self.behind
        )
        place = f"place {self.number} of {self.total}"
        return (
            f"queued behind {behind}, {place}" if behind else f"queued, its turn has come, {place}"
        )


def locks_of(plan: Plan) -> frozenset[str]:
    """Return the locks that a plan needs: every environment that a step is about, and the line of versions.

    A rollback takes no version of the line.
    """
    line = () if plan.kind is Kind.ROLLBACK else (LINE,)
    places = {step.environment for step in plan.steps if step.environment}
    return frozenset({*line, *places} - {DEPARTURE})


def lock_names(project: str, locks: Iterable[str]) -> str:
    """Name locks for people: `shop/production and the version line`. A train has one departure at a time."""
    train = train_of(project)
    line = f"one departure of {train} at a time" if train else "the version line"
    names = [f"{project}/{lock}" if lock != LINE else line for lock in in_words(locks)]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def in_words(locks: Iterable[str]) -> list[str]:
    """Return locks in the order they are told: environments by name, the line last."""
    return sorted(locks, key=lambda lock: (lock == LINE, lock))


def may_have(wanted: Claim, claims: Iterable[Claim]) -> bool:
    """Tell whether all wanted locks are free and nobody in the queue goes first."""
    return not any(rival.is_held or rival.rank < wanted.rank for rival in _rivals(wanted, claims))


def gives_way_to(steps: Iterable[StepPlace], states: Mapping[str, StepState]) -> Priority:
    """Return the least priority to which a release that waits gives its locks.

    A hotfix waits until the environment that is being changed is done, and for one that has begun the last one, which
    is as good as released. A rollback waits for nobody that waits.
    """
    every = list(steps)
    begun = {step for step, state in states.items() if state is not StepState.WAITING}
    deploys = [step for step in every if step.type == "deploy"]
    last = deploys[-1:] or [step for step in every if step.type == "publish"]
    changing = {step.environment for step in deploys if step.id in begun}
    is_through = all(
        states.get(step.id) is StepState.DONE
        for step in every
        if step.environment in changing and step.type in ("deploy", "verify", "soak")
    )
    if is_through and not any(step.id in begun for step in last):
        return Priority.HOTFIX
    return Priority.ROLLBACK


def giving_way(
    wanted: Claim, claims: Iterable[Claim], sleeping: Mapping[int, Priority]
) -> list[Claim]:
    """Return the claims that give their locks to a more urgent one.

    `sleeping` are the releases that wait and have no process, each with the least priority to which it gives way.
    """
    return [
        rival
        for rival in _rivals(wanted, claims)
        if rival.is_held
        and wanted.priority > rival.priority
        and wanted.priority >= sleeping.get(rival.number, NOBODY)
    ]


def next_up(
    claims: Iterable[Claim], sleeping: Mapping[int, Priority] = MappingProxyType({})
) -> list[Claim]:
    """Return the waiting claims that could have all their locks now, in the order of the queue.

    `sleeping` are releases that hold locks and wait: they give way to who is more urgent.
    """
    every = list(claims)
    yielding = {
        other.number
        for claim in every
        if not claim.is_held
        for other in giving_way(claim, every, sleeping)
    }
    found = _next(
        replace(claim, is_held=claim.is_held and claim.number not in yielding) for claim in every
    )
    return [claim for claim in found if claim.number not in yielding]


def _next(claims: Iterable[Claim]) -> list[Claim]:
    ordered = sorted(claims, key=lambda claim: (not claim.is_held, claim.rank))
    taken, found = set[str](), list[Claim]()
    for claim in ordered:
        if not claim.is_held and taken.isdisjoint(claim.locks):
            found.append(claim)
        # Held, or kept free for who goes first: nobody behind may have these.
        taken |= claim.locks
    return found


def place_of(wanted: Claim, claims: Iterable[Claim], project: str) -> Place:
    """Return where a waiting claim stands among the project's claims."""
    others = [claim for claim in claims if claim.number != wanted.number]
    return _in_line(wanted.locks, [wanted, *others], project)[wanted.number]


def places(claims: Iterable[Claim], project: str) -> dict[int, Place]:
    """Return where every waiting claim of a project stands, by the number of the release."""
    every, found = list(claims), dict[int, Place]()
    for wanted in {claim.locks for claim in every if not claim.is_held}:
        found |= _in_line(wanted, every, project)
    return found


def _in_line(wanted: frozenset[str], claims: Iterable[Claim], project: str) -> dict[int, Place]:
    """Return the places of those that wait for exactly these locks: all of them have the same rivals."""
    rivals = sorted(
        (claim for claim in claims if not claim.locks.isdisjoint(wanted)),
        key=lambda claim: claim.rank,
    )
    waiting = [claim for claim in rivals if not claim.is_held]
    names = [f"R-{claim.number}" for claim in waiting[:NAMED]]
    held_by = tuple(
        Holder(f"R-{claim.number}", tuple(in_words(claim.locks & wanted)))
        for claim in rivals
        if claim.is_held
    )
    return {
        claim.number: Place(
            release=f"R-{claim.number}",
            project=project,
            number=number,
            total=len(waiting),
            holders=held_by,
            ahead=tuple(names[: number - 1]),
            since=claim.asked_at,
        )
        for number, claim in enumerate(waiting, 1)
        if claim.locks == wanted
    }


def _rivals(wanted: Claim, claims: Iterable[Claim]) -> list[Claim]:
    """Return the other claims that have or want one of the wanted locks."""
    return [
        claim
        for claim in claims
        if claim.number != wanted.number and not claim.locks.isdisjoint(wanted.locks)
    ]
