"""Opening, migrating and refusing a ledger's database."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event, inspect, text

import gare.ledger
from gare.errors import ConfigError, Refused, Unavailable
from gare.ledger.chain import broken
from gare.ledger.database import HEAD_REVISION, Database, revision
from gare.ledger.ledger import Ledger
from gare.ledger.schema import metadata

APPEND = """
import sys
from gare.ledger.database import Database
database = Database(sys.argv[1])
for turn in range(int(sys.argv[3])):
    with database.write() as connection:
        database.append(connection, "R-1", "turn", sys.argv[2], {"turn": turn})
"""


def test_a_ledger_opened_again_holds_what_was_written(url, ledger, story):
    release, _ = story.open_release(ledger)
    ledger.database.close()
    again = Ledger(url)
    assert again.releases.get("R-1") == release
    again.database.close()


def test_the_schema_is_what_the_migrations_make(url):
    database = Database(url)
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.close()


def test_the_newest_migration_is_the_one_this_gare_knows():
    config = Config()
    config.set_main_option("script_location", str(Path(gare.ledger.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD_REVISION


def test_a_ledger_of_a_newer_gare_is_refused_and_not_changed(url):
    Database(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9000'"))
        connection.execute(text("ALTER TABLE votes ADD COLUMN of_the_future TEXT"))
    with pytest.raises(ConfigError) as caught:
        Database(url)
    assert (
        caught.value.what
        == f"The ledger has form 9000, made by a newer Gare; this one knows {HEAD_REVISION}."
    )
    assert caught.value.hint == "Install that Gare again; nothing was changed."
    with engine.connect() as connection:
        assert revision(connection) == "9000"
    engine.dispose()


def test_a_migration_that_breaks_off_leaves_nothing(url):
    """A database whose tables came from elsewhere: refused before anything is made."""
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE votes (id INTEGER)"))
    with pytest.raises(ConfigError) as caught:
        Database(url)
    assert (
        caught.value.what
        == "The database holds tables that Gare did not finish or did not make: votes."
    )
    assert inspect(engine).get_table_names() == ["votes"]
    engine.dispose()


def test_a_migration_killed_in_the_middle_is_done_again(url, monkeypatch):
    from gare.ledger import database as module

    real = module._upgrade

    def killed(connection):
        real(connection)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_upgrade", killed)
    with pytest.raises(KeyboardInterrupt):
        Database(url)
    monkeypatch.undo()
    database = Database(url)
    with database.read() as connection:
        assert revision(connection) == HEAD_REVISION
    database.close()


def test_events_appended_by_several_processes_are_one_chain(url):
    """Nobody has opened the ledger before: they race for the migration and for the stream's first event too."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", APPEND, url, f"worker {n}", "20"], stderr=subprocess.PIPE
        )
        for n in range(3)
    ]
    assert [(worker.communicate()[1], worker.returncode) for worker in workers] == [(b"", 0)] * 3
    database = Database(url)
    events = database.events("R-1")
    assert len(events) == 60
    assert list(broken(events, database.head("R-1"))) == []
    assert {event.actor for event in events} == {f"worker {n}" for n in range(3)}
    database.close()


def test_an_exception_undoes_the_row_and_its_event(ledger, story):
    story.open_release(ledger)
    before = ledger.database.events("R-1")

    def fail_half_way():
        with ledger.database.write() as connection:
            ledger.database.append(connection, "R-1", "something", "gare", {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert ledger.database.events("R-1") == before


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("nonsense", "The ledger's address is not usable: Could not parse SQLAlchemy URL from given URL string"),
        ("mysql://host/name", "The ledger's address is not usable: mysql is neither SQLite nor PostgreSQL"),
        (
            "postgresql+nodriver://host/name",
            "The ledger's address is not usable: Can't load plugin: sqlalchemy.dialects:postgresql.nodriver",
        ),
    ],
)  # fmt: skip
def test_an_address_that_is_none_says_what_to_write(address, what):
    with pytest.raises(ConfigError) as caught:
        Database(address)
    assert caught.value.what == what
    assert caught.value.where == "station.yaml: ledger"
    assert (
        caught.value.hint
        == "Write `postgresql+psycopg://user@host/name`, or leave it out for SQLite."
    )


def test_a_server_that_is_not_there_can_be_tried_again_and_the_password_is_not_shown():
    with pytest.raises(Unavailable) as caught:
        Database("postgresql+psycopg://gare:secret@127.0.0.1:1/ledger")
    assert caught.value.where == "postgresql+psycopg://gare:***@127.0.0.1:1/ledger"
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    file = tmp_path / "ledger.db"
    file.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(ConfigError) as caught:
        Database(f"sqlite:///{file}")
    assert (
        caught.value.what == "The ledger is no database that can be read: file is not a database."
    )
    assert (
        caught.value.hint
        == "Restore it from a backup, or move the file away to begin a new ledger."
    )
    assert file.read_bytes() == b"this is no database at all" * 100


def test_a_database_with_broken_pages_is_told(tmp_path, story):
    file = tmp_path / "ledger.db"
    ledger = Ledger(f"sqlite:///{file}")
    release, _ = story.open_release(ledger)
    for step in range(200):
        ledger.note(release.id, "note", "gare", {"text": "x" * 200, "number": step})
    with ledger.database.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    ledger.database.close()
    data = bytearray(file.read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 100] = b"\xa5" * 100
    file.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        Ledger(f"sqlite:///{file}").database.events("R-1")
    assert (
        caught.value.what
        == "The ledger is no database that can be read: database disk image is malformed."
    )


