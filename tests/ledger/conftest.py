"""Ledgers on SQLite and on a real PostgreSQL server, made for the session in a folder of its own."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from postgres_server import PostgresServer
from sqlalchemy import create_engine, text

from gare.ledger.ledger import Ledger


@pytest.fixture
def new_postgres(postgres: PostgresServer) -> Iterator[str]:
    """Return the address of an empty database."""
    new_postgres.count = getattr(new_postgres, "count", 0) + 1
    name = f"t{os.getpid()}_{new_postgres.count}"
    engine = create_engine(postgres.address(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield postgres.address(name)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a new ledger on each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'ledger.db'}"
    found: str = request.getfixturevalue("new_postgres")
    return found


@pytest.fixture
def clock(story: ModuleType):
    return story.Clock()


@pytest.fixture
def ledger(url: str, clock) -> Iterator[Ledger]:
    made = Ledger(url, clock=clock)
    yield made
    made.close()


@pytest.fixture
def sqlite_ledger(tmp_path: Path, clock) -> Iterator[Ledger]:
    """A ledger where the kind of database does not matter."""
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock)
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture(scope="module")
def told(story, tmp_path_factory):
    """A ledger with one whole release, its store, and its bundle."""
    folder = tmp_path_factory.mktemp("told")
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", clock=story.Clock())
    (folder / "files").mkdir()
    release = story.tell(ledger, folder / "store", folder / "files")
    story.write_bundle(ledger, folder / "store", release.id, folder / "bundle.zip")
    yield ledger, folder / "store", folder / "bundle.zip"
    ledger.database.close()


@pytest.fixture
def bundle(told, tmp_path) -> Path:
    return Path(shutil.copy(told[2], tmp_path / "copy.zip"))
