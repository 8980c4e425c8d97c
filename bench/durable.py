"""What durability costs: waiting (suspended), waking (resume), going on (re-entry).

suspended: 1,000 releases that wait; processes beyond the station's own, CPU of server and reconciler while nothing
happens, `gare status`, memory of the reconciler beside that of one with no release. resume: from the vote to the next
step, beside Prefect's resume of an empty flow on the same station. re-entry: a flow with 100 done steps, from its first
line to step 101.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
from prefect import flow
from prefect.flow_runs import suspend_flow_run

from bench.measure import compare, limit, wall
from deployments.catalog import CATALOG, Deployment
from deployments.local import down, spec_of, up_detached
from deployments.processes import marked
from gare.config.loader import load_station
from gare.domain.approvals import Answer, Voter
from gare.domain.locks import locks_of
from gare.domain.manifest import manifest
from gare.domain.plan import Plan
from gare.domain.releases import Release, ReleaseState, StepState
from gare.domain.waits import Cause, Waited
from gare.requests import ReleaseRequest
from gare.station_state import StateFolder, read_record
from gare.wiring import Gare

WAITING = int(os.environ.get("BENCH_WAITING", "1000"))
IDLE_S = 40.0
STEPS = 100
WAKES = 15
"""Up to a quarter of a second of each wake is chance: when the worker next looks at its bell."""
REST_S = 0.5
"""Between a run's suspension and its resume: its process has ended, of ours and of the yardstick."""
STATION = """
name: bench
server: {port: 0}
gateway: {port: 0}
people: [{name: alice, email: alice@example.org, groups: [qa]}]
"""
PROJECT = """
name: NAME
source: {type: git, path: PATH, branch: main, remote: ''}
gates: []
build: {commands: ["true"], artifacts: [gare.txt], sbom: none}
environments:
  production:
    target: {type: directory, path: ../www}
    approval: {groups: {qa: 1}}
steps:
  - {id: test, type: test, skip: true}
  - {id: validate, type: validate, skip: true}
  - {id: publish, type: publish, skip: true}
"""


@flow
async def napping(mark: str) -> None:
    """Sleep once, then say when it went on."""
    await suspend_flow_run(key="nap", timeout=None)
    Path(mark).write_text(str(time.time()))


BENCH_CATALOG = (*CATALOG, Deployment(flow="bench.durable:napping", name="gare"))


@contextmanager
def station() -> Iterator[Gare]:
    """Have a station with a project up."""
    with tempfile.TemporaryDirectory(prefix="gare-bench-") as name:
        root = Path(name)
        (root / "projects").mkdir()
        (root / "station.yaml").write_text(STATION)
        repository(root / "shop")
        (root / "projects" / "shop.yaml").write_text(
            PROJECT.replace("NAME", "shop").replace("PATH", "../shop")
        )
        os.environ["GARE_STATION"] = str(root)
        loaded = load_station(root)
        spec = replace(spec_of(loaded), catalog="bench.durable:BENCH_CATALOG")
        up_detached(spec, say=lambda text: None)
        try:
            yield Gare(loaded)
        finally:
            down(loaded.state, say=lambda text: None)


def repository(folder: Path) -> None:
    """Make a repository with one feature."""
    folder.mkdir()
    (folder / "gare.txt").write_text("1")
    for words in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-qm", "feat: all"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)


def suspended(gare: Gare) -> None:
    """Measure a station on which releases wait."""
    _, plan = gare.drafting.make(ReleaseRequest(project="shop"))
    run = gare.engine.start({"project": "none-such"}, at=None).id
    until(lambda: gare.engine.run(run).is_over)
    time.sleep(15)  # everything is up and has done its first rounds
    processes = len(own(gare))
    before = memory(child(gare, "reconciler"))
    for number in range(WAITING):
        wait_in(gare, replace(plan, project=f"shop-{number}"))
    time.sleep(75)  # the worker and the reconciler have seen that nothing moves
    children = {name: child(gare, name) for name in ("server", "reconciler", "gateway")}
    started = {name: cpu(process) for name, process in children.items()}
    time.sleep(IDLE_S)
    spent = {name: cpu(process) - started[name] for name, process in children.items()}
    limit("suspended-cpu", round(100 * sum(spent.values()) / IDLE_S, 2), 5, "% of a core")
    shares = (f"{name} {100 * seconds / IDLE_S:.2f} %" for name, seconds in spent.items())
    print(f"  {', '.join(shares)}")
    limit("suspended-processes", len(own(gare)) - processes + 1, 1, "processes beyond, plus one")
    status = [sys.executable, "-m", "gare", "status"]
    took = statistics.median(wall(status, env=dict(os.environ)) for _ in range(5))
    limit("suspended-status", round(took, 3), 0.5, "s")
    compare("suspended-memory", memory(child(gare, "reconciler")), before, 1.1, unit="MB")


