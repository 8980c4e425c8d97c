"""The guardian: when a Gare process dies by any cause, SIGKILL included, its commands die too.

One guardian per Gare process, started before the first command, in a session of its own. It reads `+GROUP` and
`-GROUP` lines from a pipe whose other end only the Gare process holds; at the pipe's end it ends every group still
listed. On Linux it also ends processes that left their group, by a mark in their environment, which covers
the instant between the start of a command and its line, too. A command told to leave something running carries no mark.

This file runs as a program with the standard library alone (`python -I -S reaper.py MARK`), so it imports
nothing of Gare. On Windows there is no guardian: a command's process tree is ended when it times out or is cancelled.
"""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

MARK_NAME = "GARE_MARK"
GRACE_S = 5.0
_POLL_S = 0.05


class Guardian:
    """The Gare process's side: starts the program on first use and tells it the groups."""

    def __init__(self) -> None:
        self._begin()
        if hasattr(os, "register_at_fork"):
            # A fork is a Gare process of its own: with one mark for all, the end of one run would end others' commands.
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        # Gare may itself be run by Gare (its tests are): the marks of both are carried.
        self.outer_mark = os.environ.get(MARK_NAME, "")
        self._own_mark = uuid.uuid4().hex
        self.mark = f"{self.outer_mark}:{self._own_mark}"
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._program: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def watch(self, group: int) -> None:
        """End this process group when the Gare process dies."""
        with self._lock:
            self._groups.add(group)
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """Let the group be: its command has ended, and what it left behind on purpose may live."""
        with self._lock:
            self._groups.discard(group)
        self._tell(f"-{group}\n")

    def start(self) -> None:
        """Start the program if this process has none alive: at first, in a fork, after somebody killed it."""
        if os.name == "nt":
            return
        with self._lock:
            if self._owner != os.getpid():
                self._owner, self._program, self._groups = os.getpid(), None, set()
            if self._program is not None and self._program.poll() is None:
                return
            self._program = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).resolve()), self._own_mark],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C and group kills aimed at Gare must not reach it
                cwd="/",
            )
            self._write("".join(f"+{group}\n" for group in self._groups))

    def _tell(self, line: str) -> None:
        if os.name == "nt":
            return
        self.start()
        with self._lock:
            self._write(line)

    def _write(self, text: str) -> None:
        if self._program is None or self._program.stdin is None:
            return
        # A guardian that was killed just now is replaced by the next command, which tells it all groups.
        with suppress(BrokenPipeError):
            self._program.stdin.write(text.encode())
            self._program.stdin.flush()


def end_groups(
    groups: Iterable[int], grace_s: float = GRACE_S, reap: Callable[[], object] = lambda: None
) -> None:
    """Ask process groups to end, then end them after the grace time.

    `reap` is called between looks: a dead child that nobody waited for still counts as a member of its group.
    """
    left = {group for group in groups if _signal_group(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace_s
    while left and time.monotonic() < deadline:
        reap()
        time.sleep(_POLL_S)
        left = {group for group in left if _is_alive(group)}
    for group in left:
        _signal_group(group, signal.SIGKILL)


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _is_alive(group: int) -> bool:
    """Tell whether anybody in the group still runs. A zombie does not, however late its parent collects it."""
    if not _signal_group(group, 0):
        return False
    states = [
        stat[0]
        for path in Path("/proc").glob("[0-9]*/stat")
        if (stat := _stat(path)) and stat[2] == str(group)
    ]
    return not states or any(state not in "ZX" for state in states)


def _stat(path: Path) -> list[str]:
    """Return state, parent, group and more of a process; empty when it has gone."""
    try:
        return path.read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _marked(mark: str) -> set[int]:
    """Find the processes whose environment carries the mark (Linux only)."""
    start, wanted, found = f"{MARK_NAME}=".encode(), mark.encode(), set()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if any(v.startswith(start) and wanted in v for v in entry.read_bytes().split(b"\0")):
                found.add(int(entry.parent.name))
        except OSError:
            continue
    return found - {os.getpid()}


def _end_marked(mark: str) -> None:
    # Again and again, since a process may be forking while we look.
    for _ in range(20):
        left = _marked(mark)
        if not left:
            return
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        time.sleep(_POLL_S)


def _listen(mark: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        action, group = line[:1], int(line[1:])
        (groups.add if action == "+" else groups.discard)(group)
    end_groups(groups)
    _end_marked(mark)


if __name__ == "__main__":
    _listen(sys.argv[1])
