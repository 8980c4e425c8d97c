"""Releases as the reconciler needs them: by their runs, by what is due, page by page, whatever their number."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update

from gare.domain.releases import Release, ReleaseState
from gare.ledger.database import Database, spell
from gare.ledger.releases import PAGE, find_row, number_of, release_of
from gare.ledger.schema import releases


class Runs:
    """The releases of one ledger and their runs."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def of_runs(self, flow_run_ids: Sequence[str]) -> dict[str, Release]:
        """Return the releases of these runs, by run; a run that has opened none is absent."""
        query = select(releases).where(releases.c.flow_run_id.in_(flow_run_ids))
        with self._db.read() as connection:
            return {row.flow_run_id: release_of(row) for row in connection.execute(query)}

    def in_state(self, *states: ReleaseState, after: int = 0, limit: int = PAGE) -> list[Release]:
        """Return a page of the releases in these states, the oldest first, with numbers above `after`."""
        query = (
            select(releases)
            .where(releases.c.state.in_(states), releases.c.number > after)
            .order_by(releases.c.number)
            .limit(limit)
        )
        with self._db.read() as connection:
            return [release_of(row) for row in connection.execute(query)]

    def due(self, now: datetime, limit: int = PAGE) -> list[Release]:
        """Return a page of the waiting releases whose moment to be woken has come."""
        query = (
            select(releases)
            .where(releases.c.state == ReleaseState.WAITING, releases.c.wake_at <= spell(now))
            .order_by(releases.c.wake_at)
            .limit(limit)
        )
        with self._db.read() as connection:
            return [release_of(row) for row in connection.execute(query)]

    def unsettled(self, limit: int = PAGE) -> list[Release]:
        """Return a page of the ended releases whose runs are not known to have ended in the engine."""
        query = (
            select(releases)
            .where(releases.c.closed_at.is_not(None), releases.c.settled.is_(False))
            .order_by(releases.c.number.desc())
            .limit(limit)
        )
        with self._db.read() as connection:
            return [release_of(row) for row in connection.execute(query)]

    def settle(self, release_ids: Sequence[str]) -> None:
        """Note that the engine shows these ended releases as ended."""
        numbers = [number_of(release_id) for release_id in release_ids]
        with self._db.write() as connection:
            connection.execute(
                update(releases).where(releases.c.number.in_(numbers)).values(settled=True)
            )

    def replace_run(self, release_id: str, flow_run_id: str, *, actor: str) -> Release:
        """Give a release another run of the engine: the one it had is gone."""
        number = number_of(release_id)
        with self._db.write() as connection:
            before = release_of(find_row(connection, number))
            if before.flow_run_id != flow_run_id:
                connection.execute(
                    update(releases)
                    .where(releases.c.number == number)
                    .values(flow_run_id=flow_run_id)
                )
                body = {"run": flow_run_id, "before": before.flow_run_id}
                self._db.append(connection, before.id, "run replaced", actor, body)
            return release_of(find_row(connection, number))
