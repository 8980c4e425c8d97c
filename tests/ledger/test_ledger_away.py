"""A ledger that is away for a while: a release's process waits in place, and nothing is done or written twice."""

import sqlite3
import threading

import pytest
from sqlalchemy import event, text

from gare.domain.releases import StepState
from gare.errors import LedgerAway, Unavailable
from gare.ledger.effects import Absent, Effect
from gare.ledger.ledger import Ledger
from tasks.step import _note_failure


class Disk:
    """What limits a SQLite file to the size it has, as a full disk does, until room is made."""

    def __init__(self, ledger: Ledger) -> None:
        self.is_full, self.refused = False, threading.Event()
        event.listen(ledger.database.engine, "begin", self._limit)
        event.listen(ledger.database.engine, "handle_error", lambda _: self.refused.set())

    def _limit(self, connection):
        connection.exec_driver_sql(f"PRAGMA max_page_count={1 if self.is_full else 1 << 30}")

    def make_room_when_refused(self) -> threading.Thread:
        """Make room as soon as a write was refused."""

        def make_room() -> None:
            assert self.refused.wait(20)
            self.is_full = False

        thread = threading.Thread(target=make_room)
        thread.start()
        return thread


@pytest.fixture
def disk(sqlite_ledger):
    return Disk(sqlite_ledger)


@pytest.fixture
def release(sqlite_ledger, story):
    return story.open_release(sqlite_ledger)[0]


def kinds(ledger):
    return [event.kind for event in ledger.database.events("R-1")][1:]


def test_a_lock_that_is_held_for_longer_than_a_write_waits_is_waited_for(tmp_path, story):
    file = tmp_path / "ledger.db"
    ledger = Ledger(f"sqlite:///{file}?timeout=0.05")
    release, _ = story.open_release(ledger)
    holder = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    refused = threading.Event()
    event.listen(ledger.database.engine, "handle_error", lambda _: refused.set())

    def let_go() -> None:
        assert refused.wait(20)
        holder.execute("ROLLBACK")

    with pytest.raises(LedgerAway, match="database is locked"):
        ledger.note(release.id, "note", "gare", {})
    refused.clear()
    ledger.database.patience_s = 20
    thread = threading.Thread(target=let_go)
    thread.start()
    ledger.note(release.id, "note", "gare", {})
    thread.join()
    assert kinds(ledger) == ["note"]
    holder.close()
    ledger.close()


def test_on_a_full_disk_the_receipt_is_written_when_there_is_room_and_the_act_is_done_once(
    sqlite_ledger, release, disk
):
    acts = []

    def act():
        acts.append("sent")
        disk.is_full = True
        room.append(disk.make_room_when_refused())
        return {"text": "x" * 100_000}

    room = []
    sqlite_ledger.database.patience_s = 20
    sqlite_ledger.effects.perform(release.id, "announce", Effect("hook", {}, Absent, act))
    room[0].join()
    assert acts == ["sent"]
    assert kinds(sqlite_ledger) == ["effect intended", "effect done"]


def test_on_a_full_disk_the_end_of_a_step_is_written_once_when_there_is_room(
    sqlite_ledger, release, disk
):
    releases = sqlite_ledger.releases
    releases.begin_step(release.id, "build", actor="gare")
    sqlite_ledger.database.patience_s = 20
    disk.is_full = True
    room = disk.make_room_when_refused()
    sqlite_ledger.database.lasting(
        lambda: releases.end_step(
            release.id, "build", StepState.DONE, value="x" * 100_000, actor="gare"
        )
    )
    room.join()
    assert kinds(sqlite_ledger) == ["step started", "step done"]


def test_a_connection_that_the_server_ends_in_the_middle_of_a_write_is_opened_anew(
    new_postgres, story
):
    ledger = Ledger(new_postgres)
    release, _ = story.open_release(ledger)
    ledger.releases.begin_step(release.id, "build", actor="gare")
    ledger.database.patience_s = 20
    ended = []

    @event.listens_for(ledger.database.engine, "before_cursor_execute")
    def end_it(connection, cursor, statement, *_):
        if statement.startswith("INSERT INTO events") and not ended:
            ended.append(statement)
            pid = connection.connection.dbapi_connection.info.backend_pid
            with other.begin() as admin:
                admin.execute(text(f"SELECT pg_terminate_backend({pid})"))

    other = Ledger(new_postgres).database.engine
    ledger.database.lasting(
        lambda: ledger.releases.end_step(release.id, "build", StepState.DONE, actor="gare")
    )
    assert ended
    assert kinds(ledger) == ["step started", "step done"]
    other.dispose()
    ledger.close()


def test_a_step_that_met_a_ledger_that_was_away_has_not_failed(sqlite_ledger, release, story):
    steps = story.make_plan().steps[:2]
    for step, error in zip(steps, (LedgerAway("gone"), Unavailable("no host")), strict=True):
        sqlite_ledger.releases.begin_step(release.id, step.id, actor="gare")
        _note_failure(sqlite_ledger, release.id, step, error)
    states = sqlite_ledger.releases.step_states(release.id)
    assert [states[step.id] for step in steps] == [StepState.RUNNING, StepState.FAILED]
