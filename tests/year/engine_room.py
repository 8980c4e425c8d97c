"""A real Prefect server, and this process in the place of its worker: runs every run that is due to its next wait.

A year of releases in processes of their own would take hours; what processes do is the crash matrix' business.
"""

import asyncio
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from uuid import UUID

import httpx
from waiting import wait_until

SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    # The station's clock is moved, the engine's is not: its own schedules would come at the wrong time.
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    "PREFECT_CLIENT_METRICS_ENABLED": "false",
}


@contextmanager
def serving(folder: Path, port: int) -> Iterator[str]:
    """Run a server with our deployments; yield the address of its API, which is also put into the environment."""
    api = f"http://127.0.0.1:{port}/api"
    os.environ |= {**SETTINGS, "PREFECT_HOME": str(folder / "prefect"), "PREFECT_API_URL": api}
    command = ["deployments.engine_server", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", *command], stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until(lambda: _is_healthy(api), 120)
        _register(folder)
        yield api
    finally:
        server.terminate()
        server.wait(30)


def _is_healthy(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _register(folder: Path) -> None:
    from deployments.apply import apply
    from deployments.catalog import CATALOG

    worker = folder / "worker"
    worker.mkdir()
    apply(CATALOG, worker_folder=worker, worker_limit=10)


class EngineRoom:
    """Runs what the engine has scheduled, one run after the other, in this process."""

    def __init__(self, api: str) -> None:
        from prefect.flow_engine import load_flow_run, run_flow

        self._load, self._run = load_flow_run, run_flow
        _lighten()
        self._http = httpx.Client(base_url=api, trust_env=False, timeout=60)
        self._flows = dict(_flows())
        self.turns = 0

    def work(self) -> int:
        """Run all that is due until nothing is; return how many turns that took."""
        before = self.turns
        while due := self._due():
            for run_id in due:
                self._turn(run_id)
        return self.turns - before

    def _due(self) -> list[str]:
        now = datetime.now(UTC).isoformat()
        wanted = {
            "state": {"type": {"any_": ["SCHEDULED"]}},
            "next_scheduled_start_time": {"before_": now},
        }
        found = self._http.post("/flow_runs/filter", json={"flow_runs": wanted, "limit": 200})
        found.raise_for_status()
        # Members of a train are started side by side: in an order that is the same in each telling.
        due = sorted(found.json(), key=lambda run: json.dumps(run["parameters"], sort_keys=True))
        return [run["id"] for run in due]

    def _turn(self, run_id: str) -> None:
        from prefect.exceptions import Abort, Pause

        self.turns += 1
        pending = {"state": {"type": "PENDING"}}
        self._http.post(f"/flow_runs/{run_id}/set_state", json=pending).raise_for_status()
        loaded = self._load(flow_run_id=UUID(run_id))
        flow = self._flows[str(loaded.flow_id)]
        with suppress(Abort, Pause):  # it sleeps, or somebody has ended it
            asyncio.run(self._run(flow, flow_run=loaded, return_type="state"))


def _lighten() -> None:
    """Take away from a turn what only a run in a process of its own needs: two thirds of the whole year."""
    from prefect import flow_engine, results

    # A turn opens many clients, and each would read all certificates again.
    ssl.create_default_context = cache(ssl.create_default_context)
    # Nobody suspends a run from outside, and nobody misses a heartbeat: no threads and no clients for these.
    flow_engine.observe_flow_run_suspension = _nothing
    flow_engine._send_heartbeats = _nothing
    # No step keeps its result with the engine: the server is not asked where to.
    results._read_server_default_result_storage_block_id = lambda: None


@contextmanager
def _nothing(*_: object, **__: object) -> Iterator[None]:
    yield


def _flows() -> Iterator[tuple[str, object]]:
    from prefect.client.orchestration import get_client

    from deployments.apply import load_flow
    from deployments.catalog import CATALOG

    with get_client(sync_client=True) as client:
        for entry in CATALOG:
            flow = load_flow(entry.flow)
            yield str(client.read_flow_by_name(flow.name).id), flow
