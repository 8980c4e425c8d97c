"""Freeze windows and stops of the line that people add to the station, and overrides of single releases.

One transaction each. What is added and lifted is told in the station's stream, an override in its release's. What a
window means is not known here: its body is kept as it was given.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, or_, select, update

from gare.domain.digest import canonical
from gare.domain.releases import ReleaseState
from gare.errors import Refused, UnknownName
from gare.ledger.database import Database, plain, read_instant, spell
from gare.ledger.releases import find_row, number_of, wake_sleeper
from gare.ledger.schema import freezes, overrides, releases

Wakes = Callable[[str], bool]
"""Tells whether releases of a project are woken: what they wait for may be gone."""


@dataclass(frozen=True, slots=True)
class FreezeRecord:
    """A window or a stop that somebody added. `body` says what it is; after `until` it counts no more."""

    number: int
    name: str
    body: Mapping[str, Any]
    made_by: str
    made_at: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Spared:
    """One time of a freeze that a release is spared: what names it, what it is, and until when (None: as it lasts)."""

    key: str
    what: str
    until: datetime | None


class Freezes:
    """The freezes and overrides of one ledger."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def in_force(self) -> Sequence[FreezeRecord]:
        """Return what was added, is not lifted and has not run out, the oldest first."""
        with self._db.read() as connection:
            rows = connection.execute(
                select(freezes).where(self._counts()).order_by(freezes.c.number)
            )
            return [_record(row) for row in rows]

    def add(
        self,
        name: str,
        body: Mapping[str, Any],
        *,
        person: str,
        until: datetime | None,
        wakes: Wakes | None = None,
    ) -> FreezeRecord:
        """Add a window or a stop. Raises Refused when one of this name is in force."""
        name = plain(name)
        with self._db.write() as connection:
            if self._find(connection, name) is not None:
                raise Refused(
                    f"There is a freeze `{name}` already.",
                    where="ledger",
                    hint=f"Take another name, or lift that one first: `gare freeze lift {name}`.",
                )
            now = self._db.clock()
            fields = {
                "name": name,
                "body": plain(canonical(dict(body))),
                "made_by": person,
                "made_at": spell(now),
                "until": spell(until) if until else None,
            }
            made = connection.execute(insert(freezes).values(**fields).returning(freezes)).one()
            told = {"number": made.number, "name": name, "is": body, "until": made.until}
            self._db.append(connection, "station", "freeze added", person, told, at=now)
            if wakes is not None:
                _wake(connection, wakes)
            return _record(made)

    def lift(self, name: str, *, person: str, reason: str, wakes: Wakes) -> FreezeRecord:
        """Lift a window or a stop, and wake who may wait for it. Raises UnknownName."""
        with self._db.write() as connection:
            row = self._find(connection, plain(name))
            if row is None:
                raise UnknownName(
                    f"No freeze `{plain(name)}` was added here, or it counts no more.",
                    where="ledger",
                    hint="`gare freeze list` shows all; what stands in a file is changed there.",
                )
            now = self._db.clock()
            connection.execute(
                update(freezes).where(freezes.c.number == row.number).values(lifted_at=spell(now))
            )
            told = {"number": row.number, "name": row.name, "reason": plain(reason)}
            self._db.append(connection, "station", "freeze lifted", person, told, at=now)
            _wake(connection, wakes)
            return _record(row)

    def override(
        self,
        release_id: str,
        environment: str,
        spared: Sequence[Spared],
        *,
        person: str,
        reason: str,
    ) -> None:
        """Set occurrences of freezes aside for one release in one environment, and wake it.

        What the person saw to be in the way; others still count. Raises Refused when the release has ended.
        """
        number, reason = number_of(release_id), plain(reason)
        with self._db.write() as connection:
            release = find_row(connection, number)
            if release.closed_at is not None:
                raise Refused(
                    f"R-{number} has ended: {release.state}.",
                    where=f"R-{number}",
                    hint="Nothing was changed.",
                )
            had = _overridden(connection, number, environment)
            new = {plain(one.key): one for one in spared if not _counts_already(had, one)}
            if not new:
                return
            now = self._db.clock()
            until = {key: spell(one.until) if one.until else None for key, one in new.items()}
            fields = {"environment": environment, "person": person, "reason": reason}
            # What lasts longer than it was to last then is set aside once more.
            connection.execute(
                delete(overrides).where(_mine(number, environment), overrides.c.name.in_(new))
            )
            connection.execute(
                insert(overrides),
                [
                    {"release": number, "name": key, "until": end, "at": spell(now), **fields}
                    for key, end in until.items()
                ],
            )
            told = {
                "environment": environment,
                "reason": reason,
                "freezes": {key: one.what for key, one in new.items()},
                "until": until,
            }
            self._db.append(connection, f"R-{number}", "freeze overridden", person, told, at=now)
            wake_sleeper(connection, number)

    def overridden(self, release_id: str, environment: str) -> dict[str, datetime | None]:
        """Return the occurrences of freezes that do not count for a release in an environment, each until when."""
        with self._db.read() as connection:
            return _overridden(connection, number_of(release_id), environment)

    def _find(self, connection: Connection, name: str) -> Row[Any] | None:
        query = select(freezes).where(self._counts(), freezes.c.name == name)
        return connection.execute(query).first()

    def _counts(self) -> Any:
        now = spell(self._db.clock())
        return freezes.c.lifted_at.is_(None) & or_(freezes.c.until.is_(None), freezes.c.until > now)


def _overridden(
    connection: Connection, number: int, environment: str
) -> dict[str, datetime | None]:
    mine = _mine(number, environment)
    rows = connection.execute(select(overrides.c.name, overrides.c.until).where(mine))
    return {row.name: read_instant(row.until) if row.until else None for row in rows}


def _mine(number: int, environment: str) -> ColumnElement[bool]:
    return (overrides.c.release == number) & (overrides.c.environment == environment)


def _counts_already(had: Mapping[str, datetime | None], one: Spared) -> bool:
    key = plain(one.key)
    return key in had and had[key] == one.until


def _wake(connection: Connection, wakes: Wakes) -> None:
    waiting = select(releases.c.number, releases.c.project).where(
        releases.c.state == ReleaseState.WAITING
    )
    for row in connection.execute(waiting).all():
        if wakes(row.project):
            wake_sleeper(connection, row.number)


def _record(row: Row[Any]) -> FreezeRecord:
    return FreezeRecord(
        row.number,
        row.name,
        json.loads(row.body),
        row.made_by,
        read_instant(row.made_at),
        read_instant(row.until) if row.until else None,
    )
