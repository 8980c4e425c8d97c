"""hotfix: a call of the gateway, until its answer and until the first step of the hotfix runs.

call-to-id: beside the engine's own call that creates a run of the same deployment, over connections that stay open, in
turns; the work pool is paused meanwhile. first-step: until the ledger has the start of the first step, beside what
Prefect's process worker takes from the trigger of an empty deployment to its first line, on the same server, in turns:
as it is shipped, asking for work every 10 s, and set to ask every second. The goal is for the harder of the two.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx

from bench.durable import station, until
from bench.measure import compare, medians
from bench.warm import Bench
from gare.domain.releases import ReleaseState
from gare.engine import deployment_of
from gare.station_state import Record, running
from gare.wiring import Gare

CALLS = 40
ROUNDS = 5
POOL = "/work_pools/gare"
POLLS_S = (10, 1)
"""How often the yardstick asks for work: as it is shipped, and ten times as often."""


class Caller:
    """Calls the gateway and the engine of a station as programs do."""

    def __init__(self, gare: Gare, record: Record, fix: str) -> None:
        token = gare.ledger.tokens.create("alice", actor="bench")
        headers = {"Authorization": f"Bearer {token}"}
        self.gare, self.hotfix = gare, {"project": "shop", "commits": [fix]}
        self.gateway = httpx.Client(
            base_url=record.gateway_url, headers=headers, trust_env=False, timeout=60
        )
        self.engine = httpx.Client(base_url=record.api_url, trust_env=False, timeout=60)
        found = self.engine.get(f"/deployments/name/{deployment_of('hotfix')}").raise_for_status()
        self._create = f"/deployments/{found.json()['id']}/create_flow_run"

    def ours(self) -> httpx.Response:
        """Start a hotfix by the gateway."""
        return answer(lambda: self.gateway.post("/api/v1/hotfixes", json=self.hotfix))

    def theirs(self) -> httpx.Response:
        """Start a hotfix by the engine's own call."""
        body = {"parameters": {"request": self.hotfix}}
        return answer(lambda: self.engine.post(self._create, json=body))

    def first_step(self) -> float:
        """Return the seconds from the call to the start of the first step; then the hotfix is cancelled."""
        ledger, called = self.gare.ledger, time.time()
        run = self.ours().json()["run"]
        until(lambda: ledger.releases.of_run(run))
        release = ledger.releases.of_run(run)
        assert release is not None
        until(lambda: ledger.releases.get(release.id).state is ReleaseState.WAITING)
        begun = min(step.started_at for step in ledger.releases.steps(release.id).values())
        cancel = [sys.executable, "-m", "gare", "cancel", release.id]
        subprocess.run(cancel, check=True, stdout=subprocess.DEVNULL)
        return begun.timestamp() - called


def answer(call: Callable[[], httpx.Response]) -> httpx.Response:
    """Make a call; an engine whose SQLite is locked is asked again, as the gateway does."""
    while (reply := call()).status_code == httpx.codes.SERVICE_UNAVAILABLE:
        time.sleep(0.2)
    return reply.raise_for_status()


def seconds(call: Callable[[], object]) -> float:
    """Return what a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def call_to_id(caller: Caller) -> bool:
    """Measure until the answer; tell whether the goal holds."""
    answer(lambda: caller.engine.patch(POOL, json={"is_paused": True}))
    runs = {"ours": lambda: seconds(caller.ours), "yardstick": lambda: seconds(caller.theirs)}
    taken = medians(runs, CALLS, warm_up=5)
    every = {"limit": 200, "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    is_reached = compare("hotfix-call-to-id", taken["ours"], taken["yardstick"], 3)
    for run in answer(lambda: caller.engine.post("/flow_runs/filter", json=every)).json():
        answer(partial(caller.engine.delete, f"/flow_runs/{run['id']}"))
    answer(lambda: caller.engine.patch(POOL, json={"is_paused": False}))
    return is_reached


def first_step(caller: Caller, record: Record) -> bool:
    """Measure until the first step; tell whether the goal holds beside either worker."""
    with ExitStack() as stack:
        runs = {"ours": caller.first_step}
        for polls_s in POLLS_S:
            worker = stack.enter_context(stock_worker(record, polls_s))
            runs[f"{polls_s} s"] = partial(worker.first_line, pool_of(polls_s))
        taken = medians(runs, ROUNDS)
    ratios = [
        compare(
            f"hotfix-first-step-polls-{polls_s}s",
            taken["ours"],
            taken[f"{polls_s} s"],
            0.4,
            unit="s",
        )
        for polls_s in POLLS_S
    ]
    return all(ratios)


def pool_of(polls_s: int) -> str:
    """Name the pool of a stock worker that asks for work so often."""
    return f"stock-{polls_s}s"


@contextmanager
def stock_worker(record: Record, polls_s: int) -> Iterator[Bench]:
    """Have Prefect's process worker serve an empty deployment at the station's server."""
    with tempfile.TemporaryDirectory(prefix="gare-bench-") as name:
        env = os.environ | {
            "PREFECT_API_URL": record.api_url,
            "PREFECT_HOME": name,
            "PREFECT_WORKER_QUERY_SECONDS": str(polls_s),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        bench = Bench(Path(name), env)
        try:
            bench.start("stock", pool_of(polls_s))
            yield bench
        finally:
            bench.close()


def fix_in(repository: Path) -> str:
    """Let the one commit that is there be released as 1.0.0, and add a fix; return the fix's commit."""
    (repository / "fix.txt").write_text("1")
    me = ("-c", "user.name=b", "-c", "user.email=b@example.org")
    for words in (("tag", "v1.0.0"), ("add", "-A"), (*me, "commit", "-qm", "fix: prices")):
        subprocess.run(["git", *words], cwd=repository, check=True)
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True, text=True
    )
    return found.stdout.strip()


def main() -> int:
    """Measure and print; return 1 when a goal is missed."""
    with station() as gare:
        record = running(gare.station.state)
        assert record is not None
        caller = Caller(gare, record, fix_in(gare.station.root / "shop"))
        goals = [call_to_id(caller), first_step(caller, record)]
    return int(not all(goals))


if __name__ == "__main__":
    # As an installed module: the stock worker's runs import the empty flow by its name, too.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(main())
