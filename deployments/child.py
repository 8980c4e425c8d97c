"""One process under the supervisor: how it is started, how it is doing, what it said last."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deployments.launch import PARENT_VARIABLE
from deployments.processes import describe
from gare.station_state import Process, StateFolder

RESTARTS = 3
WINDOW_S = 300.0
_LONGEST_EXPONENT = 30
_LOG_LIMIT = 10 * 1024 * 1024
_TAIL_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Program:
    """What a child runs: `python -m` with `words`, begun by deployments.launch with `options`."""

    name: str
    title: str
    words: tuple[str, ...]
    options: tuple[str, ...] = ()


@dataclass(slots=True)
class Child:
    """A program of the station that should be running."""

    program: Program
    folder: StateFolder
    env: Mapping[str, str]
    restarts: int = RESTARTS
    restart_wait_s: float = 1.0
    restart_wait_limit_s: float = 60.0
    deaths: list[float] = field(default_factory=list)
    start_at: float = 0.0
    """When it shall be started again (monotonic); 0 while it runs."""
    _popen: subprocess.Popen[bytes] | None = None
    _log_start: int = 0

    @property
    def log(self) -> Path:
        """Return the file that has all it said."""
        return self.folder.log(self.program.name)

    def start(self) -> None:
        """Start it, in a session of its own: Ctrl-C in the terminal must reach the supervisor alone."""
        _rotate(self.log)
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._popen = subprocess.Popen(
                [
                    *(sys.executable, "-m", "deployments.launch"),
                    *self.program.options,
                    *self.program.words,
                ],
                cwd=self.folder.worker,
                env={**self.env, PARENT_VARIABLE: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=os.name != "nt",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        self.start_at = 0.0

    @property
    def exit_code(self) -> int | None:
        """Return the code it ended with, None while it runs (or waits to be started again)."""
        return self._popen.poll() if self._popen and not self.start_at else None

    @property
    def process(self) -> psutil.Process | None:
        """Return the running process."""
        try:
            return (
                psutil.Process(self._popen.pid)
                if self._popen and self._popen.poll() is None
                else None
            )
        except psutil.Error:
            return None

    @property
    def described(self) -> Process | None:
        """Return the running process as the state folder's record has it."""
        process = self.process
        try:
            return describe(process, self.program.name) if process else None
        except psutil.Error:
            return None

    def restart_later(self) -> tuple[int, float] | None:
        """Plan the next start after a death: which of the allowed ones, and in how many seconds. None: no more."""
        now = time.monotonic()
        self.deaths = [death for death in self.deaths if now - death < WINDOW_S] + [now]
        if len(self.deaths) > self.restarts:
            return None
        doubled = self.restart_wait_s * 2.0 ** min(len(self.deaths) - 1, _LONGEST_EXPONENT)
        wait_s = min(doubled, self.restart_wait_limit_s)
        self.start_at = now + wait_s
        return len(self.deaths), wait_s

    def how_it_ended(self, count: int = 12) -> str:
        """Say how it ended, with the last lines it wrote since its start."""
        lines = self.last_lines(count)
        text = f"{self.program.title} ended ({spell_exit(self._popen.poll() if self._popen else None)})"
        return text + (
            ". It said last:\n" + "\n".join(f"  | {line}" for line in lines) + "\n"
            if lines
            else "."
        )

    def last_lines(self, count: int) -> list[str]:
        """Return the last lines of its log since its start."""
        try:
            with self.log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_start, size - _TAIL_BYTES))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return []
        return [line.rstrip() for line in lines if line.strip()][-count:]


def spell_exit(code: int | None) -> str:
    """Say an exit code for people: `exit code 1`, `killed by SIGKILL`."""
    if code is None:
        return "unknown"
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
