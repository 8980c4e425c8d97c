"""Finds and ends the processes of a station: its children, theirs, and those whose parent has died.

Every process of a station carries the state folder in its environment (MARK_VARIABLE) and hands it on. What a
project's command starts does not: a deployed service lives on when the station ends.
"""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from gare.station_state import Process

MARK_VARIABLE = "GARE_STATE_MARK"
GRACE_S = 6.0
GUARDIAN_S = 8.0
"""Longer than a guardian (gare.connectors.reaper) takes to end the commands of a run that died."""
_GUARDIAN_FILE = "reaper.py"
_SLACK_S = 2.0
_TICK_S = 0.05


def describe(process: psutil.Process, name: str) -> Process:
    """Return what is needed to find the process again."""
    return Process(name, process.pid, process.create_time())


def find(process: Process) -> psutil.Process | None:
    """Return the process if it still runs and is not a later one with the same id."""
    try:
        found = psutil.Process(process.pid)
        is_same = abs(found.create_time() - process.created) < _SLACK_S
    except psutil.Error:
        return None
    return found if is_same and is_alive(found) else None


def is_alive(process: psutil.Process) -> bool:
    """Tell whether the process runs; a zombie does not, however late its parent collects it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def with_descendants(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return the processes and everything they started that still hangs on them."""
    found = {}
    for process in processes:
        found[process.pid] = process
        try:
            found.update({child.pid: child for child in process.children(recursive=True)})
        except psutil.Error:
            continue
    return list(found.values())


def marked(state: Path, among: Iterable[psutil.Process] | None = None) -> list[psutil.Process]:
    """Return every process of the station with this state folder, except the one that asks.

    `among` are those that are looked at; without it all of the machine.
    """
    found = []
    for process in psutil.process_iter() if among is None else among:
        try:
            if process.pid != os.getpid() and process.environ().get(MARK_VARIABLE) == str(state):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return [process for process in found if is_alive(process)]


def end(
    processes: Iterable[psutil.Process],
    *,
    grace_s: float = GRACE_S,
    hurry: Callable[[], bool] = lambda: False,
    reap: Callable[[], object] = lambda: None,
) -> None:
    """Ask the processes to end, wait, and end them. `hurry` cuts the grace time short.

    A guardian is left to itself at first: it ends what its dead run had started, and then itself.
    """
    targets = list(processes)
    guardians = [process for process in targets if _is_guardian(process)]
    others = [process for process in targets if process not in guardians]
    for process in others:
        _signal(process, psutil.Process.terminate)
    for process in _wait(others, grace_s, hurry, reap):
        _signal(process, psutil.Process.kill)
    for process in _wait([*others, *guardians], GUARDIAN_S, lambda: False, reap):
        _signal(process, psutil.Process.kill)
    _wait(targets, 1.0, lambda: False, reap)


def port_holder(port: int) -> str:
    """Say who listens on the port, as `name (process N)`; empty when the system does not tell."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return ""
    for connection in connections:
        here = connection.laddr
        if connection.status == psutil.CONN_LISTEN and here and here[1] == port:
            try:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
            except (psutil.Error, TypeError, ValueError):
                return ""
    return ""


def _wait(
    processes: Iterable[psutil.Process],
    timeout_s: float,
    hurry: Callable[[], bool],
    reap: Callable[[], object],
) -> list[psutil.Process]:
    """Wait for all of them to end; return those that did not."""
    deadline = time.monotonic() + timeout_s
    left = list(processes)
    while True:
        reap()
        left = [process for process in left if is_alive(process)]
        if not left or time.monotonic() > deadline or hurry():
            return left
        time.sleep(_TICK_S)


def _is_guardian(process: psutil.Process) -> bool:
    try:
        return any(word.endswith(_GUARDIAN_FILE) for word in process.cmdline()[:5])
    except psutil.Error:
        return False


def _signal(process: psutil.Process, action: Callable[[psutil.Process], None]) -> None:
    try:
        action(process)
    except psutil.Error:
        return
