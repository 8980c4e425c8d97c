"""Automation on hold, per project and environment: placed by a rollback, released by a person or by their next release.

One transaction each; the events are in the station's stream. Who waits for a hold is woken when it ends.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from gare.domain.plan import Kind
from gare.domain.releases import ReleaseState
from gare.domain.standing import Hold, is_automatic
from gare.errors import NotFound
from gare.ledger.database import Database, plain, read_instant, spell
from gare.ledger.releases import find_row, number_of, release_of, wake_sleeper
from gare.ledger.schema import holds, releases


class Holds:
    """The holds of one ledger."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def place(self, release_id: str, project: str, environment: str, reason: str) -> None:
        """Put automation on hold because of a release; one that is there gives way. Again, it changes nothing."""
        number, reason = number_of(release_id), plain(reason)
        with self._db.write() as connection:
            there = _find(connection, project, environment)
            if there is not None and (there.release, there.reason) == (number, reason):
                return
            now = self._db.clock()
            connection.execute(delete(holds).where(_key(project, environment)))
            connection.execute(
                insert(holds).values(
                    project=project,
                    environment=environment,
                    release=number,
                    reason=reason,
                    since=spell(now),
                )
            )
            body = {
                "project": project,
                "environment": environment,
                "release": f"R-{number}",
                "reason": reason,
            }
            self._db.append(connection, "station", "hold placed", "gare", body, at=now)

    def release(self, project: str, environment: str, *, person: str, reason: str) -> Hold:
        """End a hold in a person's name and return it. Raises NotFound when there is none."""
        with self._db.write() as connection:
            row = _find(connection, project, environment)
            if row is None:
                raise NotFound(
                    f"{project}/{environment} is not on hold.",
                    where="ledger",
                    hint="`gare hold list` shows what is.",
                )
            self._end(connection, row, person, reason)
            return _hold(row)

    def end_by(self, connection: Connection, number: int, project: str, environment: str) -> None:
        """End a hold within the transaction in which a release was verified good there.

        A person has asked for that release, in knowledge of the rollback.
        """
        release = release_of(find_row(connection, number))
        row = _find(connection, project, environment)
        if row is None or release.kind is Kind.ROLLBACK or is_automatic(release):
            return
        if not _hold(row).keeps(release):
            self._end(
                connection, row, release.requested_by, f"{release.id} was verified good there"
            )

    def get(self, project: str, environment: str) -> Hold | None:
        """Return the hold of an environment; None when automation is free there."""
        with self._db.read() as connection:
            row = _find(connection, project, environment)
            return _hold(row) if row is not None else None

    def all(self) -> Sequence[Hold]:
        """Return every hold, by project and environment."""
        with self._db.read() as connection:
            rows = connection.execute(select(holds).order_by(holds.c.project, holds.c.environment))
            return [_hold(row) for row in rows]

    def _end(self, connection: Connection, row: Row[Any], actor: str, reason: str) -> None:
        connection.execute(delete(holds).where(_key(row.project, row.environment)))
        body = {
            "project": row.project,
            "environment": row.environment,
            "release": f"R-{row.release}",
            "reason": plain(reason),
        }
        self._db.append(connection, "station", "hold released", actor, body)
        waiting = select(releases.c.number).where(
            releases.c.project == row.project, releases.c.state == ReleaseState.WAITING
        )
        for number in connection.execute(waiting).scalars().all():
            wake_sleeper(connection, number)


def _key(project: str, environment: str) -> Any:
    return (holds.c.project == project) & (holds.c.environment == environment)


def _find(connection: Connection, project: str, environment: str) -> Row[Any] | None:
    return connection.execute(select(holds).where(_key(project, environment))).first()


def _hold(row: Row[Any]) -> Hold:
    return Hold(
        row.project, row.environment, f"R-{row.release}", row.reason, read_instant(row.since)
    )
