"""Releases and their steps in the ledger. Every change of a row appends its event in the same transaction."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, insert, select, update

from gare.domain.digest import canonical
from gare.domain.plan import Kind, Plan
from gare.domain.releases import Release, ReleaseState, StepRecord, StepState
from gare.domain.waits import Waited, read_waited
from gare.errors import Refused, UnknownName
from gare.ledger.database import AT_ONCE, Database, plain, read_instant, spell
from gare.ledger.lock_rows import free, wake
from gare.ledger.schema import approvals, effects, events, plans, releases, steps, votes

if TYPE_CHECKING:
    pass


def number_of(release_id: str) -> int:
    """Return 7 for `R-7`. Raises UnknownName when it is no release id."""
    prefix, dash, digits = release_id.strip().upper().partition("-")
    if prefix != "R" or not dash or not digits.isascii() or not digits.isdigit() or len(digits) > 9:
        raise UnknownName(
            f"{release_id!r} is no release.",
            where="release",
            hint="Write it as R-7; `gare status` lists them.",
        )
    return int(digits)


PAGE = 200
"""How many releases are looked at together: what the engine answers at once, and little memory."""


class Releases:
    """Releases and their steps."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def open(
        self,
        plan_digest: str,
        plan: Plan,
        flow_run_id: str,
        requested_by: str,
        reason: str,
        request: Mapping[str, Any] | None = None,
    ) -> Release:
        """Open a release for a run, or return the one that this run has opened already.

        `request` is all that was asked for: a run that the engine loses is made again from it.
        """
        with self._db.write() as connection:
            found = connection.execute(
                select(releases).where(releases.c.flow_run_id == flow_run_id)
            ).first()
            if found is not None:
                return release_of(found)
            now = self._db.clock()
            number = connection.execute(
                insert(releases)
                .values(
                    project=plan.project,
                    version=plan.version,
                    plan=plan_digest,
                    flow_run_id=flow_run_id,
                    state=ReleaseState.RUNNING,
                    requested_by=requested_by,
                    reason=plain(reason),
                    opened_at=spell(now),
                    changed_at=spell(now),
                    kind=plan.kind,
                    train=number_of(train) if (train := (request or {}).get("train")) else None,
                )
                .returning(releases.c.number)
            ).scalar_one()
            self._db.append(
                connection,
                f"R-{number}",
                "release opened",
                requested_by or "unnamed",
                {
                    "project": plan.project,
                    "version": plan.version,
                    "commit": plan.commit,
                    "plan": plan_digest,
                    "kind": plan.kind,
                    "run": flow_run_id,
                    "requested_by": requested_by,
                    "reason": plain(reason),
                    **({"request": dict(request)} if request else {}),
                },
                at=now,
            )
            return self._get(connection, number)

    def replan(
        self,
        release_id: str,
        plan_digest: str,
        plan: Plan,
        value: Mapping[str, Any],
        *,
        reason: str,
        restart: bool = False,
        anew: Collection[str] = (),
    ) -> Release:
        """Give a release another plan, and its step `plan` the value that goes with it.

        Raises Refused when another step has begun: from then on a plan does not change. With `restart` such steps begin
        anew, and votes about the old plan count no more; Refused then when one of them may have done something outside.
        `anew` are steps that begin anew whatever they did, unless the last of them is done.
        """
        number = number_of(release_id)
        with self._db.write() as connection:
            before = self._get(connection, number)
            if before.is_closed or before.plan == plan_digest:
                return before
            _refuse_begun(connection, before, restart=restart, anew=anew)
            is_restart = (restart or bool(anew)) and _begin_anew(connection, number)
            now = self._db.clock()
            connection.execute(
                update(releases)
                .where(releases.c.number == number)
                .values(plan=plan_digest, version=plan.version, changed_at=spell(now))
            )
            body: Mapping[str, Any] = {
                "plan": plan_digest,
                "before": before.plan,
                "version": plan.version,
                "commit": plan.commit,
                "reason": plain(reason),
                **({"restart": True} if is_restart else {}),
            }
            self._db.append(connection, before.id, "planned anew", "gare", body, at=now)
            planned = connection.execute(
                update(steps)
                .where(
                    steps.c.release == number,
                    steps.c.step == "plan",
                    steps.c.state == StepState.DONE,
                )
                .values(value=plain(canonical(value)), ended_at=spell(now))
            )
            if planned.rowcount:
                body = {"step": "plan", "error": "", "value": value}
                self._db.append(connection, before.id, "step done", "gare", body, at=now)
            return self._get(connection, number)

    def get(self, release_id: str) -> Release:
        """Return a release. Raises UnknownName."""
        with self._db.read() as connection:
            return self._get(connection, number_of(release_id))

    def request(self, release_id: str) -> dict[str, Any] | None:
        """Return what a release was asked for with; None for one that an older Gare opened."""
        query = select(events.c.body).where(events.c.stream == release_id, events.c.seq == 1)
        with self._db.read() as connection:
            body = json.loads(connection.execute(query).scalar_one())
        found: dict[str, Any] | None = body.get("request")
        return found

    def of_run(self, flow_run_id: str) -> Release | None:
        """Return the release that a run has opened."""
        with self._db.read() as connection:
            found = connection.execute(
                select(releases).where(releases.c.flow_run_id == flow_run_id)
            ).first()
            return release_of(found) if found is not None else None

    def find(self, *, is_open: bool = False, project: str = "", limit: int = 50) -> list[Release]:
        """Return the newest releases first."""
        query: Select[Any] = select(releases).order_by(releases.c.number.desc()).limit(limit)
        if is_open:
            query = query.where(releases.c.closed_at.is_(None))
        if project:
            query = query.where(releases.c.project == project)
        with self._db.read() as connection:
            return [release_of(row) for row in connection.execute(query)]

    def members(self, train: str) -> list[Release]:
        """Return the releases that a train has started, the oldest first."""
        query = (
            select(releases).where(releases.c.train == number_of(train)).order_by(releases.c.number)
        )
        with self._db.read() as connection:
            return [release_of(row) for row in connection.execute(query)]

    def ended_since_plan(self, release: Release, project: str = "") -> list[Release]:
        """Return the project's other releases that changed anything and ended since a release's plan was made.

        The last to end comes first. A rollback takes no version and is none of them. `project` is a train's member.
        """
        return self._ended_since_plan(release, project, releases.c.kind != Kind.ROLLBACK)

    def went_back_since_plan(self, release: Release) -> list[Release]:
        """Return the rollbacks of the project that were through since a release's plan was made, the last first."""
        return self._ended_since_plan(release, "", releases.c.kind == Kind.ROLLBACK)

    def _ended_since_plan(
        self, release: Release, project: str, kinds: ColumnElement[bool]
    ) -> list[Release]:
        made_at = select(plans.c.made_at).where(plans.c.digest == release.plan).scalar_subquery()
        query = (
            select(releases)
            .where(
                releases.c.project == (project or release.project),
                releases.c.number != number_of(release.id),
                kinds,
                releases.c.state.in_([ReleaseState.RELEASED, ReleaseState.ROLLED_BACK]),
                releases.c.closed_at >= made_at,
            )
            .order_by(releases.c.closed_at.desc())
        )
        with self._db.read() as connection:
            return [release_of(row) for row in connection.execute(query)]

    def mark(
        self,
        release_id: str,
        state: ReleaseState,
        *,
        actor: str,
        end: str = "",
        waiting: Sequence[Waited] = (),
        wake_at: datetime | None = None,
    ) -> Release:
        """Move a release to a state; a closed one stays as it is and is returned.

        One that ends or stands still lets go of its locks and its place in the queue, and who is next is woken.
        """
        number = number_of(release_id)
        with self._db.write() as connection:
            before = self._get(connection, number)
            end, waits = plain(end), tuple(replace(one, what=plain(one.what)) for one in waiting)
            same = (before.state, before.waits, before.end) == (state, waits, end)
            if before.is_closed or (same and before.wake_at == wake_at):
                return before
            now = self._db.clock()
            connection.execute(
                update(releases)
                .where(releases.c.number == number)
                .values(
                    state=state,
                    changed_at=spell(now),
                    closed_at=spell(now) if state.is_closed else None,
                    end=end,
                    waiting=canonical([one.as_json() for one in waits]),
                    wake_at=spell(wake_at) if wake_at else None,
                )
            )
            kind = f"release {state}"
            body: dict[str, Any] = {"end": end, "waiting": list(map(str, waits))}
            if waits:
                body["causes"] = [one.cause for one in waits]
            event = self._db.append(connection, before.id, kind, actor, body, at=now)
            if state.is_closed:
                self._db.append(
                    connection, "station", "release closed", actor,
                    {"release": before.id, "state": state, "head": event.hash},
                )  # fmt: skip
            concerns_train = any(one.cause.concerns_train for one in waits)
            # One that goes on after it stood still holds its train no more.
            concerns_train |= before.is_stopped or state.is_stopped or state.is_closed
            if before.train and concerns_train:
                wake_sleeper(connection, number_of(before.train))
            if state.is_closed or state.is_stopped:
                free(connection, before.project, [number], now)
            elif state is ReleaseState.WAITING:
                # Its turn may have come between its asking and this: nobody else would wake it.
                wake(connection, before.project, now)
            return self._get(connection, number)

    def wake(self, release_id: str) -> None:
        """Let a release that waits look again."""
        with self._db.write() as connection:
            wake_sleeper(connection, number_of(release_id))

    def next_ask(self, release_id: str) -> int:
        """Count one more suspension; engine keys built on it are never used twice."""
        number = number_of(release_id)
        with self._db.write() as connection:
            return int(
                connection.execute(
                    update(releases)
                    .where(releases.c.number == number)
                    .values(asks=releases.c.asks + 1)
                    .returning(releases.c.asks)
                ).scalar_one()
            )

    def done_counts(self, release_ids: Sequence[str]) -> dict[str, int]:
        """Return how many steps of each release are done."""
        numbers = {number_of(release_id): release_id for release_id in release_ids}
        query = (
            select(steps.c.release, func.count())
            .where(steps.c.release.in_(numbers), steps.c.state == StepState.DONE)
            .group_by(steps.c.release)
        )
        with self._db.read() as connection:
            counts = {row[0]: int(row[1]) for row in connection.execute(query)}
        return {release_id: counts.get(number, 0) for number, release_id in numbers.items()}

    def steps(self, release_id: str) -> dict[str, StepRecord]:
        """Return the steps that have started, by id."""
        with self._db.read() as connection:
            rows = connection.execute(select(steps).where(steps.c.release == number_of(release_id)))
            return {row.step: _step(row) for row in rows}

    def step_states(self, release_id: str) -> dict[str, StepState]:
        """Return the states of the steps that have started, by id; quicker than `steps`."""
        with self._db.read() as connection:
            rows = connection.execute(
                select(steps.c.step, steps.c.state).where(steps.c.release == number_of(release_id))
            )
            return {row.step: StepState(row.state) for row in rows}

    def begin_step(self, release_id: str, step: str, *, actor: str) -> StepRecord:
        """Note that a step runs (again). A done step stays done and is returned."""
        number = number_of(release_id)
        with self._db.write() as connection:
            key = (steps.c.release == number) & (steps.c.step == step)
            row = connection.execute(select(steps).where(key)).first()
            if row is not None and row.state == StepState.DONE:
                return _step(row)
            attempt, now = (row.attempt + 1 if row is not None else 1), self._db.clock()
            fields: dict[str, Any] = {
                "state": StepState.RUNNING,
                "attempt": attempt,
                "started_at": spell(now),
                "ended_at": None,
                "error": "",
            }
            if row is None:
                connection.execute(insert(steps).values(release=number, step=step, **fields))
            else:
                connection.execute(update(steps).where(key).values(**fields))
            body = {"step": step, "attempt": attempt}
            self._db.append(connection, f"R-{number}", "step started", actor, body, at=now)
            return _step(connection.execute(select(steps).where(key)).one())

    def end_step(
        self,
        release_id: str,
        step: str,
        state: StepState,
        *,
        value: Any = None,
        error: str = "",
        actor: str,
    ) -> None:
        """Note how a step ended, with its value (JSON); a done step is not changed again."""
        number, error = number_of(release_id), plain(error)
        with self._db.write() as connection:
            now = self._db.clock()
            key = (
                (steps.c.release == number)
                & (steps.c.step == step)
                & (steps.c.state != StepState.DONE)
            )
            changed = connection.execute(
                update(steps)
                .where(key)
                .values(
                    state=state,
                    value=plain(canonical(value)) if value is not None else None,
                    error=error,
                    ended_at=spell(now),
                )
            )
            if changed.rowcount:
                body: Mapping[str, Any] = {"step": step, "error": error, "value": value}
                self._db.append(connection, f"R-{number}", f"step {state}", actor, body, at=now)
                # A step that ends while the release sleeps was ticked off by a person.
                wake_sleeper(connection, number)

    @staticmethod
    def _get(connection: Connection, number: int) -> Release:
        return release_of(find_row(connection, number))


