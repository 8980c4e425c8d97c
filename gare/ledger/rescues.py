"""How often a run was brought back after its process died, and when: so that it is not done for ever."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from gare.ledger.database import Database, read_instant, spell
from gare.ledger.schema import rescues


@dataclass(frozen=True, slots=True)
class Rescue:
    """The last time a run was brought back. `progress` is how many steps were done then."""

    attempts: int
    at: datetime
    progress: int
    reason: str


class Rescues:
    """The rescues of one ledger."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, flow_run_id: str) -> Rescue | None:
        """Return the last rescue of a run, if there was one."""
        with self._db.read() as connection:
            row = connection.execute(
                select(rescues).where(rescues.c.flow_run_id == flow_run_id)
            ).first()
        if row is None:
            return None
        return Rescue(row.attempts, read_instant(row.at), row.progress, row.reason)

    def note(
        self, flow_run_id: str, release_id: str, *, attempts: int, progress: int, reason: str
    ) -> None:
        """Write down, before it is done, that a run is brought back once more (its release's stream says so)."""
        with self._db.write() as connection:
            now = self._db.clock()
            connection.execute(delete(rescues).where(rescues.c.flow_run_id == flow_run_id))
            connection.execute(
                insert(rescues).values(
                    flow_run_id=flow_run_id,
                    attempts=attempts,
                    at=spell(now),
                    progress=progress,
                    reason=reason,
                )
            )
            if release_id:
                body = {"run": flow_run_id, "attempt": attempts, "reason": reason}
                self._db.append(
                    connection, release_id, "run brought on", "reconciler", body, at=now
                )

    def forget(self, flow_run_id: str) -> None:
        """Begin to count anew: a person has looked."""
        with self._db.write() as connection:
            connection.execute(delete(rescues).where(rescues.c.flow_run_id == flow_run_id))
