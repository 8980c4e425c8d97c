"""Run a program of a project: no shell, no leftovers, no secrets in what people read.

The one place of Gare that starts other people's programs. It decides nothing about results: a non-zero exit, a
timeout and a flood are StepFailed.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gare import masking
from gare.connectors.environment import allowed_env
from gare.connectors.output import Feed, FileFeed, PipeFeed, Report
from gare.connectors.reaper import GRACE_S, MARK_NAME, Guardian, end_groups
from gare.errors import ConfigError, StepFailed

MIB = 1024 * 1024
OUTPUT_LIMIT = 64 * MIB
SAY_LIMIT = 2000
_TICK_S = 0.1
_LINGER_S = 1.0
"""How long silence is listened to after the program's end when something it started keeps the pipe open."""

Say = Callable[[str], None]

__all__ = ["Finished", "Say", "allowed_env", "cancel_watch", "kill_all", "run"]


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that ended with exit code 0 (or any, when asked not to check). `log_sha256` is bare hex."""

    exit_code: int
    seconds: float
    log: Path
    log_sha256: str
    lines: int
    tail: tuple[str, ...] = ()
    """The last lines it wrote, masked."""


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    log: Path,
    say: Say,
    output_limit: int = OUTPUT_LIMIT,
    say_limit: int = SAY_LIMIT,
    label: str = "",
    mask: masking.Mask | None = None,
    cancelled: Callable[[], bool] | None = None,
    background: Path | None = None,
    check: bool = True,
) -> Finished:
    """Run one program to its end and return how it went; what it wrote is in `log`, masked, line by line.

    `say` gets at most `say_limit` lines. What the program leaves running is ended with it, unless `background`
    names a file: then the output goes straight to that file (appended, unmasked, as a service's own log) and what it
    left running stays, also after Gare's end. `check=False` returns a non-zero exit instead of raising.

    Raises ConfigError when the program is missing, StepFailed when it fails, takes too long, writes too much or is
    cancelled (by `cancelled()` or `kill_all()`).
    """
    mask = mask or masking.current()
    name = label or mask.apply(shlex.join(argv))[:120]
    where = f"log {log}"
    words = _resolve(argv, cwd, env)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file, _Command(words, cwd, env, background, name, where) as command:
        report = Report(file, say, mask, say_limit, where)
        report.note(f"$ {name}")
        problem = _follow(command, report, timeout_s, output_limit, cancelled)
        report.end()
        report.note(f"[{problem or f'exit {command.exit_code}'} after {_spell(command.seconds)}]")
        finished = Finished(
            command.exit_code,
            round(command.seconds, 3),
            log,
            report.sha256,
            report.lines,
            report.tail,
        )
    if problem or (check and command.exit_code):
        raise _failure(name, problem, finished, where)
    return finished


def _follow(
    command: "_Command",
    report: Report,
    timeout_s: float,
    output_limit: int,
    cancelled: Callable[[], bool] | None,
) -> str:
    """Read until the program and its output end; return what went wrong, or nothing."""
    size, ended_at, heard_at = 0, 0.0, 0.0
    while True:
        chunk = command.feed.take(_TICK_S)
        size += len(chunk or b"")
        report.feed(chunk or b"")
        # A file never says that it ends: what was written just before the end is read by the turn after it.
        is_empty = chunk is None or (command.is_background and ended_at > 0 and not chunk)
        has_ended = command.poll()
        problem = _problem(command, size, timeout_s, output_limit, cancelled)
        if problem and (not has_ended or size > output_limit or command.was_killed):
            command.end()
            return problem
        if has_ended and not ended_at:
            ended_at = heard_at = time.monotonic()
            command.clean()
        now = time.monotonic()
        heard_at = now if chunk else heard_at
        if ended_at and (is_empty or now - heard_at > _LINGER_S or now - ended_at > 30 * _LINGER_S):
            return ""


def _problem(
    command: "_Command",
    size: int,
    timeout_s: float,
    output_limit: int,
    cancelled: Callable[[], bool] | None,
) -> str:
    if size > output_limit:
        return f"wrote more than {_spell_size(output_limit)} and was stopped"
    if (
        command.was_killed
        or (cancelled is not None and cancelled())
        or not threading.main_thread().is_alive()
    ):
        return "was cancelled"
    if command.seconds > timeout_s:
        return f"did not end within {_spell(timeout_s)} and was stopped"
    return ""


def _failure(name: str, problem: str, finished: Finished, where: str) -> StepFailed:
    what = f"`{name}` {problem or _spell_exit(finished.exit_code)}."
    if finished.tail:
        what += " It ended with:\n" + "\n".join(f"  | {line}" for line in finished.tail) + "\n"
    hints = {
        "was cancelled": "Start the release again when it shall go on.",
        "did not": "Find out what it waits for, or give the step a longer `timeout`.",
        "wrote more": "Make it say less: the limit protects the station's disk.",
    }
    hint = next(
        (text for start, text in hints.items() if problem.startswith(start)),
        "Read the whole output there.",
    )
    return StepFailed(what, where=where, hint=hint)


def _resolve(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> list[str]:
    """Check that the folder and the program are there, before anything is started."""
    if not cwd.is_dir():
        raise StepFailed(f"`{argv[0]}` cannot be started: its folder is missing.", where=str(cwd))
    if any("\0" in word for word in argv):
        raise ConfigError(
            "A command holds a NUL character.", where=shlex.join(argv).replace("\0", "\\0")
        )
    program, path = argv[0], env.get("PATH", os.defpath)
    if os.path.dirname(program):
        found = shutil.which(str(cwd / program))
        missing = f"The program `{program}` does not exist or is not executable."
        hint = f"It is looked for in {cwd}."
    else:
        found = shutil.which(program, path=path)
        missing = f"The program `{program}` is not installed here."
        hint = f"Install it on the worker, or add its folder to PATH, which is {path or '(empty)'}."
        if sys.prefix != sys.base_prefix:
            hint += " Gare's own virtual environment is left out on purpose."
    if not found:
        raise ConfigError(missing, where=f"command {shlex.join(argv)[:120]}", hint=hint)
    # On Windows a bare `npm` is not found as `npm.cmd`; elsewhere argv[0] stays as written: programs look at it.
    return [found, *argv[1:]] if os.name == "nt" else list(argv)


class _Command:
    """A started program, its process group and its output."""

    def __init__(
        self,
        argv: list[str],
        cwd: Path,
        env: Mapping[str, str],
        background: Path | None,
        name: str,
        where: str,
    ) -> None:
        self._argv, self._cwd, self._background = argv, cwd, background
        self._name, self._where = name, where
        mark = _guardian.outer_mark if background else _guardian.mark
        self._env = {**env, **({MARK_NAME: mark} if mark else {})}
        self.is_background = background is not None
        self.was_killed = False
        self._ended_at = 0.0

    feed: Feed

    def __enter__(self) -> "_Command":
        _guardian.start()
        self._begun_at = time.monotonic()
        # Started and listed under one lock: a cancel that comes in between would let this one run on.
        with _running_lock:
            try:
                self._process = self._start()
            except OSError as error:
                raise StepFailed(
                    f"`{self._name}` cannot be started: {error.strerror}.", where=self._where
                ) from error
            _running.add(self)
        _guardian.watch(self._process.pid)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.end()
        with _running_lock:
            _running.discard(self)
        _guardian.forget(self._process.pid)
        self.feed.close()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._background is None:
            process = self._popen(subprocess.PIPE)
            self.feed = PipeFeed(process.stdout)
            return process
        self._background.parent.mkdir(parents=True, exist_ok=True)
        with self._background.open("ab") as file:
            start = file.tell()  # before the program has it: they share the position
            process = self._popen(file)
        self.feed = FileFeed(self._background, start)
        return process

    def _popen(self, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        return subprocess.Popen(
            self._argv,
            cwd=self._cwd,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
            creationflags=flags,
        )

    @property
    def seconds(self) -> float:
        """How long the program has run, until its own end."""
        return (self._ended_at or time.monotonic()) - self._begun_at

    @property
    def exit_code(self) -> int:
        """The program's exit code; minus the signal's number when a signal ended it."""
        return self._process.returncode if self._process.returncode is not None else -signal.SIGTERM

    def poll(self) -> bool:
        """Tell whether the program itself has ended (what it started may live on)."""
        if self._process.poll() is None:
            return False
        self._ended_at = self._ended_at or time.monotonic()
        return True

    def clean(self) -> None:
        """End what the program left in its group, unless it was asked to leave something."""
        if not self.is_background and os.name != "nt":
            # No grace: whoever is left has lost its parent and nobody waits for its result.
            end_groups([self._process.pid], grace_s=0)

    def end(self) -> None:
        """End the program and all it started: ask, wait, then force."""
        _end_tree(self._process)
        self.poll()

    def kill(self) -> None:
        """End it from another thread; `run` then raises that it was cancelled."""
        self.was_killed = True
        _end_tree(self._process)


def _end_tree(process: subprocess.Popen[bytes]) -> None:
    if os.name == "nt":
        _end_tree_windows(process.pid)
    else:
        end_groups([process.pid], GRACE_S, reap=process.poll)
    process.wait()


def _end_tree_windows(pid: int) -> None:
    import psutil

    try:
        parent = psutil.Process(pid)
        tree = [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return
    for process in tree:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(tree, timeout=GRACE_S)


_running: set[_Command] = set()
_running_lock = threading.Lock()
_kills = [0]
_guardian = Guardian()


def cancel_watch() -> Callable[[], bool]:
    """Return a function that tells whether `kill_all` was called, or Gare began to end, since now. For waits."""
    before = _kills[0]
    return lambda: _kills[0] != before or not threading.main_thread().is_alive()


def kill_all() -> int:
    """End every program this process is running, now, and every wait; return how many programs it were."""
    with _running_lock:
        commands = list(_running)
        _kills[0] += 1
    killers = [threading.Thread(target=command.kill) for command in commands]
    for killer in killers:
        killer.start()
    for killer in killers:
        killer.join()
    return len(commands)


def _spell(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return "".join(f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if n)


def _spell_size(size: int) -> str:
    return f"{size / MIB:g} MiB" if size >= MIB else f"{size} bytes"


def _spell_exit(code: int) -> str:
    if code >= 0:
        return f"failed with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
