"""The ledger as one thing: what happened, who said what, what was done outside."""

from datetime import datetime

from sqlalchemy import delete, insert, select

from gare.ledger.approvals import Approvals, Tokens
from gare.ledger.database import Clock, Database, spell, utc_now
from gare.ledger.effects import Effects
from gare.ledger.leases import Leases
from gare.ledger.locks import Locks
from gare.ledger.releases import Plans, Releases, number_of
from gare.ledger.rescues import Rescues
from gare.ledger.runs import Runs
from gare.ledger.schema import verified


class Ledger:
    """Opens the database (and migrates it) and gives the parts over it."""

    def __init__(self, url: str, *, clock: Clock = utc_now) -> None:
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
        with self.database.read() as connection:
            found = connection.execute(
                select(verified.c.version).where(
                    verified.c.project == project, verified.c.environment == environment
                )
            ).scalar()
            return str(found or "")

    def verified_by(self, project: str, environment: str) -> str:
        """Return the release that brought the version last verified good there; empty when there is none."""
        with self.database.read() as connection:
            found = connection.execute(
                select(verified.c.release).where(
                    verified.c.project == project, verified.c.environment == environment
                )
            ).scalar()
            return f"R-{found}" if found is not None else ""

    def set_verified(self, release_id: str, project: str, environment: str, version: str) -> None:
        """Remember that a version was verified good in an environment."""
        key = (verified.c.project == project) & (verified.c.environment == environment)
        with self.database.write() as connection:
            connection.execute(delete(verified).where(key))
            connection.execute(
                insert(verified).values(
                    project=project,
                    environment=environment,
                    version=version,
                    release=number_of(release_id),
                    at=spell(self.database.clock()),
                )
            )
            self.database.append(
                connection,
                f"R-{number_of(release_id)}",
                "verified good",
                "gare",
                {"environment": environment, "version": version},
            )
