"""What was taken back: in the record of each release whose version a rollback, or the release itself, has undone."""

import json
from datetime import datetime

from sqlalchemy import select

from gare.domain.plan import Kind
from gare.domain.releases import ReleaseState
from gare.ledger.database import Database, spell
from gare.ledger.releases import number_of
from gare.ledger.schema import events, releases

TAKEN_BACK = "taken back"


class TakenBack:
    """What one ledger says about versions that were taken back."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def note(self, release_id: str, environment: str, *, by: str, to: str, actor: str) -> None:
        """Write into the record of a release that it was taken back; a second time, nothing."""
        body = {"environment": environment, "by": by, "to": to}
        if body not in self._told(release_id):
            with self._db.write() as connection:
                stream = f"R-{number_of(release_id)}"
                self._db.append(connection, stream, TAKEN_BACK, actor, body)

    def by_itself(self, release_id: str) -> dict[str, str]:
        """Return where a release has put its own version back, each environment with the version that returned."""
        return {
            told["environment"]: told["to"]
            for told in self._told(release_id)
            if told["by"] == release_id
        }

    def put_back_since(self, project: str, environment: str, since: datetime) -> str:
        """Return the last release that put its own version back there after an instant; empty when none did."""
        query = (
            select(releases.c.number)
            .where(
                releases.c.project == project,
                releases.c.state == ReleaseState.ROLLED_BACK,
                releases.c.kind != Kind.ROLLBACK,
                releases.c.closed_at > spell(since),
            )
            .order_by(releases.c.closed_at.desc())
        )
        with self._db.read() as connection:
            found = [f"R-{number}" for number in connection.execute(query).scalars()]
        return next((one for one in found if environment in self.by_itself(one)), "")

    def _told(self, release_id: str) -> list[dict[str, str]]:
        query = (
            select(events.c.body)
            .where(events.c.stream == f"R-{number_of(release_id)}", events.c.kind == TAKEN_BACK)
            .order_by(events.c.seq)
        )
        with self._db.read() as connection:
            return [json.loads(body) for body in connection.execute(query).scalars()]
