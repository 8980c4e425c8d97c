"""The rows of `locks` within somebody's transaction: read, free, wake who is next. Decides by `gare.domain.locks`.

A row's `until` in the past means that its lease is over; the row counts until `Locks.pass_on` takes it away.
"""

import json
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, Row, Select, delete, insert, or_, select, update

from gare.domain.locks import LEASE, Claim, Priority, StepPlace, gives_way_to, next_up
from gare.domain.releases import ReleaseState, StepState
from gare.ledger.database import AT_ONCE, read_instant, spell
from gare.ledger.schema import locks, plans, releases, steps

Claims = dict[str, list[Claim]]


def read_claims(connection: Connection, project: str) -> list[Claim]:
    """Return what the releases of a project hold and wait for."""
    query = select(locks).where(locks.c.project == project)
    return read_all(connection, query).get(project, [])


def read_all(connection: Connection, query: Select[tuple[object, ...]]) -> Claims:
    """Return the claims among the rows that a query of `locks` gives, by project."""
    rows: dict[tuple[str, int], list[Row[tuple[object, ...]]]] = {}
    for row in connection.execute(query):
        rows.setdefault((row.project, row.release), []).append(row)
    found: Claims = {}
    for (project, number), mine in rows.items():
        first = mine[0]
        found.setdefault(project, []).append(
            Claim(
                number,
                frozenset(row.environment for row in mine),
                first.priority,
                read_instant(first.asked_at),
                # All of them or none: they are written together.
                is_held=first.granted_at is not None,
            )
        )
    return found


def write_claim(connection: Connection, project: str, claim: Claim, now: datetime) -> None:
    """Write a claim with a new lease, in the place of the one that the release had."""
    mine = locks.c.release == claim.number
    had = connection.execute(select(locks).where(mine)).all()
    granted = next((row.granted_at for row in had if row.granted_at), None) or spell(now)
    connection.execute(delete(locks).where(mine))
    connection.execute(
        insert(locks),
        [
            {
                "project": project,
                "environment": lock,
                "release": claim.number,
                "priority": int(claim.priority),
                "asked_at": spell(claim.asked_at),
                "granted_at": granted if claim.is_held else None,
                "until": spell(now + LEASE),
            }
            for lock in sorted(claim.locks)
        ],
    )


def asleep(connection: Connection, claims: list[Claim]) -> dict[int, Priority]:
    """Return the releases among those that hold locks which wait: no process of theirs changes anything.

    Each with the least priority to which it gives way. Nobody is looked at when nobody is more urgent.
    """
    most = max((claim.priority for claim in claims if not claim.is_held), default=0)
    held = [claim.number for claim in claims if claim.is_held and claim.priority < most]
    if not held:
        return {}
    query = select(releases.c.number).where(
        releases.c.number.in_(held), releases.c.state == ReleaseState.WAITING
    )
    return {number: yields_to(connection, number) for number in connection.execute(query).scalars()}


def yields_to(connection: Connection, number: int) -> Priority:
    """Return the least priority to which a release gives way as it stands."""
    mine = releases.c.number == number
    query = select(plans.c.body).join(releases, releases.c.plan == plans.c.digest).where(mine)
    planned = json.loads(connection.execute(query).scalar_one())["steps"]
    rows = connection.execute(select(steps.c.step, steps.c.state).where(steps.c.release == number))
    return gives_way_to(
        [StepPlace(step["id"], step["type"], step["environment"]) for step in planned],
        {row.step: StepState(row.state) for row in rows},
    )


def free(connection: Connection, project: str, numbers: Iterable[int], now: datetime) -> list[int]:
    """Take away what releases of a project hold or wait for; wake who can go on now, and return them."""
    gone = connection.execute(delete(locks).where(locks.c.release.in_(list(numbers))))
    if not gone.rowcount:
        return []
    tell_trains(connection, project)
    return wake(connection, project, now)


def tell_trains(connection: Connection, project: str, number: int = 0) -> None:
    """Wake the trains whose members wait in a project's queue, and that of one release: their places have changed."""
    queued = select(locks.c.release).where(locks.c.project == project, locks.c.granted_at.is_(None))
    mine = or_(releases.c.number == number, releases.c.number.in_(queued))
    theirs = select(releases.c.train).where(mine, releases.c.train.is_not(None)).distinct()
    trains = connection.execute(theirs).scalars().all()
    if trains:
        connection.execute(
            update(releases)
            .where(releases.c.number.in_(trains), releases.c.state == ReleaseState.WAITING)
            .values(wake_at=spell(AT_ONCE))
        )


def wake(connection: Connection, project: str, now: datetime) -> list[int]:
    """Set the waking of every queued release of a project that can have all its locks; return them.

    One that has not written down yet that it waits is woken when it does (`Releases.mark`).
    """
    claims = read_claims(connection, project)
    sleeping = asleep(connection, claims)
    numbers = [claim.number for claim in next_up(claims, sleeping)]
    if numbers:
        connection.execute(
            update(releases)
            .where(
                releases.c.number.in_(numbers),
                releases.c.state == ReleaseState.WAITING,
                or_(releases.c.wake_at.is_(None), releases.c.wake_at > spell(now)),
            )
            .values(wake_at=spell(AT_ONCE))
        )
    return numbers