def wait_in(gare: Gare, plan: Plan) -> None:
    """Write a release that waits for a vote, as the flow does, and a suspended run of it."""
    ledger, engine = gare.ledger, gare.engine
    run = engine.start({"project": plan.project}, at=ledger.now().replace(year=2100)).id
    digest = ledger.plans.store(plan)
    release = ledger.releases.open(digest, plan, run, "", "")
    for step in ("plan", "build"):
        ledger.releases.begin_step(release.id, step, actor="bench")
        value = {"artifacts": [], "summary": ""}
        ledger.releases.end_step(release.id, step, StepState.DONE, value=value, actor="bench")
    ledger.locks.ask(release.id, locks_of(plan))
    rule = plan.approvals[0]
    request = ledger.approvals.ask(release.id, rule, manifest(plan, digest, rule.step, {}))
    engine._set_state(run, {"type": "PAUSED", "name": "Suspended"})
    ledger.releases.mark(
        release.id,
        ReleaseState.WAITING,
        actor="bench",
        waiting=[Waited(f"{rule.step}: votes missing: 1 from qa", Cause.OTHER)],
        wake_at=request.expires_at,
    )


def resume(gare: Gare) -> None:
    """Measure from the vote to the next step, and from Prefect's resume to the next line, in turns."""
    ours, plain = [], []
    for turn in range(WAKES):
        ours.append(vote_to_step(gare))
        plain.append(resume_to_line(gare, turn))
    compare("resume", statistics.median(ours[1:]), statistics.median(plain[1:]), 1.3, unit="s")


def vote_to_step(gare: Gare) -> float:
    """Bring a release to its approval, vote, and return the seconds until the next step runs."""
    run = gare.engine.start({"project": "shop"}).id
    until(lambda: gare.ledger.releases.of_run(run) is not None)
    until(lambda: gare.engine.run(run).is_suspended)
    release = gare.ledger.releases.of_run(run)
    assert release is not None
    plan = gare.plan(release.plan)
    [rule] = plan.approvals
    request = gare.ledger.approvals.get(release.id, rule.step)
    assert request is not None
    time.sleep(REST_S)
    started = time.time()
    gare.ledger.approvals.vote(
        release.id,
        rule,
        Voter("alice", frozenset({"qa"}), frozenset()),
        Answer.APPROVE,
        manifest=request.manifest,
        comment="",
        authors=(),
    )
    gare.engine.resume(run)
    until(lambda: rule.step in gare.ledger.releases.steps(release.id))
    record = gare.ledger.releases.steps(release.id)[rule.step]
    until(lambda: gare.ledger.releases.get(release.id).is_closed)
    (gare.station.root / "shop" / "gare.txt").write_text(release.id)
    subprocess.run(
        ["git", "-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-qam", "fix: it"],
        cwd=gare.station.root / "shop",
        check=True,
    )
    return record.started_at.timestamp() - started


def resume_to_line(gare: Gare, turn: int) -> float:
    """Suspend an empty flow, resume it, and return the seconds until its next line."""
    engine, mark = gare.engine, gare.station.root / f"mark-{turn}"
    found = engine.api.call("GET", "/deployments/name/napping/gare", what="find")
    body = {"parameters": {"mark": str(mark)}}
    run = engine.api.call("POST", f"/deployments/{found['id']}/create_flow_run", body, what="start")
    until(lambda: engine.run(run["id"]).is_suspended)
    time.sleep(REST_S)
    started = time.time()
    engine.resume(run["id"])
    until(mark.exists)
    until(lambda: engine.run(run["id"]).is_over)
    return float(mark.read_text()) - started