def _refuse_begun(
    connection: Connection, release: Release, *, restart: bool, anew: Collection[str]
) -> None:
    """Raise Refused when a release has done too much for another plan."""
    table = effects if restart else steps
    allowed = {"plan", *anew}
    mine = table.c.release == number_of(release.id)
    too_far: ColumnElement[bool] = table.c.step.not_in(allowed)
    if anew:
        too_far |= (steps.c.step == list(anew)[-1]) & (steps.c.state == StepState.DONE)
    begun = select(table.c.step).where(mine, too_far).limit(1)
    if (step := connection.execute(begun).scalar()) is not None:
        raise Refused(
            f"{release.id} has begun ({step}): its plan does not change any more.",
            where=release.id,
            hint=f"Cancel it with `gare cancel {release.id}` and start a new one.",
        )


def _begin_anew(connection: Connection, number: int) -> bool:
    """Take back the steps of a release, and the votes about what they made; tell whether there were any."""
    begun = (steps.c.release == number) & (steps.c.step != "plan")
    gone = connection.execute(delete(steps).where(begun)).rowcount
    for table in (votes, approvals):
        gone += connection.execute(delete(table).where(table.c.release == number)).rowcount
    return bool(gone)


def wake_sleeper(connection: Connection, number: int) -> None:
    """Let a waiting release be woken: within the transaction of what it waits for."""
    connection.execute(
        update(releases)
        .where(releases.c.number == number, releases.c.state == ReleaseState.WAITING)
        .values(wake_at=spell(AT_ONCE))
    )


