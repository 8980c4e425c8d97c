"""Ledgers and folders that a station cannot start with: one clear error, the right class, nothing changed."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from gare.errors import ConfigError, Unavailable
from gare.ledger.chain import broken
from gare.ledger.database import FORMS, HEAD_REVISION, Database, revision, upgrade
from gare.ledger.ledger import Ledger

PER_FORM = sorted(FORMS)

KILLED_EVERYWHERE = """
import os, signal, sys
from sqlalchemy import event
from gare.ledger import database as module
url, begin_from, count = sys.argv[1], sys.argv[2], 0

def fresh():
    engine = module._engine(url)
    with engine.begin() as connection:
        module.upgrade(connection, begin_from)
    engine.dispose()

def migrate_and_die(at):
    engine, seen = module._engine(url), [0]
    @event.listens_for(engine, "after_cursor_execute")
    def count(connection, cursor, statement, *rest):
        if statement.lstrip().upper().startswith(("CREATE", "ALTER", "INSERT", "UPDATE")):
            seen[0] += 1
            if seen[0] == at:
                os.kill(os.getpid(), signal.SIGKILL)
    module.migrate(engine)
    os._exit(0)

if begin_from != "base":
    fresh()
import alembic.command, alembic.config  # imported once, not in every child
at = 0
while True:
    at += 1
    child = os.fork()
    if child == 0:
        migrate_and_die(at)
    status = os.waitpid(child, 0)[1]
    if status == 0:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL, status
    engine = module._engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        found, ours = module.revision(connection), module.inspect(connection).get_table_names()
    engine.dispose()
    assert (found or "base") == begin_from, (at, found)
    assert set(ours) - {"alembic_version"} == module.FORMS.get(found, set()), (at, ours)
print(at - 1)
"""


def make(url: str, to: str) -> None:
    """Make a ledger of an older form."""
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(exist_ok=True)
    engine = create_engine(url)
    with engine.begin() as connection:
        upgrade(connection, to)
    engine.dispose()


def run_sql(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.mark.parametrize("form", PER_FORM)
def test_the_tables_of_each_form_are_what_its_migration_makes(form):
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        upgrade(connection, form)
        assert set(inspect(connection).get_table_names()) - {"alembic_version"} == FORMS[form]
    assert PER_FORM[-1] == HEAD_REVISION


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked children")
@pytest.mark.parametrize("begin_from", ["base", "0001"])
def test_a_migration_killed_after_any_of_its_statements_has_changed_nothing(url, begin_from):
    """SIGKILL after each CREATE, ALTER, INSERT and UPDATE in turn; the last try, not killed, is a whole ledger."""
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", KILLED_EVERYWHERE, url, begin_from], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) >= 8
    database = Database(url)
    with database.read() as connection:
        assert revision(connection) == HEAD_REVISION
    database.close()


def test_a_ledger_migrated_by_half_is_refused_and_left_alone(url):
    """As a restore by hand leaves it: form 0001 with a table of 0002."""
    make(url, "0001")
    run_sql(url, "CREATE TABLE holders (name VARCHAR(127) PRIMARY KEY)")
    with pytest.raises(ConfigError) as caught:
        Database(url)
    assert (
        caught.value.what
        == "The database holds tables that Gare did not finish or did not make: holders."
    )
    assert "Restore the ledger from a backup" in caught.value.hint
    engine = create_engine(url)
    with engine.connect() as connection:
        assert revision(connection) == "0001"
        assert "leases" not in inspect(connection).get_table_names()
    engine.dispose()


def test_a_ledger_that_lacks_tables_of_its_form_is_refused(url):
    Database(url).close()
    run_sql(url, "DROP TABLE locks", "DROP TABLE rescues")
    with pytest.raises(ConfigError) as caught:
        Database(url)
    assert caught.value.what == (
        f"The ledger says that it has form {HEAD_REVISION}, but tables of it are missing: locks, rescues."
    )


def test_a_folder_in_the_place_of_the_ledger_is_named(tmp_path):
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(ConfigError) as caught:
        Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    assert caught.value.what == "The ledger cannot be opened: a folder is in its place."
    assert list(tmp_path.iterdir()) == [tmp_path / "ledger.db"]


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "state").write_text("mine")
    with pytest.raises(ConfigError) as caught:
        Database(f"sqlite:///{tmp_path / 'state' / 'ledger.db'}")
    assert caught.value.what == "The ledger's folder cannot be made: File exists."
    assert (tmp_path / "state").read_text() == "mine"


def test_a_ledger_that_somebody_holds_at_the_start_is_told(tmp_path):
    file = tmp_path / "ledger.db"
    make(f"sqlite:///{file}", "0001")
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable) as caught:
        Database(f"sqlite:///{file}?timeout=0.1")
    assert caught.value.what == "The ledger cannot be used now: database is locked."
    holder.execute("ROLLBACK")
    holder.close()
    Database(f"sqlite:///{file}").close()


FULL = """
import errno, os, resource, signal, sys
from gare.errors import GareError
from gare.ledger.ledger import Ledger
# A file that may not grow past a limit stands for a disk that is full: the same answers from write().
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
url, phase = sys.argv[1], sys.argv[2]
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

