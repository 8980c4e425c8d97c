"""A real station in the foreground, with the sample catalogue: started once, ended at the end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from deployments.local import down
from deployments.processes import marked
from gare.station_state import Record, running

SAMPLE = Path(__file__).parent / "sample"


class Foreground:
    """`gare up` in a process of its own, and what it printed."""

    def __init__(self, root: Path) -> None:
        self.root, self.state = root, root / ".gare"
        self.output = root / "output.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self.ended_run = ""

    def start(self, *extras: str, port: int = 0, wait: bool = True) -> None:
        self.root.mkdir(exist_ok=True)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(SAMPLE / "run_station.py"), str(self.root), str(port), *extras],
                env={**os.environ, "PYTHONPATH": str(SAMPLE)}, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        if wait:
            self.wait_for(lambda: "Ready after" in self.said)

    @property
    def record(self) -> Record | None:
        return running(self.state)

    @property
    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, is_so: Callable[[], object], timeout_s: float = 90) -> None:
        deadline = time.monotonic() + timeout_s
        while not is_so():
            assert self.process.poll() is None, f"the station ended:\n{self.said}"
            assert time.monotonic() < deadline, f"not within {timeout_s} s:\n{self.said}"
            time.sleep(0.05)

    def pid(self, name: str) -> int:
        return next(child.pid for child in self.record.children if child.name == name)

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        down(self.state, say=print)


class Api:
    """The REST API as a user calls it; 503 (SQLite is locked) is asked again."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=20)

    def call(self, method: str, path: str, body: object = None) -> httpx.Response:
        for _ in range(30):
            reply = self.http.request(method, path, json=body)
            if reply.status_code != 503:
                return reply
            time.sleep(0.2)
        return reply

    def start(self, parameters: dict) -> httpx.Response:
        deployment = self.call("GET", "/deployments/name/sample/gare").json()
        return self.call(
            "POST", f"/deployments/{deployment['id']}/create_flow_run", {"parameters": parameters}
        )

    def run(self, **request: object) -> str:
        reply = self.start({"request": request})
        assert reply.status_code == 201, reply.text
        return reply.json()["id"]

    def state(self, run: str) -> str:
        return self.call("GET", f"/flow_runs/{run}").json()["state"]["type"]

    def wait(self, run: str, *wanted: str, timeout_s: float = 60) -> str:
        deadline = time.monotonic() + timeout_s
        while (state := self.state(run)) not in wanted:
            assert time.monotonic() < deadline, f"{state}, not {wanted}"
            time.sleep(0.1)
        return state


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def everything(state: Path) -> list[int]:
    """Return the process ids of a station."""
    return [process.pid for process in marked(state)]


@pytest.fixture(scope="module")
def foreground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreground]:
    """A station in the foreground, ready."""
    station = Foreground(tmp_path_factory.mktemp("station").resolve())
    station.start()
    yield station
    station.close()


@pytest.fixture(scope="session")
def connect() -> Callable[[str], Api]:
    """Give the API of another server."""
    return Api


@pytest.fixture
def api(foreground: Foreground) -> Iterator[Api]:
    api = Api(foreground.record.api_url)
    yield api
    api.http.close()
