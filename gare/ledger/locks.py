"""Locks of projects and their environments, and the queue for them: ask, renew, pass on. One transaction each.

What is free and who is next is decided in `gare.domain.locks`. A release's locks are freed in the transaction in which
it ends or stands still (`Releases.mark`). A lease that is over is taken away by `pass_on` alone, which the reconciler
calls after it has renewed all that live: a station that was down for a night takes nobody's lock.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, or_, select, update

from gare.domain.locks import (
    LEASE,
    Claim,
    Place,
    Priority,
    giving_way,
    in_words,
    may_have,
    place_of,
    places,
)
from gare.domain.releases import ReleaseState
from gare.errors import Refused
from gare.ledger.database import Database, spell
from gare.ledger.lock_rows import (
    Claims,
    asleep,
    free,
    read_all,
    read_claims,
    tell_trains,
    wake,
    write_claim,
    yields_to,
)
from gare.ledger.releases import find_row, number_of
from gare.ledger.schema import events, locks, releases

RENEWED_BELOW = LEASE - timedelta(minutes=5)
"""What is left of a lease when it is worth a write: a renewal each few seconds costs one read."""
_CHUNK = 500


class Locks:
    """The locks of one ledger."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def ask(
        self,
        release_id: str,
        wanted: Collection[str],
        *,
        priority: Priority = Priority.RELEASE,
        actor: str = "gare",
    ) -> Place | None:
        """Ask for all of a release's locks at once: None when it has them now, else its place in the queue.

        Asked again, it changes nothing but its lease. With other locks than before: what it held is let go of when it
        cannot have all of the new ones. A release that has ended gets None, and no lock. Raises Refused for one that
        stands still.
        """
        number = number_of(release_id)
        with self._db.write() as connection:
            row, now = find_row(connection, number), self._db.clock()
            if (state := ReleaseState(row.state)).is_closed:
                return None
            if state.is_stopped:
                raise Refused(
                    f"R-{number} is {state}: it asks for no lock.",
                    where=f"R-{number}",
                    hint=f"Bring it on with `gare resume R-{number}`.",
                )
            claims = read_claims(connection, row.project)
            before = next((claim for claim in claims if claim.number == number), None)
            asked = Claim(number, frozenset(wanted), priority, now)
            claims = self._overtake(connection, row.project, asked, claims, now)
            claim = _decided(asked, before, claims)
            write_claim(connection, row.project, claim, now)
            if claim.is_held and claim != before:
                body = {"locks": in_words(claim.locks), "priority": int(priority)}
                self._db.append(connection, f"R-{number}", "lock granted", actor, body, at=now)
            if before is not None and before.locks != claim.locks:
                wake(connection, row.project, now)
            if claim != before:
                was_queued = before is not None and not before.is_held
                tell_trains(connection, row.project, number if was_queued else 0)
            return None if claim.is_held else place_of(claim, claims, row.project)

    def renew(self, release_ids: Collection[str] | None = None) -> set[str]:
        """Renew what releases hold or wait for, without ids that of all; return the ids of those that hold.

        A release that does not come back waits, never asked, or has lost its locks and must ask again.
        """
        numbers = None if release_ids is None else sorted(map(number_of, release_ids))
        now, held = self._db.clock(), set[str]()
        worth, limit = spell(now + RENEWED_BELOW), spell(now + LEASE)
        for part in _parts(numbers):
            query = select(locks.c.release, locks.c.granted_at, locks.c.until)
            with self._db.read() as connection:
                rows = connection.execute(query if part is None else query.where(part)).all()
            held |= {f"R-{row.release}" for row in rows if row.granted_at is not None}
            due = {row.release for row in rows if not worth <= (row.until or "") <= limit}
            for start in range(0, len(due), _CHUNK):
                some = locks.c.release.in_(sorted(due)[start : start + _CHUNK])
                with self._db.write() as connection:
                    connection.execute(update(locks).where(some).values(until=limit))
        return held

    def renew_waiting(self) -> None:
        """Renew the leases of all releases that wait; one read when none is worth a write."""
        now = self._db.clock()
        waiting = select(releases.c.number).where(releases.c.state == ReleaseState.WAITING)
        theirs = locks.c.release.in_(waiting)
        short = locks.c.until < spell(now + RENEWED_BELOW)
        with self._db.read() as connection:
            if (
                connection.execute(select(locks.c.release).where(short, theirs).limit(1)).first()
                is None
            ):
                return
        with self._db.write() as connection:
            connection.execute(update(locks).where(theirs).values(until=spell(now + LEASE)))

    def pass_on(self) -> list[str]:
        """Take away what is not renewed any more and wake who is next; return what was done, in sentences.

        A lease is never longer than its length from now, whatever the clock was when it was given.
        """
        if not self._has_odd_leases():
            return []
        told: list[str] = []
        with self._db.write() as connection:
            now = self._db.clock()
            limit = spell(now + LEASE)
            connection.execute(update(locks).where(locks.c.until > limit).values(until=limit))
            over = select(locks).where(locks.c.until <= spell(now))
            for project, claims in read_all(connection, over).items():
                for claim in claims:
                    told.append(self._lose(connection, claim, now))
                for number in free(connection, project, [claim.number for claim in claims], now):
                    told.append(f"R-{number} is next in the queue of {project}")
        return told

    def place(self, release_id: str) -> Place | None:
        """Return where a release waits in the queue now; None when it does not."""
        number = number_of(release_id)
        mine = select(locks.c.project).where(locks.c.release == number).limit(1).scalar_subquery()
        with self._db.read() as connection:
            found = read_all(connection, select(locks).where(locks.c.project == mine))
        return _places(found).get(f"R-{number}")

    def places(self, project: str = "") -> dict[str, Place]:
        """Return the places of all that wait in a queue, by release."""
        queued = select(locks.c.project).where(locks.c.granted_at.is_(None))
        query = select(locks).where(locks.c.project.in_(queued))
        if project:
            query = query.where(locks.c.project == project)
        with self._db.read() as connection:
            return _places(read_all(connection, query))

    def held(self, release_id: str) -> list[str]:
        """Return the locks that a release holds now; the line of versions is the empty name."""
        query = select(locks.c.environment).where(
            locks.c.release == number_of(release_id), locks.c.granted_at.is_not(None)
        )
        with self._db.read() as connection:
            return in_words(connection.execute(query).scalars())

    def let_go(self, release_id: str, *, actor: str = "gare") -> None:
        """Give up what a release holds or waits for, for as long as it cannot use it; it asks again when it can."""
        number = number_of(release_id)
        with self._db.write() as connection:
            row, now = find_row(connection, number), self._db.clock()
            claims = read_claims(connection, row.project)
            mine = [claim for claim in claims if claim.number == number]
            if not mine:
                return
            body = {"locks": in_words(mine[0].locks), "to": ""}
            self._db.append(connection, f"R-{number}", "lock freed", actor, body, at=now)
            free(connection, row.project, [number], now)

    def _overtake(
        self,
        connection: Connection,
        project: str,
        asked: Claim,
        claims: list[Claim],
        now: datetime,
    ) -> list[Claim]:
        """Let those that wait give what they hold to a more urgent release; they are in the queue then."""
        for rival in giving_way(asked, claims, asleep(connection, [*claims, asked])):
            queued = self._queue(connection, project, rival, asked.number, now)
            claims = [queued if claim is rival else claim for claim in claims]
        return claims

    def give_way(self, release_id: str) -> Place | None:
        """Let go of the locks to a hotfix that waits for them, between two steps; return the place in the queue then.

        None when nobody more urgent waits, or an environment is being changed.
        """
        number = number_of(release_id)
        with self._db.read() as connection:
            project = select(releases.c.project).where(releases.c.number == number)
            claims = read_claims(connection, connection.execute(project).scalar_one())
        claim = next((claim for claim in claims if claim.number == number), None)
        if claim is None or (claim.is_held and not _urgent(claim, claims)):
            return None
        with self._db.write() as connection:
            row, now = find_row(connection, number), self._db.clock()
            claims = read_claims(connection, row.project)
            claim = next((claim for claim in claims if claim.number == number), None)
            if claim is None:
                return None
            if claim.is_held:
                urgent = _urgent(claim, claims)
                if not urgent or yields_to(connection, number) > Priority.HOTFIX:
                    return None
                claim = self._queue(connection, row.project, claim, urgent[0].number, now)
                wake(connection, row.project, now)
                tell_trains(connection, row.project)
            return place_of(claim, claims, row.project)

    def has_lost(self, release_id: str) -> bool:
        """Tell whether the locks that a release had were taken away because nobody renewed them."""
        kinds = ("lock granted", "lock freed", "lock lost")
        query = (
            select(events.c.kind)
            .where(events.c.stream == release_id, events.c.kind.in_(kinds))
            .order_by(events.c.seq.desc())
            .limit(1)
        )
        with self._db.read() as connection:
            return connection.execute(query).scalar() == "lock lost"

    def _queue(
        self, connection: Connection, project: str, claim: Claim, urgent: int, now: datetime
    ) -> Claim:
        """Put a release that has locks into the queue for them, behind a more urgent one."""
        queued = replace(claim, is_held=False)
        write_claim(connection, project, queued, now)
        body = {"locks": in_words(claim.locks), "to": f"R-{urgent}"}
        self._db.append(connection, f"R-{claim.number}", "lock freed", "gare", body, at=now)
        return queued

    def _has_odd_leases(self) -> bool:
        """Tell whether a lease is over or too long: one read, most of the time all there is to do."""
        now = self._db.clock()
        odd = or_(locks.c.until <= spell(now), locks.c.until > spell(now + LEASE))
        with self._db.read() as connection:
            return (
                connection.execute(select(locks.c.release).where(odd).limit(1)).first() is not None
            )

    def _lose(self, connection: Connection, claim: Claim, now: datetime) -> str:
        body = {"locks": in_words(claim.locks), "was": "held" if claim.is_held else "queued"}
        self._db.append(connection, f"R-{claim.number}", "lock lost", "gare", body, at=now)
        return f"R-{claim.number} was not renewed for {LEASE} and lost its {'locks' if claim.is_held else 'place'}"


def _urgent(mine: Claim, claims: list[Claim]) -> list[Claim]:
    """Return who is more urgent and waits for what a release holds, the first of the queue first."""
    urgent = [
        claim
        for claim in claims
        if not claim.is_held
        and claim.priority > mine.priority
        and not claim.locks.isdisjoint(mine.locks)
    ]
    return sorted(urgent, key=lambda claim: claim.rank)


def _decided(asked: Claim, before: Claim | None, claims: list[Claim]) -> Claim:
    """Return what a release holds or waits for after it has asked."""
    claim = replace(asked, asked_at=before.asked_at if before else asked.asked_at)
    keeps = before is not None and before.is_held and claim.locks <= before.locks
    return replace(claim, is_held=keeps or may_have(claim, claims))


def _places(found: Claims) -> dict[str, Place]:
    return {
        place.release: place
        for project, claims in found.items()
        for place in places(claims, project).values()
    }


def _parts(numbers: list[int] | None) -> Iterator[ColumnElement[bool] | None]:
    """Yield conditions for parts of the releases: a statement takes a limited number of values."""
    if numbers is None:
        yield None
        return
    for start in range(0, len(numbers), _CHUNK):
        yield locks.c.release.in_(numbers[start : start + _CHUNK])
