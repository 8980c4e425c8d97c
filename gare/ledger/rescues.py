"""How often a run was brought back after its process died, and when: so that it is not done for ever."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, delete, insert, select

from gare.ledger.database import Database, read_instant, spell
from gare.ledger.schema import releases, rescues


@dataclass(frozen=True, slots=True)
class Rescue:
    """The last time a run was brought back. `progress` is how many steps were done then, `name` what people know it by.

    `outages` counts how often on end it met a vendor that was away; these are no attempts.
    """

    attempts: int
    outages: int
    at: datetime
    progress: int
    reason: str
    name: str = ""


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
        return None if row is None else _rescue(row)

    def unopened(self, since: datetime) -> list[Rescue]:
        """Return the runs that were brought back since an instant and have opened no release: planning is kept."""
        known = select(releases.c.flow_run_id)
        with self._db.read() as connection:
            rows = connection.execute(
                select(rescues)
                .where(rescues.c.at >= spell(since), rescues.c.flow_run_id.not_in(known))
                .order_by(rescues.c.at)
            )
            return [_rescue(row) for row in rows]

    def note(self, flow_run_id: str, release_id: str, rescue: Rescue) -> None:
        """Write down, before it is done, that a run is brought back once more (its release's stream says so)."""
        with self._db.write() as connection:
            connection.execute(delete(rescues).where(rescues.c.flow_run_id == flow_run_id))
            connection.execute(
                insert(rescues).values(
                    flow_run_id=flow_run_id,
                    attempts=rescue.attempts,
                    outages=rescue.outages,
                    at=spell(rescue.at),
                    progress=rescue.progress,
                    reason=rescue.reason,
                    name=rescue.name,
                )
            )
            if release_id:
                turn = rescue.outages or rescue.attempts
                body = {"run": flow_run_id, "attempt": turn, "reason": rescue.reason}
                self._db.append(
                    connection, release_id, "run brought on", "reconciler", body, at=rescue.at
                )

    def forget(self, flow_run_id: str) -> None:
        """Begin to count anew: a person has looked."""
        with self._db.write() as connection:
            connection.execute(delete(rescues).where(rescues.c.flow_run_id == flow_run_id))


def _rescue(row: Row[tuple[object, ...]]) -> Rescue:
    return Rescue(
        row.attempts, row.outages, read_instant(row.at), row.progress, row.reason, row.name
    )
