"""What hotfixes have skipped, to be checked later: open until a person has ticked it off."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from gare.ledger.database import Database, plain, read_instant, spell
from gare.ledger.releases import number_of
from gare.ledger.schema import later_checks

OWED, DONE = "check owed", "check done"


@dataclass(frozen=True, slots=True)
class LaterCheck:
    """One check in the place of a skipped step. `done_by` is empty as long as it is open."""

    release: str
    project: str
    step: str
    what: str
    since: datetime
    done_by: str
    comment: str

    def __str__(self) -> str:
        """Tell it in words."""
        if self.done_by:
            return f"{self.what}: done by {self.done_by}"
        return f"{self.release} skipped {self.step}: {self.what} (gare done {self.release} {self.step})"

    def as_json(self) -> dict[str, str]:
        """Spell it as plain JSON."""
        return {
            "step": self.step,
            "what": self.what,
            "since": self.since.isoformat(),
            "done_by": self.done_by,
            "comment": self.comment,
            "said": str(self),
        }


class LaterChecks:
    """The later checks of one ledger."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def owe(self, release_id: str, project: str, skipped: Iterable[Mapping[str, Any]]) -> None:
        """Note what a hotfix has skipped; what is noted already stays as it is."""
        number = number_of(release_id)
        with self._db.write() as connection:
            query = select(later_checks.c.step).where(later_checks.c.release == number)
            known = set(connection.execute(query).scalars())
            for one in skipped:
                if one["step"] in known:
                    continue
                now = self._db.clock()
                body = {"project": project, "step": one["step"], "what": plain(one["later"])}
                connection.execute(
                    insert(later_checks).values(
                        release=number, since=spell(now), done_by="", comment="", **body
                    )
                )
                event = {"release": f"R-{number}", **body}
                self._db.append(connection, "station", OWED, "gare", event, at=now)

    def tick_off(self, release_id: str, step: str, *, person: str, comment: str) -> bool:
        """Note that a person has checked it; tell whether there was such a check and it was open."""
        number = number_of(release_id)
        key = (
            (later_checks.c.release == number)
            & (later_checks.c.step == step)
            & (later_checks.c.done_by == "")
        )
        with self._db.write() as connection:
            done = connection.execute(
                update(later_checks).where(key).values(done_by=person, comment=plain(comment))
            )
            if done.rowcount:
                event = {"release": f"R-{number}", "step": step, "comment": plain(comment)}
                self._db.append(connection, "station", DONE, person, event)
            return bool(done.rowcount)

    def of(
        self, project: str = "", *, release: str = "", is_open: bool = False
    ) -> list[LaterCheck]:
        """Return the checks of a project, or of one release, the oldest first."""
        query = select(later_checks).order_by(later_checks.c.release, later_checks.c.step)
        if project:
            query = query.where(later_checks.c.project == project)
        if release:
            query = query.where(later_checks.c.release == number_of(release))
        if is_open:
            query = query.where(later_checks.c.done_by == "")
        with self._db.read() as connection:
            return [_check(row) for row in connection.execute(query)]


def _check(row: Row[Any]) -> LaterCheck:
    return LaterCheck(
        f"R-{row.release}", row.project, row.step, row.what, read_instant(row.since), row.done_by,
        row.comment,
    )  # fmt: skip
