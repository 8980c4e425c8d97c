"""Which lines have the fixes of hotfixes: one row per fix and line, changed only with an event."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, or_, select

from gare.domain.fixes import Fix, FixState
from gare.domain.releases import ReleaseState
from gare.errors import NotFound
from gare.ledger.database import Database, plain, read_instant, spell
from gare.ledger.releases import number_of
from gare.ledger.schema import effects, fixes, releases

EVENT = "fix stands"


class Fixes:
    """The fixes of one ledger."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def of(self, project: str = "") -> list[Fix]:
        """Return every fix in every line, by release: of hotfixes that are released, or are perhaps live somewhere."""
        deployed = (
            select(effects.c.release)
            .where(effects.c.release == fixes.c.release, effects.c.target.startswith("deploy "))
            .exists()
        )
        query = (
            select(fixes)
            .join(releases, releases.c.number == fixes.c.release)
            .where(
                or_(
                    releases.c.state == ReleaseState.RELEASED,
                    and_(releases.c.closed_at.is_(None), deployed),
                )
            )
            .order_by(fixes.c.release, fixes.c.commit, fixes.c.line)
        )
        if project:
            query = query.where(fixes.c.project == project)
        with self._db.read() as connection:
            return [_fix(row) for row in connection.execute(query)]

    def note(self, found: Iterable[Fix], *, actor: str) -> None:
        """Write down where lines stand; what is as before is not written. What a person waived stays waived."""
        with self._db.write() as connection:
            for fix in found:
                before = self._get(connection, fix)
                if before is None or (
                    before.state is not FixState.WAIVED
                    and (before.state, before.detail) != (fix.state, plain(fix.detail))
                ):
                    self._write(connection, fix, actor)

    def waive(self, release_id: str, line: str, *, person: str, reason: str) -> Sequence[Fix]:
        """Let a line go without the fixes of a hotfix, on a person's word. Raises NotFound for no hotfix."""
        with self._db.write() as connection:
            query = select(fixes).where(fixes.c.release == number_of(release_id))
            known = {row.commit: _fix(row) for row in connection.execute(query)}
            if not known:
                raise NotFound(
                    f"{release_id} has brought no fix.",
                    where="ledger",
                    hint="`gare fixes` lists the hotfixes and the lines that need them.",
                )
            return [
                self._write(
                    connection,
                    replace(fix, line=line, state=FixState.WAIVED, detail=reason),
                    person,
                )
                for fix in known.values()
            ]

    def _write(self, connection: Connection, fix: Fix, actor: str) -> Fix:
        now = self._db.clock()
        number = number_of(fix.release)
        body = {
            "project": fix.project,
            "version": fix.version,
            "commit": fix.commit,
            "made": fix.made,
            "subject": plain(fix.subject),
            "line": fix.line,
            "state": fix.state.value,
            "detail": plain(fix.detail),
        }
        connection.execute(delete(fixes).where(_key(fix)))
        connection.execute(
            insert(fixes).values(release=number, changed_by=actor, changed_at=spell(now), **body)
        )
        self._db.append(
            connection, "station", EVENT, actor, {"release": f"R-{number}", **body}, at=now
        )
        return fix

    @staticmethod
    def _get(connection: Connection, fix: Fix) -> Fix | None:
        row = connection.execute(select(fixes).where(_key(fix))).first()
        return _fix(row) if row is not None else None


def _key(fix: Fix) -> ColumnElement[bool]:
    return (
        (fixes.c.release == number_of(fix.release))
        & (fixes.c.commit == fix.commit)
        & (fixes.c.line == fix.line)
    )


def _fix(row: Row[Any]) -> Fix:
    return Fix(
        f"R-{row.release}", row.project, row.version, row.commit, row.made, row.subject, row.line,
        FixState(row.state), row.detail, row.changed_by, read_instant(row.changed_at),
    )  # fmt: skip
