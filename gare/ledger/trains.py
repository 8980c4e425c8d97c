"""What people said about trains: departures skipped ahead, schedules that stand still. Each change is an event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from gare.ledger.database import Database, plain, read_instant, spell
from gare.ledger.schema import slots, stops


@dataclass(frozen=True, slots=True)
class Skip:
    """A departure that will not be."""

    slot: str
    person: str
    reason: str

    def __str__(self) -> str:
        """Tell it in words."""
        return (
            f"skipped by {self.person}: {self.reason}"
            if self.reason
            else f"skipped by {self.person}"
        )


@dataclass(frozen=True, slots=True)
class Stop:
    """A schedule that stands still until a person resumes it."""

    reason: str
    since: datetime


class Trains:
    """Skips and stops of the trains of one ledger."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def skip(self, train: str, slot: str, *, person: str, reason: str) -> bool:
        """Skip a departure; False when it was skipped already."""
        reason = plain(reason)
        with self._db.write() as connection:
            key = (slots.c.train == train) & (slots.c.at == slot)
            if connection.execute(select(slots.c.at).where(key)).first() is not None:
                return False
            connection.execute(
                insert(slots).values(train=train, at=slot, person=person, reason=reason)
            )
            body = {"train": train, "slot": slot, "person": person, "reason": reason}
            self._db.append(connection, "station", "slot skipped", person, body)
        return True

    def unskip(self, train: str, slot: str, *, person: str) -> bool:
        """Let a departure be again; False when it was not skipped."""
        with self._db.write() as connection:
            key = (slots.c.train == train) & (slots.c.at == slot)
            if not connection.execute(delete(slots).where(key)).rowcount:
                return False
            body = {"train": train, "slot": slot}
            self._db.append(connection, "station", "slot restored", person, body)
        return True

    def skips(self, train: str) -> Mapping[str, Skip]:
        """Return what is skipped of a train, by slot."""
        with self._db.read() as connection:
            rows = connection.execute(select(slots).where(slots.c.train == train))
            return {row.at: Skip(row.at, row.person, row.reason) for row in rows}

    def stop(self, train: str, reason: str, *, actor: str) -> bool:
        """Let a schedule stand still; False when it does already: the first reason stays."""
        reason = plain(reason)
        with self._db.write() as connection:
            if connection.execute(select(stops.c.train).where(stops.c.train == train)).first():
                return False
            now = self._db.clock()
            connection.execute(insert(stops).values(train=train, reason=reason, since=spell(now)))
            body = {"train": train, "reason": reason}
            self._db.append(connection, "station", "train stopped", actor, body, at=now)
        return True

    def resume(self, train: str, *, person: str) -> bool:
        """Let a schedule go on; False when it did not stand still."""
        with self._db.write() as connection:
            if not connection.execute(delete(stops).where(stops.c.train == train)).rowcount:
                return False
            self._db.append(connection, "station", "train resumed", person, {"train": train})
        return True

    def stopped(self, train: str) -> Stop | None:
        """Return why a schedule stands still; None when it does not."""
        with self._db.read() as connection:
            row = connection.execute(select(stops).where(stops.c.train == train)).first()
            return None if row is None else Stop(row.reason, read_instant(row.since))
