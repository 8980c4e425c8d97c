"""The zygote: a process that has imported all a run needs, and forks a child for each run.

`python -m deployments.zygote SOCKET MODULE…`, started by the warm worker with one end of a socket pair. An order is a
line of JSON and answered with the child's process id, later with its exit code. It has one thread, one socket, no
client and no database, so that a child has nothing of another's. It ends when the worker has gone and no child is left.
"""

import gc
import importlib
import json
import os
import random
import selectors
import signal
import socket
import stat
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments import internals
from deployments.launch import restore_signals
from gare.ledger.plans import plan_adapter

_HELD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD) if os.name != "nt" else ()


@dataclass(frozen=True, slots=True)
class Order:
    """A run to fork: its whole environment, its folder, and whether its output is thrown away."""

    number: int
    env: dict[str, str]
    folder: str
    is_quiet: bool


@dataclass(slots=True)
class Zygote:
    """The parent's loop. `channel` is its end of the socket pair with the worker."""

    channel: socket.socket
    _children: dict[int, int] = field(default_factory=dict)
    """Process id -> number of the order."""
    _received: bytes = b""
    _is_ending: bool = False
    _is_alone: bool = False

    def serve(self) -> Order | None:
        """Fork a child for each order. In a child return its order; in the parent None, when all is over."""
        with selectors.DefaultSelector() as selector:
            alarm, alarm_end = socket.socketpair()
            alarm.setblocking(False)
            alarm_end.setblocking(False)
            signal.set_wakeup_fd(alarm_end.fileno(), warn_on_full_buffer=False)
            for number in _HELD:
                signal.signal(number, self._on_signal)
            selector.register(alarm, selectors.EVENT_READ)
            selector.register(self.channel, selectors.EVENT_READ)
            while not self._is_over():
                ready = {key.fileobj for key, _ in selector.select()}
                if alarm in ready:
                    alarm.recv(4096)
                self._reap()
                if self.channel in ready:
                    for order in self._read():
                        if self._fork(order, alarm, alarm_end):
                            return order
                    if self._is_alone:
                        selector.unregister(self.channel)
            return None

    def tell(self, **message: Any) -> None:
        """Send the worker a line; nobody may be there any more."""
        if not self._is_alone:
            try:
                self.channel.sendall(json.dumps(message).encode() + b"\n")
            except OSError:
                self._is_alone = True

    def _is_over(self) -> bool:
        return (self._is_alone or self._is_ending) and not self._children

    def _on_signal(self, number: int, frame: object) -> None:
        # Its runs are told by whoever ends them; it stays to see how they end.
        self._is_ending = self._is_ending or number != signal.SIGCHLD

    def _read(self) -> list[Order]:
        try:
            received = self.channel.recv(1 << 20)
        except OSError:
            received = b""
        self._is_alone = not received
        *lines, self._received = (self._received + received).split(b"\n")
        return [Order(**json.loads(line)) for line in lines]

    def _fork(self, order: Order, *alarms: socket.socket) -> bool:
        """Fork; tell whether this is the child. No signal is lost in between: it waits until the child is itself."""
        if self._is_ending:
            self.tell(number=order.number, problem="the process that forks runs is ending")
            return False
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
        try:
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                restore_signals()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for opened in (self.channel, *alarms):
                    opened.close()
                return True
        except OSError as error:
            self.tell(number=order.number, problem=str(error))
            return False
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
        self._children[pid] = order.number
        self.tell(number=order.number, pid=pid)
        return False

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = self._children.pop(pid, None)
            if number is not None:
                self.tell(number=number, exit=os.waitstatus_to_exitcode(status))


def prepare(modules: Sequence[str]) -> str:
    """Import all that runs need; return why forking would be unsafe now, or an empty string."""
    if problem := internals.why_not():
        return problem
    gc.disable()  # for the imports, and so that a child does not copy what the collector would touch
    for module in (*internals.IMPORTS, *modules):
        importlib.import_module(module)
    plan_adapter()
    if names := extra_threads():
        return f"there are other threads than the main one: {', '.join(names)}"
    gc.collect()
    gc.freeze()
    return ""


def extra_threads() -> list[str]:
    """Name every thread of this process but the main one, those that Python does not know included."""
    known = {thread.native_id: thread.name for thread in threading.enumerate()}
    tasks = Path("/proc/self/task")
    ids = [int(task.name) for task in tasks.iterdir()] if tasks.exists() else list(known)
    main = threading.main_thread().native_id
    return [known.get(task) or _native_name(tasks / str(task)) for task in ids if task != main]


def open_sockets() -> list[int]:
    """Return the sockets this process has open (Linux only)."""
    found = []
    for entry in Path("/proc/self/fd").glob("*"):
        try:
            if stat.S_ISSOCK(os.fstat(int(entry.name)).st_mode):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def become(order: Order, sources: object) -> None:
    """Be the run, as if this process had just been started for it. `sources`: of Prefect's settings in the parent."""
    os.environ.clear()
    os.environ.update(order.env)
    os.chdir(order.folder)
    if order.is_quiet:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os.close(nowhere)
    random.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    gc.enable()
    internals.renew(sources)
    internals.run_engine()


def _native_name(task: Path) -> str:
    try:
        return f"{(task / 'comm').read_text().strip()} (native)"
    except OSError:
        return "one that has ended"


def main(argv: Sequence[str]) -> None:
    """Serve until the worker has gone; in a child, run."""
    descriptor, *modules = argv
    channel = socket.socket(fileno=int(descriptor))
    channel.set_inheritable(False)
    before = set(open_sockets())
    zygote = Zygote(channel)
    problem = prepare(modules)
    if not problem and (opened := set(open_sockets()) - before):
        problem = f"importing has opened {len(opened)} sockets"
    zygote.tell(problem=problem)
    sources = internals.settings_sources() if not problem else None
    if not problem and (order := zygote.serve()):
        become(order, sources)


if __name__ == "__main__":
    main(sys.argv[1:])