REENTRY = """
import asyncio, sys, time
from deployments.launch import without_slow_import
with without_slow_import():
    from flows.release import release
    from gare.requests import ReleaseRequest
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow
import importlib
from deployments.internals import IMPORTS
for name in IMPORTS:
    importlib.import_module(name)
with get_client(sync_client=True) as client:
    run = client.read_flow_run(sys.argv[1])
started = time.time()
parameters = {"request": ReleaseRequest(project="many")}
asyncio.run(run_flow(release, flow_run=run, parameters=parameters, return_type="state"))
print(started)
"""


def reentry(gare: Gare) -> None:
    """Measure how long a flow needs to pass by 100 done steps."""
    steps = "\n".join(
        f"  - {{id: run-{number}, type: run, command: 'true', needs: [plan]}}"
        for number in range(STEPS)
    )
    needs = ", ".join(f"run-{number}" for number in range(STEPS))
    skipped = "\n".join(
        f"  - {{id: {name}, type: {name}, skip: true}}"
        for name in ("build", "test", "validate", "publish", "announce")
    )
    (gare.station.root / "projects" / "many.yaml").write_text(
        "name: many\nsource: {type: git, path: ../shop, branch: main, remote: ''}\n"
        f"steps:\n{skipped}\n{steps}\n  - {{id: last, type: run, command: 'true', needs: [{needs}]}}\n"
    )
    afresh = Gare(load_station(gare.station.root))
    times = [pass_by(afresh) for _ in range(4)]
    limit("re-entry", round(statistics.median(times[1:]), 3), 0.5, "s")


def pass_by(gare: Gare) -> float:
    """Open a release with 100 done steps, run its flow here, and return the seconds to step 101."""
    run = gare.engine.start({"project": "many"}, at=gare.ledger.now().replace(year=2100)).id
    digest, plan = gare.drafting.make(ReleaseRequest(project="many"))
    release: Release = gare.ledger.releases.open(digest, plan, run, "", "")
    for step in ("plan", *(step.id for step in plan.steps if step.id.startswith("run-"))):
        gare.ledger.releases.begin_step(release.id, step, actor="bench")
        gare.ledger.releases.end_step(
            release.id, step, StepState.DONE, value={"summary": ""}, actor="bench"
        )
    gare.engine._set_state(run, {"type": "PENDING"})
    env = os.environ | {"PREFECT_API_URL": gare.engine.url, "PREFECT_LOGGING_LEVEL": "ERROR"}
    done = subprocess.run(
        [sys.executable, "-c", REENTRY, run], env=env, capture_output=True, text=True, check=True
    )
    record = gare.ledger.releases.steps(release.id)["last"]
    return record.started_at.timestamp() - float(done.stdout.split()[-1])


def own(gare: Gare) -> list[psutil.Process]:
    """Return the processes of the station."""
    return marked(gare.station.state)


def child(gare: Gare, name: str) -> psutil.Process:
    """Return a child of the station by its name."""
    record = read_record(StateFolder(gare.station.state))
    assert record is not None
    [found] = [child for child in record.children if child.name == name]
    return psutil.Process(found.pid)


def cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process so far."""
    times = process.cpu_times()
    return times.user + times.system


def memory(process: psutil.Process) -> float:
    """Return the resident memory of a process in bytes."""
    return float(process.memory_info().rss)


def until(is_so: object, timeout_s: float = 120) -> None:
    """Poll until something is so."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if is_so():  # type: ignore[operator]
                return
        except httpx.HTTPError:
            pass
        if time.monotonic() > deadline:
            raise SystemExit("it did not happen in time")
        time.sleep(0.02)


def main() -> None:
    """Measure and print."""
    wanted = sys.argv[1:] or ["resume", "reentry", "suspended"]
    with station() as gare:
        for name in wanted:
            {"resume": resume, "reentry": reentry, "suspended": suspended}[name](gare)


if __name__ == "__main__":
    main()
