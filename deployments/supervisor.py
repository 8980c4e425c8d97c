"""Starts the processes of a station, keeps them running, and ends all of them.

Knows what belongs to a station and in which order; how one process is started is in child.py, how processes are
found and ended in processes.py. Single-threaded: children watch the thread's process that started them.
"""

import http.client
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import FrameType
from urllib.parse import urlsplit

import psutil

from deployments.catalog import POOL
from deployments.child import WINDOW_S, Child, Program
from deployments.launch import answers
from deployments.processes import end, marked, with_descendants
from deployments.spec import StationSpec, child_env, gateway, programs
from gare.errors import GareError
from gare.station_state import Phase, Record, write_record

Say = Callable[[str], None]
_TICK_S = 0.05
_WATCH_S = 0.2
_RUN_GRACE_S = 8.0


class StopRequested(Exception):
    """Somebody asked the station to end while it was starting."""


@dataclass(slots=True)
class Requests:
    """How often somebody has asked the station to end: the second time hastens."""

    count: int = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Note a signal."""
        self.count += 1

    def is_hurried(self) -> bool:
        """Tell whether to end at once."""
        return self.count > 1


@contextmanager
def listening() -> Iterator[Requests]:
    """Take Ctrl-C, SIGTERM and SIGHUP (unless started with nohup) as requests to end, for the block."""
    requests = Requests()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if os.name != "nt" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, requests) for number in numbers}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(slots=True)
class Supervisor:
    """A station in this process. `run` returns when it was asked to end and everything has ended."""

    spec: StationSpec
    say: Say
    requests: Requests
    on_ready: Callable[[Record], None] = lambda record: None
    _children: dict[str, Child] = field(default_factory=dict)
    _record: Record | None = None
    _started: float = field(default_factory=time.monotonic)

    def run(self, supervisor: Record) -> None:
        """Start, watch, end. Raises GareError when the station cannot start or a child keeps dying."""
        base = self.spec.base_url
        self._record = replace(
            supervisor, api_url=f"{base}/api", ui_url=base, gateway_url=self.spec.gateway_url
        )
        try:
            self._start()
            self._watch()
        except StopRequested:
            self.say("Asked to end while starting.")
        finally:
            self._stop()

    def _start(self) -> None:
        self._note(Phase.STARTING)
        self.say(f"Starting the station {self.spec.name} in {self.spec.state}")
        since = datetime.now(UTC)
        for program in programs(self.spec):
            self._launch(program)
        self._await("The Prefect server did not answer", "server", self._is_server_up)
        self._await("The deployments were not registered", "apply", self._are_deployments_applied)
        del self._children["apply"]
        if self.spec.gateway_url:
            self._launch(gateway(self.spec))
        self._await("The worker did not report", "worker", lambda: self._is_worker_up(since))
        if self.spec.gateway_url:
            self._await("The gateway did not answer", "gateway", self._is_gateway_up)
        for program in self.spec.extras:
            self._launch(program)
        record = self._note(Phase.READY)
        self.say(f"Prefect UI: {record.ui_url}")
        if record.gateway_url:
            self.say(f"Gateway: {record.gateway_url}")
        self.say(
            f"Ready after {time.monotonic() - self._started:.1f} s. "
            f"Ctrl-C or `gare down` ends it; logs are in {self.spec.folder.logs}"
        )
        self.on_ready(record)

    def _launch(self, program: Program) -> None:
        child = Child(
            program,
            self.spec.folder,
            child_env(self.spec),
            restarts=self.spec.restarts,
            restart_wait_s=self.spec.restart_wait_s,
            restart_wait_limit_s=self.spec.restart_wait_limit_s,
        )
        self._children[program.name] = child
        child.start()
        self._note()

    def _await(self, problem: str, name: str, is_done: Callable[[], bool]) -> None:
        """Wait for a stage of the start. A child that dies meanwhile, or the deadline, is the end of it."""
        deadline = self._started + self.spec.start_timeout_s
        while not is_done():
            self._check_start()
            if time.monotonic() > deadline:
                child = self._children[name]
                said = "".join(f"\n  | {line}" for line in child.last_lines(8))
                raise GareError(
                    f"{problem} within {self.spec.start_timeout_s:g} s."
                    + (f" It said last:{said}\n" if said else ""),
                    where=f"log {child.log}",
                    hint="Read the log; a slow disk or a busy machine may just need a second try.",
                )
            time.sleep(_TICK_S)

    def _check_start(self) -> None:
        if self.requests.count:
            raise StopRequested
        for name, child in self._children.items():
            code = child.exit_code
            if code is not None and not (name == "apply" and code == 0):
                raise GareError(
                    f"The station did not start. {child.how_it_ended()}",
                    where=f"log {child.log}",
                    hint="Read the whole log there; `gare doctor` looks for the usual causes.",
                )

    def _is_server_up(self) -> bool:
        return answers(f"{self.spec.base_url}/api/health")

    def _is_gateway_up(self) -> bool:
        return answers(f"{self.spec.gateway_url}/health")

    def _are_deployments_applied(self) -> bool:
        return self._children["apply"].exit_code == 0

    def _is_worker_up(self, since: datetime) -> bool:
        return worker_seen(self.spec.base_url, self.spec.worker_name, since)

    def _watch(self) -> None:
        """Look after the children until somebody asks to end."""
        while not self.requests.count:
            for child in self._children.values():
                if child.start_at and time.monotonic() >= child.start_at:
                    child.start()
                    self._note()
                elif child.exit_code is not None:
                    self._bury(child)
            time.sleep(_WATCH_S)

    def _bury(self, child: Child) -> None:
        ending = child.how_it_ended()
        planned = child.restart_later()
        if planned is None:
            raise GareError(
                f"{ending} It ended {self.spec.restarts + 1} times within {WINDOW_S / 60:g} minutes: "
                "the station ends.",
                where=f"log {child.log}",
                hint="Read the log, mend the cause, then `gare up`: releases go on where they were.",
            )
        self._note()
        number, wait_s = planned
        self.say(
            f"{ending} It is started again in {wait_s:g} s ({number} of {self.spec.restarts})."
        )

    def _stop(self) -> None:
        """End everything in order, so that the server can still record how the runs ended.

        The rest goes before the runs: the reconciler must not take an ending station for a failure.
        """
        self._note(Phase.STOPPING)
        self.say("Ending the station. Once more Ctrl-C hastens.")
        worker, server = self._processes("worker"), self._processes("server")
        self._end(with_descendants(self._processes(*self._others())))
        # A run ends its commands itself: one that is ended before it looks to it like a step that has failed.
        runs = [
            one for one in marked(self.spec.state, with_descendants(worker)) if one not in worker
        ]
        self._end(runs, _RUN_GRACE_S)
        self._end(with_descendants(worker))
        self._end(with_descendants(server))
        self._end(marked(self.spec.state))
        self.spec.folder.record.unlink(missing_ok=True)
        self.say("The station has ended; nothing of it runs any more.")

    def _end(self, processes: list[psutil.Process], grace_s: float = 5.0) -> None:
        end(processes, grace_s=grace_s, hurry=self.requests.is_hurried, reap=self._reap)

    def _reap(self) -> None:
        for child in self._children.values():
            child.exit_code  # noqa: B018 -- collects the dead child

    def _others(self) -> list[str]:
        return [name for name in self._children if name not in ("worker", "server")]

    def _processes(self, *names: str) -> list[psutil.Process]:
        children = [self._children[name] for name in names if name in self._children]
        return [process for child in children if (process := child.process)]

    def _note(self, phase: Phase | None = None) -> Record:
        """Write down who is running, so that the next `gare up` finds what a killed supervisor left."""
        assert self._record is not None  # noqa: S101 -- set by run()
        described = (child.described for child in self._children.values())
        self._record = replace(
            self._record,
            phase=phase or self._record.phase,
            children=tuple(process for process in described if process),
        )
        write_record(self.spec.folder, self._record)
        return self._record


def worker_seen(base_url: str, name: str, since: datetime) -> bool:
    """Tell whether the worker has reported to the server since then."""
    parts = urlsplit(base_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request(
            "POST",
            f"/api/work_pools/{POOL}/workers/filter",
            "{}",
            {"Content-Type": "application/json"},
        )
        reply = connection.getresponse()
        workers = json.loads(reply.read()) if reply.status == http.client.OK else []
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
    return any(
        worker["name"] == name
        and worker["last_heartbeat_time"]
        and datetime.fromisoformat(worker["last_heartbeat_time"]) > since
        for worker in workers
    )
