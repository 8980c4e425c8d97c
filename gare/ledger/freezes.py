"""Freeze windows and stops of the line that people add to the station, and overrides of single releases.

One transaction each. What is added and lifted is told in the station's stream, an override in its release's. What a
window means is not known here: its body is kept as it was given.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from gare.domain.digest import canonical
from gare.domain.releases import ReleaseState
from gare.errors import NotFound, Refused
from gare.ledger.database import Database, plain, read_instant, spell
from gare.ledger.releases import find_row, number_of, wake_sleeper
from gare.ledger.schema import freezes, overrides, releases

Wakes = Callable[[str], bool]
"""Tells whether releases of a project are woken: what they wait for may be gone."""


@dataclass(frozen=True, slots=True)
class FreezeRecord:
    """A window or a stop that somebody added. `body` says what it is; after `until` it counts no more."""

    name: str
    body: Mapping[str, Any]
    made_by: str
    made_at: datetime
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
        """Lift a window or a stop, and wake who may wait for it. Raises NotFound."""
        with self._db.write() as connection:
            row = self._find(connection, plain(name))
            if row is None:
                raise NotFound(
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
        closed_by: Mapping[str, str],
        *,
        person: str,
        reason: str,
    ) -> None:
        """Set freezes aside for one release in one environment, and wake it. Raises Refused when it has ended.

        `closed_by` says what each of them is, by name: what the person saw to be in the way. Others still count.
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
            if not (names := sorted(closed_by.keys() - had)):
                return
            now = self._db.clock()
            fields = {"environment": environment, "person": person, "reason": reason}
            connection.execute(
                insert(overrides),
                [
                    {"release": number, "name": plain(name), "at": spell(now), **fields}
                    for name in names
                ],
            )
            told = {
                "environment": environment,
                "reason": reason,
                "freezes": {name: closed_by[name] for name in names},
            }
            self._db.append(connection, f"R-{number}", "freeze overridden", person, told, at=now)
            wake_sleeper(connection, number)

    def overridden(self, release_id: str, environment: str) -> set[str]:
        """Return the names of the freezes that do not count for a release in an environment."""
        with self._db.read() as connection:
            return _overridden(connection, number_of(release_id), environment)

    def _find(self, connection: Connection, name: str) -> Row[Any] | None:
        query = select(freezes).where(self._counts(), freezes.c.name == name)
        return connection.execute(query).first()

    def _counts(self) -> Any:
        now = spell(self._db.clock())
        return freezes.c.lifted_at.is_(None) & or_(freezes.c.until.is_(None), freezes.c.until > now)


def _overridden(connection: Connection, number: int, environment: str) -> set[str]:
    mine = (overrides.c.release == number) & (overrides.c.environment == environment)
    return set(connection.execute(select(overrides.c.name).where(mine)).scalars())


def _wake(connection: Connection, wakes: Wakes) -> None:
    waiting = select(releases.c.number, releases.c.project).where(
        releases.c.state == ReleaseState.WAITING
    )
    for row in connection.execute(waiting).all():
        if wakes(row.project):
            wake_sleeper(connection, row.number)


def _record(row: Row[Any]) -> FreezeRecord:
    return FreezeRecord(
        row.name,
        json.loads(row.body),
        row.made_by,
        read_instant(row.made_at),
        read_instant(row.until) if row.until else None,
    )
