"""The ledger as one thing: what happened, who said what, what was done outside."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, insert, select

from gare.clock import now
from gare.domain.plan import Kind
from gare.domain.standing import Verified
from gare.ledger.approvals import Approvals, Tokens
from gare.ledger.database import Clock, Database, read_instant, spell
from gare.ledger.effects import Effects
from gare.ledger.fixes import Fixes
from gare.ledger.freezes import Freezes
from gare.ledger.holds import Holds
from gare.ledger.later import LaterChecks
from gare.ledger.leases import Leases
from gare.ledger.locks import Locks
from gare.ledger.plans import Plans
from gare.ledger.releases import Releases, number_of
from gare.ledger.rescues import Rescues
from gare.ledger.runs import Runs
from gare.ledger.schema import releases, verified
from gare.ledger.taken_back import TakenBack
from gare.ledger.trains import Trains


class Ledger:
    """Opens the database (and migrates it) and gives the parts over it."""

    def __init__(self, url: str, *, clock: Clock = now) -> None:
        self.database = Database(url, clock=clock)
        self.plans = Plans(self.database)
        self.releases = Releases(self.database)
        self.approvals = Approvals(self.database)
        self.leases = Leases(self.database)
        self.effects = Effects(self.database, self.leases)
        self.rescues = Rescues(self.database)
        self.runs = Runs(self.database)
        self.locks = Locks(self.database)
        self.tokens = Tokens(self.database)
        self.holds = Holds(self.database)
        self.taken_back = TakenBack(self.database)
        self.freezes = Freezes(self.database)
        self.fixes = Fixes(self.database)
        self.later = LaterChecks(self.database)
        self.trains = Trains(self.database)

    def close(self) -> None:
        """Let go of all that this process holds, and of the database."""
        self.leases.leave()
        self.database.close()

    def now(self) -> datetime:
        """Return the ledger's present instant."""
        return self.database.clock()

    def note(self, release_id: str, kind: str, actor: str, body: dict[str, object]) -> None:
        """Append an event that changes no row."""
        with self.database.write() as connection:
            self.database.append(connection, f"R-{number_of(release_id)}", kind, actor, body)

    def verified_version(self, project: str, environment: str) -> str:
        """Return the version last verified good there; empty when none was."""
        found = self._newest_verified(project, environment)
        return found.version if found else ""

    def verified_by(self, project: str, environment: str) -> str:
        """Return the release that brought the version last verified good there; empty when there is none."""
        found = self._newest_verified(project, environment)
        return found.release if found else ""

    def verified_good(self, project: str, environment: str) -> list[Verified]:
        """Return every version that was verified good there with its release, the oldest first."""
        query = _verified(project, environment).order_by(verified.c.number)
        with self.database.read() as connection:
            return [_as_verified(row) for row in connection.execute(query)]

    def set_verified(self, release_id: str, project: str, environment: str, version: str) -> None:
        """Remember that a version was verified good in an environment; a person's own release ends a hold there."""
        number = number_of(release_id)
        with self.database.write() as connection:
            query = _verified(project, environment).order_by(verified.c.number.desc()).limit(1)
            newest = connection.execute(query).first()
            # A step that is done again after a crash says the same.
            if newest is None or (newest.release, newest.version) != (number, version):
                now = self.database.clock()
                connection.execute(
                    insert(verified).values(
                        project=project,
                        environment=environment,
                        version=version,
                        release=number,
                        at=spell(now),
                    )
                )
                body = {"environment": environment, "version": version}
                self.database.append(
                    connection, f"R-{number}", "verified good", "gare", body, at=now
                )
            self.holds.end_by(connection, number, project, environment)

    def _newest_verified(self, project: str, environment: str) -> Verified | None:
        query = _verified(project, environment).order_by(verified.c.number.desc()).limit(1)
        with self.database.read() as connection:
            row = connection.execute(query).first()
        return _as_verified(row) if row is not None else None


def _verified(project: str, environment: str) -> Select[Any]:
    """Select what was verified good in an environment, and the kind of the release that brought it."""
    return (
        select(verified, releases.c.kind)
        .join(releases, releases.c.number == verified.c.release)
        .where(verified.c.project == project, verified.c.environment == environment)
    )


def _as_verified(row: Row[Any]) -> Verified:
    return Verified(row.version, f"R-{row.release}", Kind(row.kind), read_instant(row.at))
