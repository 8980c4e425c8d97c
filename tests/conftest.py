"""What tests of several folders share: the modules of tests/shared, and the story of a release."""

import importlib.util
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import Connection

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Run in the background of a script, where Ctrl-C is ignored; the commands under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

sys.path.append(str(Path(__file__).parent / "shared"))

from postgres_server import PostgresServer, missing, serving

pytest_plugins = ["contract_tally"]


_LONG = ("year", "demo", "crash", "flows")
"""Folders whose files take longest, for they mostly wait: begun first, so that none is left alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; what is one file stays together."""
    ranks = {folder: rank for rank, folder in enumerate(_LONG)}
    items.sort(key=lambda item: ranks.get(item.path.parent.name, len(ranks)))


@pytest.fixture(autouse=True)
def _own_station() -> Iterator[None]:
    """Forget after each test which station a command run in this process was told to use (`--station`)."""
    kept = os.environ.get("GARE_STATION")
    yield
    os.environ.pop("GARE_STATION", None)
    if kept is not None:
        os.environ["GARE_STATION"] = kept


@pytest.fixture(scope="session", autouse=True)
def _new_ledgers_in_no_time() -> Iterator[None]:
    """Make a new ledger from the text of the first: the migrations take 0.15 s each time, and are tested themselves.

    A ledger that exists is migrated as ever (tests/ledger/test_database.py).
    """
    from gare.ledger import database

    migrated, first = database._upgrade, list[str]()

    def upgrade(connection: Connection) -> None:
        raw = connection.connection.dbapi_connection
        if not isinstance(raw, sqlite3.Connection) or database.revision(connection):
            migrated(connection)
        elif first:
            for statement in first:
                raw.execute(statement)
        else:
            migrated(connection)
            around = ("BEGIN TRANSACTION;", "COMMIT;")
            first.extend(line for line in raw.iterdump() if line not in around)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_upgrade", upgrade)
        yield


def _load_story() -> ModuleType:
    name = "gare_tests_story"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, Path(__file__).parent / "ledger" / "story.py"
        )
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


_load_story()  # so that tests may import from it by that name


@pytest.fixture(scope="session")
def story() -> ModuleType:
    return _load_story()


@pytest.fixture
def database_server() -> Iterator[PostgresServer]:
    """Have a PostgreSQL server that a test may stop and start."""
    _need_postgres()
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Have one PostgreSQL server for all tests."""
    _need_postgres()
    with serving() as server:
        yield server


def _need_postgres() -> None:
    if (why := missing()) and os.environ.get("CI"):
        pytest.fail(why + "; in CI the ledger must be tested on it")
    elif why:
        pytest.skip(why)
