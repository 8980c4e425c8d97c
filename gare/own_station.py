"""A station of our own as a child of this process, and `gare` commands typed at it: for the demo and rehearsals."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gare.errors import StepFailed
from gare.station_state import Phase, Record, running

Say = Callable[[str], None]

STATE = ".gare"
_READY_S = 150.0
_END_S = 45.0
_TAIL_LINES = 12


def gare(folder: Path, *words: str) -> list[str]:
    """Return the command line of `gare` for the station in this folder; Gare itself is the one that runs now."""
    return [
        sys.executable,
        "-P",
        "-c",
        "from gare.cli.app import main; main()",
        "--station",
        str(folder),
        *words,
    ]


def gare_env(token: str = "") -> dict[str, str]:
    """Return the environment of `gare`: the caller's, without a station, token or Prefect of their own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PREFECT_") and name not in ("GARE_STATION", "GARE_TOKEN")
    }
    return {**kept, "GARE_TOKEN": token} if token else kept


def call(folder: Path, *words: str, token: str = "") -> str:
    """Run one `gare` command as a person would and return what it printed. Raises StepFailed."""
    done = subprocess.run(
        gare(folder, *words),
        env=gare_env(token),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StepFailed(
            f"`gare {' '.join(words)}` ended with exit code {done.returncode}.",
            where=(done.stderr or done.stdout).strip()[-1500:],
        )
    return done.stdout.strip()


@dataclass(slots=True)
class OwnStation:
    """The station in a folder, as a child of this process. Nothing of it is left once it is stopped."""

    folder: Path
    _child: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Return what `gare up` printed."""
        return self.folder / "station.log"

    @property
    def is_alive(self) -> bool:
        """Tell whether the supervisor runs."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start it and return at once. In a session of its own: Ctrl-C is for us, who end it in order."""
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                gare(self.folder, "up"),
                env=gare_env(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=os.name != "nt",
            )

    def wait(self, is_enough: Callable[[Record], bool]) -> Record:
        """Wait until the station has come so far. Raises StepFailed when it ends or takes too long."""
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            record = running(self.folder / STATE)
            if record is not None and is_enough(record):
                return record
            if not self.is_alive:
                raise StepFailed(f"The station did not start:\n{self._tail()}", where=str(self.log))
            time.sleep(0.1)
        raise StepFailed(
            f"The station was not ready within {_READY_S:g} s:\n{self._tail()}", where=str(self.log)
        )

    def stop(self) -> None:
        """End the station and wait until nothing of it runs."""
        if self._child is None:
            return
        if self.is_alive:
            self._child.terminate()
        try:
            self._child.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.returncode:
            # It did not end in order: `gare down` finds what it left.
            subprocess.run(
                gare(self.folder, "down"), env=gare_env(), capture_output=True, check=False
            )

    def _tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  | {line}" for line in lines[-_TAIL_LINES:])


def is_ready(record: Record) -> bool:
    """Tell whether releases can be started."""
    return record.phase is Phase.READY


def has_address(record: Record) -> bool:
    """Tell whether it is known where the UI will be."""
    return bool(record.ui_url)
