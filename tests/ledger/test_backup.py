"""Backups of a station that works, restored: the record is whole, and nothing is done a second time."""

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import tarfile
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, make_url, select, update

from gare.connectors.artifacts import artifact_path
from gare.errors import ConfigError, Conflict, Refused
from gare.ledger import snapshot
from gare.ledger.audit import audit_ledger
from gare.ledger.backup import Place, write_backup
from gare.ledger.chain import broken
from gare.ledger.database import HEAD_REVISION, upgrade
from gare.ledger.effects import Absent, AsWanted, Different, Effect, Unknowable
from gare.ledger.ledger import Ledger
from gare.ledger.restore import check, mark, restore
from gare.ledger.restored import is_doubtful, refuse_doubtful, send_again
from gare.ledger.schema import effects, holders, leases, locks
from gare.station_state import Process, Record, StateFolder, hold, write_record

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


class Station:
    """A station's state folder and what is done with it here."""

    def __init__(self, root: Path) -> None:
        self.place = Place(root / ".gare", root / ".gare" / "ledger.db")
        self.out = root / "station.backup"

    @property
    def state(self) -> Path:
        return self.place.state

    @property
    def store(self) -> Path:
        return self.state / "store"

    def open(self, **options) -> Ledger:
        return Ledger(f"sqlite:///{self.place.ledger}", **options)

    def backup(self, **options):
        return write_backup(self.place, self.out, made_at=NOW, **options)

    def restore(self, **options):
        return restore(self.out, self.place, **options)


@pytest.fixture
def station(tmp_path):
    return Station(tmp_path / "one")


@pytest.fixture
def other(tmp_path):
    return Station(tmp_path / "two")


@pytest.fixture
def told(station, story, tmp_path, clock):
    """A station with a whole release, a key and a log."""
    station.state.mkdir(parents=True)
    (tmp_path / "made").mkdir()
    ledger = station.open(clock=clock)
    story.tell(ledger, station.store, tmp_path / "made")
    ledger.database.close()
    (station.state / "keys").mkdir(mode=0o700)
    (station.state / "keys" / "1.pem").write_text("private")
    (station.state / "logs" / "R-1").mkdir(parents=True)
    (station.state / "logs" / "R-1" / "build-1-1.log").write_text("made\n")
    (station.state / "logs" / "server.log").write_text("the engine's own\n")
    (station.state / "prefect").mkdir()
    (station.state / "prefect" / "prefect.db").write_text("the engine's")
    return station


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.relative_to(folder).as_posix(): (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def sound(ledger: Ledger, *streams: str) -> bool:
    return all(
        ledger.database.events(stream)
        and not list(broken(ledger.database.events(stream), ledger.database.head(stream)))
        for stream in streams
    )


def move(one: Station, other: Station) -> None:
    """Take the backup to another machine."""
    other.out.parent.mkdir(parents=True, exist_ok=True)
    other.out.write_bytes(one.out.read_bytes())


def test_a_station_restored_on_another_machine_holds_all_that_was_recorded(told, other):
    made = told.backup()
    assert made.absent == []
    assert stat.S_IMODE(told.out.stat().st_mode) == 0o600
    move(told, other)
    done = other.restore()
    assert (done.aside, done.open_releases) == (None, ())
    before, after = told.open(), other.open()
    assert after.releases.get("R-1") == before.releases.get("R-1")
    assert after.database.events("R-1") == before.database.events("R-1")
    restored = after.database.events("station")[-1]
    assert (restored.kind, restored.actor) == ("station restored", "command line")
    assert json.loads(restored.body) == {
        "backup_made_at": NOW.isoformat(), "made_by": "0.1.0", "events": made.facts.events,
        "heads": f"sha256:{made.facts.heads}",
    }  # fmt: skip
    assert sound(after, "R-1", "station")
    assert audit_ledger(after.database).problems == []
    before.database.close()
    after.database.close()
    kept = {name: found for name, found in files(told.state).items() if name.startswith("store/")}
    assert kept
    assert {n: f for n, f in files(other.state).items() if n.startswith("store/")} == kept
    assert (other.state / "logs/R-1/build-1-1.log").read_text() == "made\n"
    assert files(other.state)["keys/1.pem"] == (0o600, b"private")
    assert not (other.state / "prefect").exists()
    assert not (other.state / "logs" / "server.log").exists()


def test_anybody_can_read_it_with_tar_and_sha256sum(told, tmp_path):
    told.backup()
    subprocess.run(["tar", "xf", told.out, "-C", tmp_path], check=True)
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=tmp_path, check=True)
    index = json.loads((tmp_path / "index.json").read_text())
    assert (index["format"], index["ledger"]["revision"]) == (1, HEAD_REVISION)
    ledger = told.open()
    with ledger.database.read() as connection:
        heads = connection.exec_driver_sql("SELECT head, seq, stream FROM streams ORDER BY stream")
        wanted = "".join(f"{head} {seq} {stream}\n" for head, seq, stream in heads)
    ledger.database.close()
    assert (tmp_path / "heads.txt").read_text() == wanted


