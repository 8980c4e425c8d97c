"""The station that is killed: started for real under its supervisor, its processes found and killed by SIGKILL."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import psutil
from vendors import TOKEN

from deployments.local import down, spec_of, up_detached
from deployments.processes import find, is_alive, marked
from gare import boundaries
from gare.config.loader import load_station
from gare.config.models import StationConfig
from gare.station_state import Phase, StateFolder, read_record

_STATION_YAML = """\
name: crash
server: {{port: 0}}
gateway: false
worker_limit: {limit}
people:
  - {{name: alice, email: alice@example.org, groups: [managers]}}
  - {{name: bob, email: bob@example.org, groups: [qa]}}
  - {{name: carol, email: carol@example.org, groups: [operations]}}
"""
_RESTART_S = 0.2
_READY_S = 120.0
_QUIET_S = {"warm": 2, "stock": 10}
"""How long a dead run is left alone: short, and yet longer than a run takes to begin on a busy machine."""


class Kill(StrEnum):
    """What is killed while a run stands at a boundary."""

    PROCESS = "process"
    WORKER = "worker"
    SERVER = "server"
    RECONCILER = "reconciler"
    ALL = "all"


class CrashStation:
    """One station in a folder of its own."""

    def __init__(
        self, root: Path, *, ledger: str, worker: str, jobs: int, connections: str
    ) -> None:
        self.root, self.state = root, root / ".gare"
        self.boundaries = root / "boundaries"
        for folder in (
            root / "projects",
            root / "trains",
            root / "p",
            self.boundaries / "armed",
            self.boundaries / "standing",
        ):
            folder.mkdir(parents=True)
        (self.boundaries / "trace").touch()
        lines = [_STATION_YAML.format(limit=3 * jobs), connections]
        (root / "vendors.token").write_text(TOKEN)
        if ledger:
            lines.append(f"ledger: {ledger!r}\n")
        known = StationConfig.model_fields
        if "rescue" in known:
            lines.append(f"rescue: {{quiet: {_QUIET_S[worker]}s, attempts: 20}}\n")
        if "worker" in known:
            lines.append(f"worker: {worker}\n")
        (root / "station.yaml").write_text("".join(lines))
        self._port = 0

    def start(self) -> None:
        """Start it, or start it again where it was killed; on the same port, as a station has."""
        spec = replace(
            spec_of(load_station(self.root, leave_out_broken=True)),
            port=self._port,
            restarts=1_000_000,
            restart_wait_s=_RESTART_S,
            restart_wait_limit_s=_RESTART_S,
        )
        os.environ[boundaries.VARIABLE] = str(self.boundaries)
        try:
            record = up_detached(spec, say=lambda _line: None)
        finally:
            del os.environ[boundaries.VARIABLE]
        self._port = int(record.api_url.split(":")[-1].split("/")[0])

    def stop(self) -> None:
        """End it in order; nothing of it is left."""
        down(self.state, say=lambda _line: None)
        _kill(marked(self.state))

    def kill(self, what: Kill) -> None:
        """Kill by SIGKILL; the supervisor brings back what is its own, `all` is started again here."""
        if what is Kill.ALL:
            self._kill_all()
            self.start()
            return
        before = self._child(what.value)
        processes = [before] if before else []
        if what is Kill.WORKER and before:
            processes += self._zygotes(before)
        _kill(processes)

    def wait_for(self, what: Kill) -> None:
        """Wait until what was killed runs again."""
        deadline = time.monotonic() + _READY_S
        while self._child(what.value) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the {what} was not started again within {_READY_S:g} s")
            time.sleep(0.1)

    def cpu_s(self) -> float:
        """Return the seconds of CPU that the station's processes and their ended children have used."""
        total = 0.0
        for process in marked(self.state):
            with suppress(psutil.Error):
                total += sum(process.cpu_times()[:4])
        return total

    def _child(self, name: str) -> psutil.Process | None:
        record = read_record(StateFolder(self.state))
        if record is None or record.phase is not Phase.READY:
            return None
        return next((find(child) for child in record.children if child.name == name), None)

    def _zygotes(self, worker: psutil.Process) -> list[psutil.Process]:
        """Return what the warm worker forks runs from; its runs are children of these and live on."""
        with suppress(psutil.Error):
            return [child for child in worker.children() if "deployments.zygote" in child.cmdline()]
        return []

    def _kill_all(self) -> None:
        """Kill the supervisor first: it would start again what is killed after it."""
        record = read_record(StateFolder(self.state))
        supervisor = find(record.supervisor) if record else None
        _kill([supervisor] if supervisor else [])
        deadline = time.monotonic() + 20
        while left := marked(self.state):
            _kill(left)
            if time.monotonic() > deadline:
                raise TimeoutError(f"still there: {left}")


def kill_process(pid: int) -> None:
    """Kill one process, as `kill -9` does."""
    with suppress(psutil.Error):
        _kill([psutil.Process(pid)])


def _kill(processes: Iterable[psutil.Process]) -> None:
    targets = list(processes)
    for process in targets:
        with suppress(psutil.Error):
            process.kill()
    deadline = time.monotonic() + 10
    while any(is_alive(process) for process in targets) and time.monotonic() < deadline:
        time.sleep(0.005)