def test_a_locked_database_says_so_instead_of_waiting_for_ever(tmp_path):
    file = tmp_path / "ledger.db"
    Database(f"sqlite:///{file}").close()
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    database = Database(f"sqlite:///{file}?timeout=0.1")
    with pytest.raises(Unavailable) as caught, database.write() as connection:
        database.append(connection, "R-1", "something", "gare", {})
    assert caught.value.what == "The ledger cannot be used now: database is locked."
    assert database.events("R-1") == []
    holder.close()
    database.close()


def test_a_postgresql_writer_that_never_ends_does_not_hold_the_others_for_ever(new_postgres):
    Database(new_postgres).close()
    holder, waiter = Database(new_postgres), Database(new_postgres)

    @event.listens_for(waiter.engine, "connect")
    def impatient(connection, _record):
        connection.execute("SET lock_timeout = '100ms'")
        connection.commit()

    waiter.engine.dispose()
    with holder.write(), pytest.raises(Unavailable) as caught, waiter.write():
        pass
    assert "lock timeout" in caught.value.what
    holder.close()
    waiter.close()


def test_a_postgresql_user_without_rights_is_told_to_get_them(new_postgres):
    Database(new_postgres).close()
    engine = create_engine(new_postgres, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("DROP ROLE IF EXISTS reader"))
        connection.execute(text("CREATE ROLE reader LOGIN"))
        connection.execute(text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"))
    try:
        database = Database(new_postgres.replace("gare@", "reader@"))
        assert database.events("R-1") == []
        with pytest.raises(ConfigError) as caught, database.write() as connection:
            database.append(connection, "R-1", "something", "gare", {})
        assert (
            caught.value.what
            == "The ledger's database does not let Gare write: permission denied for table events."
        )
        assert (
            caught.value.hint
            == "Grant its user all rights on the schema, or name the primary server."
        )
        database.close()
    finally:
        with engine.connect() as connection:
            connection.execute(text("DROP OWNED BY reader"))
            connection.execute(text("DROP ROLE reader"))
        engine.dispose()


AS_NOBODY = """
import os, sys
from gare.errors import GareError
from gare.ledger.ledger import Ledger
# All that is imported late is imported now: the interpreter's own folder may be closed to others.
Ledger("sqlite://").note("R-1", "something", "gare", {})
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    ledger = Ledger(sys.argv[1])
    print(len(ledger.database.events("R-1")))
    ledger.note("R-1", "something", "gare", {})
except GareError as error:
    print(type(error).__name__, error.what)
"""


def _as_somebody_else(url: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, url], capture_output=True, text=True, cwd=cwd, check=False
    )
    assert done.stderr == ""
    return done.stdout


def _open_up(folder):
    """Let somebody else reach the folder: pytest's own are private, and there are more of them side by side."""
    for place in (folder, *folder.parents):
        if place.stat().st_uid == os.geteuid() and place.name.startswith(
            ("pytest-", "popen-", folder.name)
        ):
            place.chmod(0o755)


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_ledger_in_a_folder_that_may_only_be_read_says_so(tmp_path_factory, story):
    folder = Path(os.path.realpath(tmp_path_factory.mktemp("readable")))
    _open_up(folder)
    url = f"sqlite:///{folder / 'ledger.db'}"
    ledger = Ledger(url)
    story.open_release(ledger)
    ledger.database.close()
    if os.geteuid() != 0:
        (folder / "ledger.db").chmod(0o444)
        folder.chmod(0o555)
    # SQLite's WAL needs a file beside the database, for readers too.
    said = _as_somebody_else(url, folder)
    assert said == (
        "ConfigError The ledger cannot be opened for writing: attempt to write a readonly database.\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_folder_that_cannot_be_made_is_named(tmp_path_factory):
    folder = Path(os.path.realpath(tmp_path_factory.mktemp("closed")))
    _open_up(folder)
    if os.geteuid() != 0:
        folder.chmod(0o555)
    said = _as_somebody_else(f"sqlite:///{folder / 'state' / 'ledger.db'}", folder)
    assert said == "ConfigError The ledger's folder cannot be made: Permission denied.\n"


def test_what_cannot_be_kept_as_text_is_replaced_never_lost(ledger, story):
    """Error messages quote what commands print: NUL and half characters too."""
    release, _ = story.open_release(ledger)
    ledger.releases.begin_step(release.id, "build", actor="gare")
    ledger.releases.end_step(
        release.id,
        "build",
        "failed",
        value={"said": "a\x00b\udcff"},
        error="bad \x00 byte \udcff",
        actor="gare",
    )
    assert ledger.releases.steps(release.id)["build"].error == "bad \ufffd byte \ufffd"
    assert list(broken(ledger.database.events("R-1"), ledger.database.head("R-1"))) == []


def test_a_value_that_postgresql_cannot_keep_is_refused(new_postgres, story):
    ledger = Ledger(new_postgres)
    release, _ = story.open_release(ledger)
    with pytest.raises(Refused) as caught:
        ledger.note(release.id, "x" * 64, "gare", {})
    assert (
        caught.value.what
        == "The ledger cannot keep this value: value too long for type character varying(63)."
    )
    ledger.database.close()