def test_the_same_station_gives_the_same_bytes(told):
    one = told.backup().sha256
    assert told.backup(may_replace=True).sha256 == one


def test_a_backup_while_threads_write_restores_to_whole_chains(station, other, story):
    ledger = station.open()
    release, _ = story.open_release(ledger)
    stop = threading.Event()
    begun = threading.Barrier(5, timeout=20)

    def write(name: str) -> None:
        number = 0
        while not stop.is_set():
            ledger.note(release.id, "note", name, {"number": number, "text": "x" * 500})
            number += 1
            if number == 3:
                begun.wait()

    threads = [threading.Thread(target=write, args=(f"thread {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    begun.wait()
    try:
        made = [station.backup(may_replace=True).facts.events for _ in range(3)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert made == sorted(made)
    move(station, other)
    other.restore()
    restored = other.open()
    events = restored.database.events(release.id)
    # One more: the mark of the restore, since the release was open.
    assert len(events) == made[-1] + 1
    assert events[:-1] == ledger.database.events(release.id)[: made[-1]]
    assert sound(restored, release.id, "station")
    restored.database.close()
    ledger.database.close()


def test_an_empty_station_is_backed_up_and_restored(station, other):
    station.open().database.close()
    assert station.backup().facts.events == 0
    move(station, other)
    assert other.restore().open_releases == ()
    again = other.open()
    assert [event.kind for event in again.database.events("station")] == ["station restored"]
    again.database.close()


def test_without_a_ledger_there_is_nothing_to_back_up(station):
    station.state.mkdir(parents=True)
    with pytest.raises(ConfigError) as caught:
        station.backup()
    assert caught.value.what == "There is no ledger here yet, so there is nothing to back up."
    assert list(station.out.parent.iterdir()) == [station.state]


def test_files_of_the_store_that_are_missing_or_changed_are_named(told, other):
    stored = sorted(path for path in told.store.rglob("*") if path.is_file())
    gone, changed = stored[0], stored[1]
    gone.unlink()
    changed.chmod(0o644)
    changed.write_text("something else")
    made = told.backup()
    assert {Path(item.name).name for item in made.absent} == {gone.name, changed.name}
    whys = {Path(item.name).name: item.why for item in made.absent}
    assert whys[gone.name].startswith("it is not in the store (R-1: ")
    assert whys[changed.name].startswith("it was changed in the store: its sha256 is ")
    move(told, other)
    assert other.restore().index.absent == 2
    assert len([path for path in other.store.rglob("*") if path.is_file()]) == len(stored) - 2


def test_what_is_there_is_not_replaced_unless_asked_and_then_moved_aside(told):
    told.backup()
    before = files(told.state)
    with pytest.raises(Refused) as caught:
        told.backup()
    assert caught.value.what == "There is something of this name already."
    with pytest.raises(Refused) as caught:
        told.restore()
    assert caught.value.what == "There is a ledger here already."
    after = files(told.state)
    after.pop("station.lock")
    assert after == before
    done = told.restore(may_replace=True)
    assert done.aside == told.state / "before-restore-1"
    aside = files(done.aside)
    assert aside == before
    assert not (told.state / "prefect").exists()
    assert not list(told.state.glob(".restore-*"))
    assert not StateFolder(told.state).unfinished.exists()


def test_a_station_restored_twice_goes_on_from_the_backup_each_time(told):
    told.backup()
    told.restore(may_replace=True)
    ledger = told.open()
    ledger.note("R-1", "note", "gare", {"text": "after the first restore"})
    ledger.database.close()
    assert told.restore(may_replace=True).aside == told.state / "before-restore-2"
    ledger = told.open()
    kinds = [event.kind for event in ledger.database.events("station")]
    assert kinds.count("station restored") == 1
    assert "note" not in [event.kind for event in ledger.database.events("R-1")]
    ledger.database.close()
    told.backup(may_replace=True)
    told.restore(may_replace=True)
    ledger = told.open()
    kinds = [event.kind for event in ledger.database.events("station")]
    assert kinds.count("station restored") == 2
    assert sound(ledger, "R-1", "station")
    ledger.database.close()


def test_a_station_that_is_up_is_left_alone(told):
    told.backup()
    with hold(StateFolder(told.state)), pytest.raises(Refused) as caught:
        told.restore(may_replace=True)
    assert caught.value.hint == "`gare down` first, then restore. Nothing was changed."


def test_a_station_that_was_killed_is_ended_first(told):
    told.backup()
    write_record(StateFolder(told.state), Record(Process("supervisor", 1, 0.0)))
    with pytest.raises(Refused) as caught:
        told.restore(may_replace=True)
    assert caught.value.what == "A station was killed here, and something of it may still run."


def test_a_restore_cut_short_is_said_at_the_next_start_and_run_again(told, monkeypatch):
    from gare.ledger import restore as module

    told.backup()
    before = told.place.ledger.read_bytes()

    class Killed(BaseException):
        pass

    real = module._move

    def killed(path, target):
        if target == told.place.ledger:
            raise Killed
        real(path, target)

    monkeypatch.setattr(module, "_move", killed)
    with pytest.raises(Killed):
        told.restore(may_replace=True)
    monkeypatch.undo()
    with pytest.raises(ConfigError) as caught:
        StateFolder(told.state).prepare()
    assert caught.value.what == (
        "A restore of this station was cut short: its ledger may not be there."
    )
    assert (told.state / "before-restore-1" / "ledger.db").read_bytes() == before
    told.restore(may_replace=True)
    StateFolder(told.state).prepare()
    ledger = told.open()
    assert ledger.releases.get("R-1").is_closed
    ledger.database.close()


def test_what_dead_processes_held_is_free_and_old_processes_stay_fenced(station, story):
    ledger = station.open()
    release, _ = story.open_release(ledger)
    with ledger.database.write() as connection:
        connection.execute(
            insert(holders).values(name="host:1:2:ab", until="2999-01-01T00:00:00.000000+00:00")
        )
        connection.execute(insert(leases).values(name="reconciler", holder="host:1:2:ab", fence=7))
        connection.execute(
            insert(locks).values(
                project="shop", environment="production", release=1, priority=0, asked_at="2026", granted_at="2026",
                until="2999",
            )
        )  # fmt: skip
    ledger.effects.perform(release.id, "publish", Effect("tag", {}, Absent, dict))
    with ledger.database.write() as connection:
        connection.execute(update(effects).values(claimed_by="host:1:2:ab"))
    ledger.leases.leave()
    ledger.database.close()
    station.backup()
    station.restore(may_replace=True)
    ledger = station.open()
    with ledger.database.read() as connection:
        assert connection.execute(select(holders)).all() == []
        [lease] = connection.execute(select(leases))
        [lock] = connection.execute(select(locks))
        assert connection.execute(select(effects.c.claimed_by)).scalars().all() == [None]
    assert (lease.holder, lease.fence > 1000) == ("", True)
    assert (lock.asked_at, lock.granted_at, lock.until) == ("2026", None, None)
    assert ledger.leases.take("reconciler") == lease.fence + 1
    ledger.leases.leave()
    ledger.database.close()


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=E", "-c", "user.email=e@example.org", *words],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_a_tag_made_after_the_backup_is_adopted_not_made_again(station, story, tmp_path):
    """The release publishes after the backup; the restored one comes to the same step and finds the tag."""
    repository = tmp_path / "shop"
    repository.mkdir()
    git(repository, "init", "-q", "-b", "main")
    git(repository, "commit", "-q", "--allow-empty", "-m", "feat: first")
    commit = git(repository, "rev-parse", "HEAD")
    made = []

    def look():
        found = git(repository, "tag", "--list", "--format=%(*objectname) %(contents)", "v1.4.0")
        if not found:
            return Absent()
        wanted = found.startswith(f"{commit} ") and "Gare-Release: R-1" in found
        return AsWanted({"tag": "v1.4.0"}) if wanted else Different(found)

    def act():
        made.append("v1.4.0")
        git(repository, "tag", "-a", "v1.4.0", "-m", "1.4.0\n\nGare-Release: R-1", commit)
        return {"tag": "v1.4.0"}

    effect = Effect("tag v1.4.0", {"commit": commit}, look, act)
    ledger = station.open()
    release, _ = story.open_release(ledger)
    station.backup()
    ledger.effects.perform(release.id, "publish", effect)
    ledger.leases.leave()
    ledger.database.close()
    tagged = git(repository, "rev-parse", "v1.4.0")

    assert station.restore(may_replace=True).open_releases == ("R-1",)
    ledger = station.open()
    assert ledger.effects.of("R-1") == []
    assert ledger.effects.perform("R-1", "publish", effect) == {"tag": "v1.4.0"}
    assert ledger.effects.of("R-1")[0].is_adopted
    assert made == ["v1.4.0"]
    assert git(repository, "rev-parse", "v1.4.0") == tagged
    ledger.leases.leave()
    ledger.database.close()


def doubt(ledger: Ledger, release: str, target: str = "mail team") -> bool:
    with ledger.database.read() as connection:
        return is_doubtful(connection, release, "announce", target)


def test_a_mail_is_doubtful_in_releases_that_were_open_in_the_backup(station, story):
    ledger = station.open()
    story.open_release(ledger)
    assert not doubt(ledger, "R-1")
    ledger.database.close()
    station.backup()
    station.restore(may_replace=True)
    ledger = station.open()
    assert doubt(ledger, "R-1")
    later, _ = story.open_release(
        ledger, story.make_plan(project="other"), run="22222222-2222-3333-4444-555555555555"
    )
    assert not doubt(ledger, later.id)
    with pytest.raises(Conflict) as caught:
        refuse_doubtful(ledger.database, "R-1", "announce", "mail team")
    assert str(caught.value) == (
        "mail team may have been done after the backup was made from which this station was restored; nobody can "
        "tell, and it is not repeated. (R-1, step announce) Ask there. It has arrived: "
        "`gare done R-1 announce --comment …`. It has not: `gare done R-1 announce --again --comment …`."
    )
    ledger.database.close()


def test_a_person_who_says_that_it_was_not_sent_lets_it_be_sent(station, story):
    ledger = station.open()
    story.open_release(ledger)
    ledger.database.close()
    station.backup()
    station.restore(may_replace=True)
    ledger = station.open()
    for place in ("mail team", "mail boss"):
        ledger.effects._intend("R-1", "announce", Effect(place, {}, Unknowable, dict), "gare")
    said = send_again(ledger.database, "R-1", "announce", person="alice", comment="I asked")
    assert said == ["mail boss", "mail team"]
    assert ledger.effects.of("R-1") == []
    assert not doubt(ledger, "R-1")
    assert doubt(ledger, "R-1", "mail everybody")
    last = ledger.database.events("R-1")[-1]
    assert (last.kind, last.actor) == ("effect withdrawn", "alice")
    assert json.loads(last.body)["error"] == "not done, says alice: I asked"
    ledger.leases.leave()
    ledger.database.close()


def test_a_backup_of_an_older_gare_is_brought_to_the_form_of_this_one(station, other):
    station.state.mkdir(parents=True)
    engine = create_engine(f"sqlite:///{station.place.ledger}")
    with engine.begin() as connection:
        upgrade(connection, "0001")
    engine.dispose()
    assert station.backup().facts.revision == "0001"
    assert snapshot.examine(station.place.ledger, "").revision == "0001"
    move(station, other)
    other.restore()
    assert snapshot.examine(other.place.ledger, "").revision == HEAD_REVISION


def test_a_broken_chain_or_page_is_said_when_the_backup_is_made(told):
    with sqlite3.connect(told.place.ledger) as connection:
        connection.execute("UPDATE events SET body = '{}' WHERE stream = 'R-1' AND seq = 3")
    connection.close()
    with pytest.raises(ConfigError) as caught:
        told.backup()
    assert caught.value.what == (
        "The ledger is not sound: event 3 of R-1 (step done): its content does not match its digest."
    )
    assert not told.out.exists()
    assert not list(told.out.parent.glob(".*.tmp"))


def test_a_backup_into_a_folder_that_is_not_there_leaves_nothing(told, tmp_path):
    with pytest.raises(ConfigError) as caught:
        write_backup(told.place, tmp_path / "no" / "x.backup", made_at=NOW)
    assert caught.value.what == "The backup cannot be written: No such file or directory."


def test_a_ledger_held_by_one_process_alone_is_not_waited_for_without_end(told, monkeypatch):
    monkeypatch.setattr(snapshot, "_BUSY_S", 0)
    holder = sqlite3.connect(told.place.ledger, isolation_level=None)
    holder.execute("PRAGMA locking_mode=EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Exception, match="cannot be copied now: database is locked"):
        told.backup()
    holder.close()
    assert not told.out.exists()


def test_a_check_changes_nothing(told, tmp_path):
    told.backup()
    before = files(told.state)
    (tmp_path / "scratch").mkdir()
    assert check(told.out, tmp_path / "scratch").made_at == NOW.isoformat()
    assert files(told.state) == before


def test_members_are_plain_and_in_order(told):
    told.backup()
    with tarfile.open(told.out) as tar:
        found = tar.getmembers()
    names = [member.name for member in found]
    assert names[-3:] == ["absent.jsonl", "index.json", "SHA256SUMS"]
    assert names[:-3] == sorted(names[:-3])
    assert all(member.isreg() and member.mtime == member.uid == 0 for member in found)


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
def test_links_and_odd_names_are_not_followed(told, tmp_path):
    (tmp_path / "secret").write_text("of somebody else")
    (told.state / "keys" / "stolen").symlink_to(tmp_path / "secret")
    (told.state / "logs" / "R-1" / "stolen.log").symlink_to(tmp_path / "secret")
    (told.state / "logs" / "R-1" / "a name.log").write_text("spaces")
    made = told.backup()
    assert [(item.name, item.why) for item in made.absent] == [
        ("logs/R-1/a name.log", "its name cannot be in a backup")
    ]
    with tarfile.open(told.out) as tar:
        assert not [name for name in tar.getnames() if "stolen" in name]


@pytest.mark.skipif(
    shutil.which("pg_dump") is None, reason="PostgreSQL's client tools are not installed"
)
def test_a_ledger_on_postgresql_comes_back_with_its_own_tools(
    new_postgres, postgres, story, tmp_path
):
    """As docs/how-to/backup.md says: pg_dump, pg_restore, `gare restore --mark`."""
    state = tmp_path / "state"
    (state / "prefect").mkdir(parents=True)
    (state / "prefect" / "prefect.db").write_text("the engine's, newer than the dump")
    ledger = Ledger(new_postgres)
    story.open_release(ledger)
    where = ["-h", postgres.folder, "-U", "gare", "-d", make_url(new_postgres).database]
    subprocess.run(["pg_dump", "-Fc", "-f", tmp_path / "ledger.dump", *where], check=True)
    ledger.note("R-1", "note", "gare", {"text": "after the dump"})
    ledger.database.close()
    subprocess.run(
        ["pg_restore", "--clean", "--if-exists", "--single-transaction", *where, tmp_path / "ledger.dump"], check=True
    )  # fmt: skip
    ledger = Ledger(new_postgres)
    newest = ledger.database.events("R-1")[-1].at
    done = mark(ledger.database, state, made_at=None, actor="command line")
    assert (done.index.made_at, done.open_releases) == (newest, ("R-1",))
    assert done.aside == state / "before-restore-1"
    assert (done.aside / "prefect" / "prefect.db").exists()
    assert [event.kind for event in ledger.database.events("R-1")][1:] == ["station restored"]
    assert doubt(ledger, "R-1")
    assert sound(ledger, "R-1", "station")
    ledger.database.close()


def test_an_artifact_can_be_read_after_the_restore(told, other):
    told.backup()
    move(told, other)
    other.restore()
    for path in told.store.rglob("*"):
        if path.is_file():
            assert artifact_path(other.store, path.name).read_bytes() == path.read_bytes()


def test_a_mail_that_may_have_been_sent_after_the_backup_is_not_sent_again(station, story):
    sent = []

    def send():
        sent.append("mail")
        return {"message_id": "1"}

    mail = Effect("mail team", {"subject": "1.4.0"}, Unknowable, send)
    ledger = station.open()
    story.open_release(ledger)
    station.backup()
    ledger.effects.perform("R-1", "announce", mail)
    ledger.leases.leave()
    ledger.database.close()
    station.restore(may_replace=True)
    ledger = station.open()
    try:
        for _ in range(2):
            with pytest.raises(Conflict):
                ledger.effects.perform("R-1", "announce", mail)
        assert sent == ["mail"]
        send_again(ledger.database, "R-1", "announce", person="alice", comment="I asked")
        assert ledger.effects.perform("R-1", "announce", mail) == {"message_id": "1"}
        assert sent == ["mail", "mail"]
    finally:
        ledger.leases.leave()
        ledger.database.close()
