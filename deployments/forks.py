"""The warm worker's side of its zygote: starts it, orders forks, learns how they end, replaces it after an upgrade.

Knows nothing of Prefect. Everything here runs in the worker's event loop.
"""

import asyncio
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import psutil

OUR_PACKAGES = ("gare", "flows", "tasks", "deployments")
START_S = 90.0
_PAUSE_S = 30.0
"""How long a zygote that cannot start is not tried again."""
_LOOK_S = 0.2
_KILL_S = 5.0


class CannotFork(Exception):
    """No zygote, or it could not fork; says why."""


@dataclass(slots=True)
class Fork:
    """A run's process. `returncode` is minus the signal's number for a signal; None: it runs, or nobody knows."""

    pid: int
    returncode: int | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, returncode: int | None) -> None:
        """Note its end."""
        self.returncode = returncode
        self.ended.set()

    async def wait(self) -> None:
        """Wait for its end. Cancelled: ask it to end, and end it when it does not."""
        try:
            await self.ended.wait()
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                await self._terminate()
            raise

    async def _terminate(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(self.pid, number)
                await asyncio.wait_for(self.ended.wait(), _KILL_S)
            except TimeoutError:
                continue
            except ProcessLookupError:
                pass
            return


class Zygote:
    """A running zygote. Made by `start`."""

    def __init__(
        self,
        modules: frozenset[str],
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.modules = modules
        self.is_alive = True
        self._has_ended = False
        self._process = process
        self._reader = reader
        self._writer = writer
        self._numbers = count()
        self._forks: dict[int, Fork] = {}
        self._asked: dict[int, asyncio.Future[Fork]] = {}
        self._watchers: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, modules: frozenset[str], env: Mapping[str, str]) -> "Zygote":
        """Start one and wait until it can fork. Raises CannotFork."""
        ours, theirs = socket.socketpair()
        words = ["deployments.zygote", str(theirs.fileno()), *sorted(modules)]
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "deployments.launch", *words],
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        zygote = cls(modules, process, *await asyncio.open_unix_connection(sock=ours))
        await zygote._greet()
        return zygote

    async def _greet(self) -> None:
        try:
            line = await asyncio.wait_for(self._reader.readline(), START_S)
        except TimeoutError:
            line = b""
        problem = json.loads(line)["problem"] if line else "it ended, or did not start in time"
        if problem:
            self.close()
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
            raise CannotFork(problem)
        self._watch(self._listen())

    async def fork(self, env: Mapping[str, str], folder: Path, *, is_quiet: bool) -> Fork:
        """Fork a run. Raises CannotFork, also when it has ended since it was asked for."""
        if self._has_ended or self._writer.is_closing():
            raise CannotFork("the process that forks runs has ended")
        number = next(self._numbers)
        self._asked[number] = asyncio.get_running_loop().create_future()
        order = {"number": number, "env": env, "folder": str(folder), "is_quiet": is_quiet}
        try:
            self._writer.write(json.dumps(order).encode() + b"\n")
            return await self._asked[number]
        finally:
            self._asked.pop(number, None)

    def retire(self) -> None:
        """Take no more orders; it ends with the last of its runs."""
        self.is_alive = False
        self._close_if_idle()

    def close(self) -> None:
        """Let go of it: it ends when the last of its runs has ended, and tells nobody."""
        self.is_alive = False
        self._writer.close()

    async def _listen(self) -> None:
        while line := await self._read_line():
            self._heed(json.loads(line))
            if not self.is_alive:
                self._close_if_idle()
        self.is_alive, self._has_ended = False, True
        self._writer.close()
        for question in self._asked.values():
            if not question.done():
                question.set_exception(CannotFork("the process that forks runs has ended"))
        for fork in self._forks.values():
            self._watch(_see_end(fork))
        await asyncio.to_thread(self._process.wait)

    async def _read_line(self) -> bytes:
        try:
            return await self._reader.readline()
        except (OSError, ValueError):
            return b""

    def _heed(self, said: dict[str, Any]) -> None:
        number = said["number"]
        if "exit" in said:
            self._forks.pop(number).end(said["exit"])
        elif "pid" in said:
            fork = self._forks[number] = Fork(said["pid"])
            if (question := self._open_question(number)) is not None:
                question.set_result(fork)
        elif (question := self._open_question(number)) is not None:
            question.set_exception(CannotFork(said["problem"]))

    def _open_question(self, number: int) -> "asyncio.Future[Fork] | None":
        """Return the question of this number, unless whoever asked was cancelled meanwhile."""
        question = self._asked.get(number)
        return None if question is None or question.done() else question

    def _close_if_idle(self) -> None:
        if not self._forks and not self._asked:
            self._writer.close()

    def _watch(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)


async def _see_end(fork: Fork) -> None:
    """Wait for the end of a process whose parent has gone: its exit code is nobody's any more."""
    try:
        process = psutil.Process(fork.pid)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(_LOOK_S)
    except psutil.Error:
        pass
    fork.end(None)


class Nursery:
    """Keeps one zygote that is up to date. `env` gives its variables besides ours; `say` is told why there is none."""

    def __init__(
        self,
        modules: Iterable[str],
        env: Callable[[], Mapping[str, str]],
        say: Callable[[str], None],
    ) -> None:
        self._env = env
        self._modules = frozenset(modules)
        self._say = say
        self._lock = asyncio.Lock()
        self._zygote: Zygote | None = None
        self._made_from: object = None
        self._pause_until = 0.0
        self._failed_with: object = None

    async def zygote(self, module: str = "") -> Zygote | None:
        """Return a zygote that has the module and what is installed now; None when there cannot be one."""
        async with self._lock:
            self._modules |= {module} - {""}
            wanted = (self._modules, installed(self._modules))
            if self._zygote and self._zygote.is_alive and self._made_from == wanted:
                return self._zygote
            if self._failed_with == wanted and time.monotonic() < self._pause_until:
                return None
            if self._zygote:
                self._zygote.retire()
            return await self._start(wanted)

    def close(self) -> None:
        """Let go of the zygote."""
        if self._zygote:
            self._zygote.close()

    async def _start(self, wanted: object) -> Zygote | None:
        self._zygote = None
        try:
            self._zygote = await Zygote.start(self._modules, self._env())
        except (CannotFork, OSError) as error:
            self._failed_with, self._pause_until = wanted, time.monotonic() + _PAUSE_S
            self._say(f"Runs are started one by one, which takes longer: {error}.")
        else:
            self._made_from = wanted
        return self._zygote


def installed(modules: Iterable[str]) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when Gare, a flow's module or any package is installed anew. Takes 3 ms.

    An installation moves folders in and out of site-packages, which changes that folder's time.
    """
    names = {*OUR_PACKAGES, *(name for module in modules if (name := module.partition(".")[0]))}
    files = [Path(sysconfig.get_path("purelib"))]
    for name in sorted(names):
        spec = importlib.util.find_spec(name)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            files += sorted(Path(folder).rglob("*.py"))
        if spec and spec.origin:
            files.append(Path(spec.origin))
    return tuple(_stamp(file) for file in files)


def _stamp(file: Path) -> tuple[str, int, int]:
    try:
        found = file.stat()
    except OSError:
        return str(file), 0, 0
    return str(file), found.st_mtime_ns, found.st_size
