"""A new station's Prefect database, prepared once for an installation: migrating an empty one takes 6 of 9 seconds.

`python -m deployments.seed` makes it beside the packages, when Gare is installed. A station without one
works just as well and starts later. The server migrates what it gets, so an old seed does no harm.
"""

import asyncio
import os
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from deployments.launch import without_slow_import
from gare.station_state import StateFolder

_NAME = "prefect.db"


def seed_file() -> Path:
    """Return where the prepared database is, or would be, for the Prefect of this environment."""
    return Path(sys.prefix) / "share" / "gare" / f"prefect-{version('prefect')}.db"


def plant(folder: StateFolder) -> bool:
    """Give a station that has no Prefect database yet the prepared one; tell whether that was done."""
    seed, database = seed_file(), folder.prefect / _NAME
    if database.exists() or not seed.exists():
        return False
    temporary = database.with_suffix(".tmp")
    try:
        shutil.copyfile(seed, temporary)
        temporary.replace(database)
    except OSError:
        temporary.unlink(missing_ok=True)
        return False
    return True


def make() -> Path:
    """Make the prepared database: Prefect's own migrations on an empty file, and nothing else in it."""
    target = seed_file()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as home:
        for name in [name for name in os.environ if name.startswith("PREFECT_")]:
            del os.environ[name]  # a user's own Prefect must not be migrated by this
        os.environ["PREFECT_HOME"] = home
        with without_slow_import():
            asyncio.run(_migrate())
        database = Path(home) / _NAME
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA journal_mode=DELETE")
        database.replace(target)
    return target


async def _migrate() -> None:
    from prefect.server.database import provide_database_interface

    database = provide_database_interface()
    await database.create_db()
    await (await database.engine()).dispose()


if __name__ == "__main__":
    if not seed_file().exists():
        make()
