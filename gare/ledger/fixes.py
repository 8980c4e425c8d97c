"""Which lines have the fixes of hotfixes: one row per fix and line, changed only with an event."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, or_, select

from gare.domain.fixes import Fix, FixBranch, FixState
from gare.domain.plan import Kind
from gare.domain.releases import ReleaseState
from gare.errors import NotFound
from gare.ledger.chain import Event
from gare.ledger.database import Database, plain, read_instant, spell
from gare.ledger.releases import number_of
from gare.ledger.schema import effects, events, fixes, plans, releases

EVENT = "fix stands"
_deployments = effects.alias()
_DEPLOYED = (
    select(_deployments.c.release)
    .where(_deployments.c.release == releases.c.number, _deployments.c.target.startswith("deploy "))
    .exists()
)
"""Whether the version of a release is perhaps somewhere."""


class Fixes:
    """The fixes of one ledger."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def of(self, project: str = "") -> list[Fix]:
        """Return every fix in every line, by release: of hotfixes that are released, or are perhaps live somewhere.

        One that was ended after its version had reached the last environment counts until that goes back.
        """
        query = (
            select(fixes, releases.c.closed_at, releases.c.state.label("end"), releases.c.plan)
            .join(releases, releases.c.number == fixes.c.release)
            .where(or_(releases.c.state == ReleaseState.RELEASED, _DEPLOYED))
            .where(releases.c.state != ReleaseState.ROLLED_BACK)
            .order_by(fixes.c.release, fixes.c.commit, fixes.c.line)
        )
        if project:
            query = query.where(fixes.c.project == project)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
            ended = {
                row.release: row.plan
                for row in rows
                if row.closed_at is not None and row.end != ReleaseState.RELEASED
            }
            gone = {
                number for number, plan in ended.items() if not _is_live(connection, number, plan)
            }
        return [_fix(row) for row in rows if row.release not in gone]

    def branches(self, project: str) -> list[FixBranch]:
        """Return the branches that hotfixes of a project have made, the newest first."""
        query = (
            select(
                effects.c.receipt, releases.c.number, releases.c.closed_at, _DEPLOYED.label("out")
            )
            .join(releases, releases.c.number == effects.c.release)
            .where(
                releases.c.project == project,
                releases.c.kind == Kind.HOTFIX,
                effects.c.step == "branch",
                effects.c.receipt.is_not(None),
            )
            .order_by(releases.c.number.desc())
        )
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        receipts = [(row, json.loads(row.receipt)) for row in rows]
        return [
            FixBranch(
                made["branch"], made["commit"], f"R-{row.number}",
                is_spent=row.closed_at is not None and not row.out,
            )
            for row, made in receipts
            if "branch" in made  # a person may have said that it is there
        ]  # fmt: skip

    def told_by_people(self, release_id: str) -> list[Event]:
        """Return the events by which people answered for a hotfix's fixes: waivers, and what they said is merged."""
        query = (
            select(events)
            .where(events.c.stream == "station", events.c.kind == EVENT, events.c.actor != "gare")
            .order_by(events.c.seq)
        )
        with self._db.read() as connection:
            found = [Event(**row._mapping) for row in connection.execute(query)]
        release = f"R-{number_of(release_id)}"
        return [event for event in found if json.loads(event.body)["release"] == release]

    def note(self, found: Iterable[Fix], *, actor: str) -> None:
        """Write down where lines stand; what is as before is not written. What a person waived stays waived."""
        with self._db.write() as connection:
            for fix in found:
                before = self._get(connection, fix)
                now = (fix.state, plain(fix.detail), fix.seen)
                if before is None or (
                    before.state is not FixState.WAIVED
                    and (before.state, before.detail, before.seen) != now
                ):
                    self._write(connection, fix, actor)

    def waive(self, release_id: str, line: str, *, person: str, reason: str) -> Sequence[Fix]:
        """Let a line go without the fixes of a hotfix, on a person's word. Raises NotFound for no hotfix."""
        return self._answer(
            release_id, line, person, lambda fix: replace(fix, state=FixState.WAIVED, detail=reason)
        )

    def unwaive(self, release_id: str, line: str, *, person: str) -> Sequence[Fix]:
        """Take a waiver back; the line is to be looked at again. Raises NotFound when there is none."""

        def owed(fix: Fix) -> Fix | None:
            is_waived = fix.state is FixState.WAIVED
            return replace(fix, state=FixState.MISSING, detail="", seen="") if is_waived else None

        if found := self._answer(release_id, line, person, owed):
            return found
        raise NotFound(
            f"Nobody has waived the fixes of {release_id} for {line}.",
            where="ledger",
            hint="`gare fixes` shows where the lines stand. Nothing was changed.",
        )

    def tell_merged(
        self, release_id: str, line: str, *, person: str, commit: str, comment: str
    ) -> Sequence[Fix]:
        """Note on a person's word that a commit of a line is what it lacked of a hotfix. Raises NotFound."""

        def merged(fix: Fix) -> Fix | None:
            is_known = fix.state is FixState.MERGED
            told = replace(fix, state=FixState.MERGED, detail=comment, seen=commit)
            return None if is_known else told

        return self._answer(release_id, line, person, merged)

    def _answer(
        self, release_id: str, line: str, person: str, answer: Callable[[Fix], Fix | None]
    ) -> Sequence[Fix]:
        """Write a person's answer for each fix of a hotfix in a line; what it returns None for stays."""
        with self._db.write() as connection:
            query = select(fixes).where(fixes.c.release == number_of(release_id))
            rows = [_fix(row) for row in connection.execute(query)]
            if not rows:
                raise NotFound(
                    f"{release_id} has brought no fix.",
                    where="ledger",
                    hint="`gare fixes` lists the hotfixes and the lines that need them.",
                )
            new = {
                fix.commit: replace(fix, line=line, state=FixState.MISSING, detail="", seen="")
                for fix in rows
            }
            known = {fix.commit: fix for fix in rows if fix.line == line}
            answers = [answer(fix) for fix in (new | known).values()]
            return [self._write(connection, fix, person) for fix in answers if fix is not None]

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
            "seen": fix.seen,
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


def _is_live(connection: Connection, number: int, plan: str) -> bool:
    """Tell whether what an ended release brought to its last environment was not taken back from there."""
    body = connection.execute(select(plans.c.body).where(plans.c.digest == plan)).scalar_one()
    last = json.loads(body)["environments"][-1:]
    query = select(effects.c.target).where(
        effects.c.release == number, effects.c.receipt.is_not(None)
    )
    done = set(connection.execute(query).scalars())
    if not any(f"deploy {name}" in done and f"put back {name}" not in done for name in last):
        return False
    taken_back = select(events.c.body).where(
        events.c.stream == f"R-{number}", events.c.kind == "taken back"
    )
    said = connection.execute(taken_back).scalars()
    return all(json.loads(text)["environment"] not in last for text in said)


def _key(fix: Fix) -> ColumnElement[bool]:
    return (
        (fixes.c.release == number_of(fix.release))
        & (fixes.c.commit == fix.commit)
        & (fixes.c.line == fix.line)
    )


def _fix(row: Row[Any]) -> Fix:
    return Fix(
        f"R-{row.release}", row.project, row.version, row.commit, row.made, row.subject, row.line,
        FixState(row.state), row.detail, row.changed_by, read_instant(row.changed_at), row.seen,
    )  # fmt: skip
