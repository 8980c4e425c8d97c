"""Ledgers on SQLite and on a real PostgreSQL server, made for the session in a folder of its own."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from gare.ledger.ledger import Ledger


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Return the folder of a PostgreSQL server's socket; the server ends with the session."""
    missing = [name for name in ("initdb", "postgres") if shutil.which(name) is None]
    if missing:
        why = f"PostgreSQL is not installed: {', '.join(missing)} not on PATH"
        if os.environ.get("CI"):
            pytest.fail(why + "; in CI the ledger must be tested on it")
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="gare-pg-"))
    # PostgreSQL refuses to run as root.
    user = {}
    if os.name != "nt" and os.geteuid() == 0:
        import pwd

        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    data = folder / "data"
    quiet = {"stdin": subprocess.DEVNULL, "cwd": folder, **user}
    try:
        subprocess.run(
            ["initdb", "-D", data, "-U", "gare", "-A", "trust", "-N", "-E", "UTF8", "--no-instructions"],
            check=True, capture_output=True, **quiet,
        )  # fmt: skip
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                ["postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off",
                 "-c", "full_page_writes=off", "-c", "shared_buffers=16MB", "-c", "max_connections=60"],
                stdout=log, stderr=log, **quiet,
            )  # fmt: skip
        try:
            _wait_until_up(folder, server)
            yield str(folder)
        finally:
            server.send_signal(2)  # SIGINT: fast shutdown
            server.wait(timeout=20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_up(folder: Path, server: subprocess.Popen[bytes]) -> None:
    engine = create_engine(f"postgresql+psycopg://gare@/postgres?host={folder}")
    for _ in range(150):
        assert server.poll() is None, (folder / "log").read_text()
        try:
            engine.connect().close()
        except OperationalError:
            time.sleep(0.1)
        else:
            engine.dispose()
            return
    pytest.fail((folder / "log").read_text())


@pytest.fixture
def new_postgres(postgres: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of an empty database."""
    new_postgres.count = getattr(new_postgres, "count", 0) + 1
    name = f"t{os.getpid()}_{new_postgres.count}"
    engine = create_engine(
        f"postgresql+psycopg://gare@/postgres?host={postgres}", isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield f"postgresql+psycopg://gare@/{name}?host={postgres}"
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
    made.database.close()


@pytest.fixture
def sqlite_ledger(tmp_path: Path, clock) -> Iterator[Ledger]:
    """A ledger where the kind of database does not matter."""
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock)
    yield made
    made.database.close()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"
