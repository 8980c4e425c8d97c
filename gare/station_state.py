"""The station's state folder: what is where in it, who holds it, and at which address the station is up.

Commands ask this module, so it imports the standard library alone. It starts and stops nothing.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from gare.errors import ConfigError

FORMAT = 1
"""Counts up when an older Gare could no longer read the folder."""


class Phase(StrEnum):
    """How far a station is."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it can be found again: `created` (seconds since 1970) tells it from a later one with its id."""

    name: str
    pid: int
    created: float


@dataclass(frozen=True, slots=True)
class Record:
    """A station that is up, or was when its supervisor was killed. Addresses are empty while it looks for a port."""

    supervisor: Process
    phase: Phase = Phase.STARTING
    api_url: str = ""
    ui_url: str = ""
    children: tuple[Process, ...] = ()
    gateway_url: str = ""
    """Empty also when the station has no gateway."""


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Where everything is. `root` is absolute."""

    root: Path

    @property
    def bell(self) -> Path:
        """Return the file that is touched when a run is there for the worker."""
        return self.root / "bell"

    @property
    def prefect(self) -> Path:
        """Return Prefect's own folder (PREFECT_HOME), its SQLite database included."""
        return self.root / "prefect"

    @property
    def worker(self) -> Path:
        """Return the working folder of every process. Stays empty, so that nothing in it can be imported."""
        return self.root / "worker"

    @property
    def logs(self) -> Path:
        """Return the folder of the logs, one a process."""
        return self.root / "logs"

    @property
    def work(self) -> Path:
        """Return the folder of checkouts."""
        return self.root / "work"

    @property
    def store(self) -> Path:
        """Return the folder of artifacts and reports."""
        return self.root / "store"

    @property
    def ledger(self) -> Path:
        """Return the ledger's SQLite file."""
        return self.root / "ledger.db"

    @property
    def record(self) -> Path:
        """Return the file that says which processes a station has."""
        return self.root / "station.json"

    @property
    def lock(self) -> Path:
        """Return the file whose lock a supervisor holds as long as it lives."""
        return self.root / "station.lock"

    @property
    def unfinished(self) -> Path:
        """Return the file that is there while a restore changes the folder, and after one was cut short."""
        return self.root / "restore-unfinished"

    def log(self, name: str) -> Path:
        """Return the log of one process."""
        return self.logs / f"{name}.log"

    def prepare(self) -> None:
        """Make what is missing. Raises ConfigError when the folder cannot be used."""
        try:
            for folder in (self.prefect, self.worker, self.logs, self.work, self.store):
                folder.mkdir(parents=True, exist_ok=True)
            self.check_whole()
            (self.root / "format").write_text(f"{FORMAT}\n", encoding="utf-8")
            (self.root / ".gitignore").write_text("*\n", encoding="utf-8")
            _probe(self.root)
        except OSError as error:
            raise self._unusable(error) from error

    def check_whole(self) -> None:
        """Raise ConfigError when the folder is not one to work with: a newer Gare's, or restored in part."""
        self.check_format()
        if self.unfinished.exists():
            raise ConfigError(
                "A restore of this station was cut short: its ledger may not be there.",
                where=str(self.root),
                hint="Run it again: `gare restore FILE --force`. What was there before is in `before-restore-…`.",
            )

    def check_format(self) -> None:
        """Raise ConfigError when a newer Gare has made the folder."""
        file = self.root / "format"
        found = file.read_text(encoding="utf-8").strip() if file.exists() else str(FORMAT)
        if not found.isdecimal() or int(found) > FORMAT:
            raise ConfigError(
                f"The state folder was made by a newer Gare: its format is {found[:20]}, "
                f"this Gare knows {FORMAT}.",
                where=str(self.root),
                hint="Use the newer Gare, or name another folder in `state` of station.yaml.",
            )

    def _unusable(self, error: OSError) -> ConfigError:
        in_the_way = next(
            (path for path in (self.root, *self.root.parents) if path.exists()), self.root
        )
        if in_the_way.is_dir():
            what = f"The state folder cannot be used: {(error.strerror or str(error)).lower()}."
            where = str(error.filename or self.root)
            hint = "Make it writable, or name another folder in `state` of station.yaml."
        else:
            what, where = (
                "The state folder cannot be made: a file is in its place.",
                str(in_the_way),
            )
            hint = "Move the file away, or name another folder in `state` of station.yaml."
        return ConfigError(what, where=where, hint=hint)


def read_record(folder: StateFolder) -> Record | None:
    """Read who is or was up here; None when nobody is, or the file makes no sense."""
    try:
        data: dict[str, Any] = json.loads(folder.record.read_text(encoding="utf-8"))
        return Record(
            supervisor=Process(**data["supervisor"]),
            phase=Phase(data["phase"]),
            api_url=str(data["api_url"]),
            ui_url=str(data["ui_url"]),
            children=tuple(Process(**child) for child in data["children"]),
            gateway_url=str(data.get("gateway_url", "")),
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_record(folder: StateFolder, record: Record) -> None:
    """Say who is up here; readers see the old record or the new one."""
    temporary = folder.root / f".station-{os.getpid()}.tmp"
    temporary.write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")
    temporary.replace(folder.record)


def running(state: Path) -> Record | None:
    """Return the station that is up in this state folder, if any. Takes a millisecond.

    The lock says whether, not the record: a supervisor that was killed leaves its record behind.
    """
    folder = StateFolder(state)
    if not is_held(folder):
        return None
    return read_record(folder) or Record(Process("supervisor", 0, 0.0))


def api_url(state: Path) -> str:
    """Return the address of the Prefect API of the station that is up (or about to be); empty when none is."""
    record = running(state)
    return record.api_url if record else ""


def is_held(folder: StateFolder) -> bool:
    """Tell whether a supervisor lives here."""
    try:
        with folder.lock.open("rb+") as file:
            return not _try_lock(file, shared=True)
    except OSError:
        return False


@contextmanager
def hold(folder: StateFolder) -> Iterator[bool]:
    """Hold the state folder for the block; False when another supervisor does. Ends with the process."""
    with folder.lock.open("ab+") as file:
        yield any(_try_lock(file, shared=False) or _pause() for _ in range(10))


def _pause() -> bool:
    """Give a command that looks at the lock just now the time to let it go."""
    time.sleep(0.02)
    return False


def _probe(root: Path) -> None:
    probe = root / f".probe-{os.getpid()}"
    probe.write_bytes(b"")
    probe.unlink()


def _try_lock(file: IO[bytes], *, shared: bool) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(file.fileno(), mode | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