def fill(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

def told(call):
    try:
        call()
        return "went well"
    except GareError as error:
        return f"{type(error).__name__} {error.retryable} {error.what} {error.hint}"

if phase == "start":
    fill(1024)
    print(told(lambda: Ledger(url)))
    fill(hard)
    print(told(lambda: Ledger(url)))
else:
    ledger = Ledger(url)
    before = ledger.database.events("R-1")
    fill(400_000)
    ends = set()
    for number in range(400):
        ends.add(told(lambda: ledger.note("R-1", "note", "gare", {"text": "x" * 1000, "number": number})))
    events = ledger.database.events("R-1")
    print(len(ends), sorted(ends)[0])
    fill(hard)
    ledger.note("R-1", "note", "gare", {"text": "there is room again"})
    print(ledger.database.events("R-1")[-1].seq == len(events) + 1)
"""


def full_disk(url: str, phase: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", FULL, url, phase], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_a_full_disk_at_the_start_is_told_and_the_next_start_goes_well(tmp_path):
    first, second = full_disk(f"sqlite:///{tmp_path / 'ledger.db'}", "start")
    assert first.startswith("LedgerAway True The ledger cannot be used now: ")
    assert "writable and has room; nothing was changed." in first
    assert second == "went well"


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_a_disk_that_gets_full_under_a_release_loses_nothing_and_goes_on_with_room(tmp_path, story):
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    ledger = Ledger(url)
    story.open_release(ledger)
    ledger.database.close()
    ends, goes_on = full_disk(url, "run")
    assert ends.startswith("2 LedgerAway True The ledger cannot be used now: ")
    assert "has room; nothing was changed." in ends
    assert goes_on == "True"
    ledger = Ledger(url)
    events = ledger.database.events("R-1")
    assert list(broken(events, ledger.database.head("R-1"))) == []
    written = [event for event in events if event.kind == "note"]
    assert 0 < len(written) < 400
    ledger.database.close()


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 400 kB; where one may be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk; the limit on files stands for it above")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no disk can be mounted here: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_real_disk_that_is_full_is_told_and_room_mends_it(small_disk, story):
    (small_disk / "ballast").write_bytes(bytes(300_000))
    url = f"sqlite:///{small_disk / 'ledger.db'}"
    with pytest.raises(Unavailable) as caught:
        Ledger(url)
    assert "has room; nothing was changed." in caught.value.hint
    (small_disk / "ballast").unlink()
    ledger = Ledger(url)
    release, _ = story.open_release(ledger)

    def write_until_it_is_full():
        for number in range(1000):
            ledger.note(release.id, "note", "gare", {"text": "x" * 1000, "number": number})

    with pytest.raises(Unavailable):
        write_until_it_is_full()
    events = ledger.database.events(release.id)
    assert list(broken(events, ledger.database.head(release.id))) == []
    ledger.database.close()
