"""What tests of several folders share: the modules of tests/shared, and the story of a release."""

import importlib.util
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

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
