"""What a worker must do for a run, the same for both kinds: on a real server, one after the other in the same pool."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deployments.processes import MARK_VARIABLE, end, marked
from deployments.spec import StationSpec, child_env, programs
from deployments.supervisor import worker_seen

SAMPLE = Path(__file__).parent / "sample"
LIMIT = 4

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(sys.platform != "linux", reason="both kinds exist on Linux only"),
]


def eventually(is_so: Callable[[], object], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.05)


class Site:
    """A server with the sample catalogue; workers come and go."""

    def __init__(self, root: Path, port: int) -> None:
        self.root, self.port = root, port
        self.flows = root / "flows"
        self.flows.mkdir()
        shutil.copy(SAMPLE / "contract_flows.py", self.flows)
        self.worker: psutil.Popen | None = None
        self.kind = ""
        self.suspended: dict[str, tuple[str, Path]] = {}
        self.spec("warm").folder.prepare()
        self.api: object = None

    def spec(self, kind: str) -> StationSpec:
        return StationSpec(
            "contract", self.root, self.root / ".gare", port=self.port, worker=kind,
            catalog="contract_flows:CATALOG", worker_limit=LIMIT,
        )  # fmt: skip

    @property
    def state(self) -> Path:
        return self.root / ".gare"

    def launch(self, name: str, kind: str = "warm") -> psutil.Popen:
        spec = self.spec(kind)
        program = next(program for program in programs(spec) if program.name == name)
        env = child_env(spec) | {"PYTHONPATH": str(self.flows)}
        with self.log(name).open("ab") as log:
            return psutil.Popen(
                [sys.executable, "-m", "deployments.launch", *program.options, *program.words],
                cwd=spec.folder.worker, env=env, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def log(self, name: str) -> Path:
        return self.spec("warm").folder.log(name)

    def start_worker(self, kind: str) -> None:
        from datetime import UTC, datetime

        since = datetime.now(UTC)
        self.kind, self.worker = kind, self.launch("worker", kind)
        spec = self.spec(kind)
        eventually(lambda: worker_seen(spec.base_url, spec.worker_name, since))

    def run(self, folder: Path, word: str, mode: str = "report", **more: object) -> str:
        deployment = self.api.call("GET", "/deployments/name/contract/gare").json()["id"]
        parameters = {"request": {"word": word, "mode": mode, "folder": str(folder)}}
        path = f"/deployments/{deployment}/create_flow_run"
        made = self.api.call("POST", path, {"parameters": parameters, **more})
        assert made.status_code == 201, made.text
        return made.json()["id"]

    def is_over(self, run: str, timeout_s: float = 60) -> str:
        ends = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        return self.api.wait(run, *ends, timeout_s=timeout_s)

    def states(self, run: str) -> list[str]:
        found = self.api.call("GET", f"/flow_run_states/?flow_run_id={run}").json()
        return [state["type"] for state in sorted(found, key=lambda state: state["timestamp"])]

    def set_state(self, run: str, **state: str) -> None:
        body = {"state": state, "force": True}
        self.api.call("POST", f"/flow_runs/{run}/set_state", body)

    def worker_is_done_with(self, run: str) -> None:
        """Wait for the worker's last word about a run's process."""
        body = {"limit": 50, "filter": {
            "event": {"name": ["prefect.worker.executed-flow-run"]},
            "any_resource": {"id": [f"prefect.flow-run.{run}"]},
        }}  # fmt: skip
        eventually(lambda: self.api.call("POST", "/events/filter", body).json()["events"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    from deployments.seed import plant

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    site = Site(tmp_path_factory.mktemp("contract").resolve(), port)
    spec = site.spec("warm")
    plant(spec.folder)
    server, apply = site.launch("server"), site.launch("apply")
    try:
        assert apply.wait(timeout=120) == 0, site.log("apply").read_text()
        from tests_api import Api

        site.api = Api(f"{spec.base_url}/api")
        yield site
        site.api.http.close()
    finally:
        if site.worker:
            site.worker.terminate()
            site.worker.wait(timeout=30)
        server.terminate()
        server.wait(timeout=30)
        left = marked(site.state)
        end(left)


@pytest.fixture(scope="module", params=["stock", "warm"])
def worker(site: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    site.start_worker(request.param)
    yield site
    site.worker.terminate()
    site.worker.wait(timeout=30)
    site.worker = None
