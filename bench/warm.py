"""warm-start: runs of an empty flow through the warm worker and through Prefect's process worker, on one real server.

From the request to the flow's first line, in turns; then 20 at once: wall time until the last is recorded as completed,
and CPU seconds of the worker with all it started (the server's are not counted). `stock` is the process worker as
Prefect ships it; `stock-setting` the one with our launch command (`worker: stock` of a station).
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from prefect import flow

from bench.measure import compare, medians
from bench.steps import server

ROUNDS = 5
RUNS = 20
COMMAND = f"{sys.executable} -m deployments.launch --warm bench.warm prefect.engine"
YARDSTICKS = {"stock": "warm-start", "stock-setting": "warm-start-setting"}
KINDS = {"warm": ("warm", COMMAND), "stock": ("process", ""), "stock-setting": ("process", COMMAND)}


@flow
async def empty(mark: str) -> None:
    """Do nothing but say when."""
    Path(mark).write_text(str(time.time()))


class Bench:
    """A server with a pool, a worker and a deployment of `empty` for each kind."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder, self.env = folder, env
        self.http = httpx.Client(base_url=env["PREFECT_API_URL"], trust_env=False, timeout=60)
        self.deployments: dict[str, str] = {}
        self.workers: dict[str, psutil.Popen] = {}
        self.marks = 0

    def call(self, method: str, path: str, body: object = None) -> dict:
        """Ask the server; a busy one is asked again."""
        for _ in range(100):
            reply = self.http.request(method, path, json=body)
            if reply.status_code != 503:
                return reply.raise_for_status().json()
            time.sleep(0.1)
        raise SystemExit("the server stays busy")

    def start(self, kind: str, pool: str = "") -> None:
        """Start a worker with a pool of its own, and wait until it can run something."""
        worker_type, command = KINDS[kind]
        kind = pool or kind
        from prefect.workers.process import ProcessWorker

        template = ProcessWorker.get_default_base_job_template()
        pool = {"name": kind, "type": "process", "base_job_template": template}
        self.call("POST", "/work_pools/", pool)
        made = self.call("POST", "/flows/", {"name": "empty"})
        jobs = {"working_dir": str(self.folder), **({"command": command} if command else {})}
        deployment = {
            "name": kind,
            "flow_id": made["id"],
            "entrypoint": "bench.warm.empty",
            "work_pool_name": kind,
            "job_variables": jobs,
            "pull_steps": [],
        }
        self.deployments[kind] = self.call("POST", "/deployments/", deployment)["id"]
        words = ["prefect", "worker", "start", "--pool", kind, "--type", worker_type]
        self.workers[kind] = psutil.Popen(
            [sys.executable, "-m", "deployments.launch", *words, "--install-policy", "never"],
            cwd=self.folder,
            env=self.env,
            stdout=(self.folder / f"{kind}.log").open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.first_line(kind)

    def trigger(self, kind: str) -> tuple[str, Path]:
        """Start a run; return its id and the file that its first line writes."""
        self.marks += 1
        mark = self.folder / f"mark-{self.marks}"
        body = {"parameters": {"mark": str(mark)}}
        made = self.call("POST", f"/deployments/{self.deployments[kind]}/create_flow_run", body)
        return made["id"], mark

    def first_line(self, kind: str) -> float:
        """Return the seconds from the request to the flow's first line."""
        started = time.time()
        run, mark = self.trigger(kind)
        self.until_completed([run])
        return float(mark.read_text()) - started

    def many(self, kind: str) -> tuple[float, float]:
        """Start runs all at once; return wall and CPU seconds until the last has completed."""
        before, started = self.cpu(kind), time.perf_counter()
        runs = [self.trigger(kind)[0] for _ in range(RUNS)]
        self.until_completed(runs)
        wall = time.perf_counter() - started
        self.until_quiet(kind)
        return wall, self.cpu(kind) - before

    def until_completed(self, runs: list[str]) -> None:
        """Wait for the runs; one that crashed is brought back (now and then a busy SQLite refuses its report)."""
        body = {"flow_runs": {"id": {"any_": runs}}}
        deadline = time.monotonic() + 600
        while True:
            found = self.call("POST", "/flow_runs/filter", body)
            types = {run["state_type"] for run in found}
            if types == {"COMPLETED"}:
                return
            if types & {"FAILED", "CANCELLED"} or time.monotonic() > deadline:
                raise SystemExit(f"runs ended as {types}; logs in {self.folder}")
            for run in found:
                if run["state_type"] == "CRASHED":
                    again = {"type": "SCHEDULED", "name": "AwaitingRetry"}
                    path = f"/flow_runs/{run['id']}/set_state"
                    self.call("POST", path, {"state": again, "force": True})
            time.sleep(0.02 if len(runs) == 1 else 0.25)

    def until_quiet(self, kind: str) -> None:
        """Wait until no run of the worker is alive."""
        own = 1 if kind == "warm" else 0  # its zygote
        while len(self.workers[kind].children(recursive=True)) > own:
            time.sleep(0.1)
        time.sleep(6)  # the worker closes its connections for each run

    def cpu(self, kind: str) -> float:
        """Return the CPU seconds of a worker and of all it has started, those that have ended included."""
        worker = self.workers[kind]
        times = [process.cpu_times() for process in [worker, *worker.children(recursive=True)]]
        return sum(t.user + t.system + t.children_user + t.children_system for t in times)

    def close(self) -> None:
        """End the workers."""
        trees = [[*worker.children(recursive=True), worker] for worker in self.workers.values()]
        for worker in self.workers.values():
            worker.terminate()
        _, alive = psutil.wait_procs([process for tree in trees for process in tree], timeout=15)
        for process in alive:
            process.kill()
        self.http.close()


@contextmanager
def bench() -> Iterator[Bench]:
    """Have everything up."""
    with (
        tempfile.TemporaryDirectory(prefix="gare-bench-") as name,
        server(Path(name)) as (_, base),
    ):
        own = {
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONSAFEPATH": "1",
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "GARE_CATALOG": "bench.warm:CATALOG",
            "DO_NOT_TRACK": "1",
        }
        found = Bench(Path(name), {**base, **own})
        try:
            for kind in KINDS:
                found.start(kind)
            yield found
        finally:
            found.close()


CATALOG: tuple[object, ...] = ()


def main() -> None:
    """Measure and print."""
    with bench() as station:
        first = medians(
            {kind: lambda kind=kind: station.first_line(kind) for kind in KINDS}, ROUNDS
        )
        for kind in YARDSTICKS:
            compare(f"{YARDSTICKS[kind]}-first-line", first["warm"], first[kind], 0.35)
        wall, cpu = station.many("warm")
        for kind, name in YARDSTICKS.items():
            other_wall, other_cpu = station.many(kind)
            compare(f"{name}-{RUNS}-runs-wall", wall, other_wall, 0.35, unit="s")
            compare(f"{name}-{RUNS}-runs-cpu", cpu, other_cpu, 0.30, unit="s")


if __name__ == "__main__":
    # As an installed module: the flow's process imports it by this name, too.
    from bench.warm import main as run

    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    run()