def find_row(connection: Connection, number: int) -> Row[Any]:
    """Return a release's row within a transaction. Raises UnknownName."""
    row = connection.execute(select(releases).where(releases.c.number == number)).first()
    if row is None:
        raise UnknownName(
            f"There is no release R-{number}.",
            where="ledger",
            hint="`gare status` lists the releases.",
        )
    return row


def release_of(row: Row[Any]) -> Release:
    """Make a release of its row."""
    return Release(
        id=f"R-{row.number}",
        project=row.project,
        version=row.version,
        plan=row.plan,
        flow_run_id=row.flow_run_id,
        state=ReleaseState(row.state),
        requested_by=row.requested_by,
        reason=row.reason,
        opened_at=read_instant(row.opened_at),
        changed_at=read_instant(row.changed_at),
        closed_at=read_instant(row.closed_at) if row.closed_at else None,
        end=row.end,
        waits=tuple(map(read_waited, json.loads(row.waiting))),
        wake_at=read_instant(row.wake_at) if row.wake_at else None,
        kind=Kind(row.kind),
        train=f"R-{row.train}" if row.train else "",
    )


def _step(row: Row[Any]) -> StepRecord:
    return StepRecord(
        step=row.step,
        state=StepState(row.state),
        attempt=row.attempt,
        value=json.loads(row.value) if row.value is not None else None,
        error=row.error,
        started_at=read_instant(row.started_at),
        ended_at=read_instant(row.ended_at) if row.ended_at else None,
    )
