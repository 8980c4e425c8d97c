"""Finds station.yaml and reads what is needed to open the ledger, without the models of everything else in it."""

import os
from pathlib import Path

from gare.config.document import read_document
from gare.errors import ConfigError

STATION_FILE = "station.yaml"
PROJECT_FILE = "gare.yaml"
STATION_VARIABLE = "GARE_STATION"
STATE_FOLDER = ".gare"


def station_file(start: Path | None = None) -> Path:
    """Find station.yaml. Raises ConfigError that says where it was looked for."""
    named = os.environ.get(STATION_VARIABLE, "") if start is None else ""
    if named:
        return _named_file(Path(named).expanduser().absolute())
    first = (start or Path.cwd()).absolute()
    if found := find_station(first):
        return found
    if (first / PROJECT_FILE).is_file():
        raise ConfigError(
            f"There is a {PROJECT_FILE} here, but no {STATION_FILE} here or in any folder above.",
            where=str(first),
            hint="Write one with `gare init`, or name the station's folder: `gare --station DIR …`.",
        )
    raise ConfigError(
        f"There is no {STATION_FILE} here or in any folder above.",
        where=str(first),
        hint="Make one with `gare init` in a repository, or name the station's folder: `gare --station DIR …`.",
    )


def find_station(start: Path) -> Path | None:
    """Return the station.yaml in `start` or the nearest folder above, if any."""
    return next(
        (
            folder / STATION_FILE
            for folder in (start, *start.parents)
            if (folder / STATION_FILE).is_file()
        ),
        None,
    )


def ledger_place(start: Path | None = None) -> tuple[Path, str] | None:
    """Return a station's state folder and what its file says of the ledger; None when the file needs a closer look.

    The models of the whole file take a third of the time of a short command, which asks the ledger alone.
    """
    file = station_file(start)
    document = read_document(file)
    data = document.data if isinstance(document.data, dict) else {}
    state, ledger = data.get("state", STATE_FOLDER), data.get("ledger", "")
    if document.problems or not isinstance(state, str) or not isinstance(ledger, str):
        return None
    return (file.parent / state).absolute(), ledger


def ledger_url(state: Path, configured: str) -> str:
    """Return the SQLAlchemy address of the ledger; a `$NAME` in it is taken from the environment."""
    if not configured:
        return f"sqlite:///{state / 'ledger.db'}"
    if not configured.startswith("$"):
        return configured
    from gare.secrets import resolve

    return resolve(configured)


def _named_file(named: Path) -> Path:
    file = named / STATION_FILE if named.is_dir() else named
    if file.name == STATION_FILE and file.is_file():
        return file
    raise ConfigError(
        f"There is no {STATION_FILE} in {named}.",
        where=f"--station or {STATION_VARIABLE}",
        hint=f"Name the folder that holds {STATION_FILE}.",
    )
