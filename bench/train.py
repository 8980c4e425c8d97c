"""train: the departure of many members beside a plain flow that starts as many child runs, on the same station.

Every member builds one file; a plain child runs as many tasks as a member has, each with the same command. Both send
`LIMIT` at once through the same work pool and the same warm worker. Wall until the last has ended; CPU of the server.
"""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx
import psutil
from prefect import flow, task
from prefect.client.schemas import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import PrefectHTTPStatusError
from prefect.runtime import flow_run

from bench.durable import child, cpu, repository, until
from bench.measure import compare
from deployments.catalog import CATALOG, Deployment
from deployments.local import down, spec_of, up_detached
from gare.config.loader import load_station
from gare.domain.plan import Kind
from gare.engine import deployment_of
from gare.requests import TrainRequest
from gare.wiring import Gare

MEMBERS = int(os.environ.get("BENCH_MEMBERS", "200"))
LIMIT = 10
_STATION = "name: bench\nserver: {port: 0}\ngateway: false\nworker_limit: 30\n"
_MEMBER = """
name: NAME
source: {type: git, path: ../repositories/NAME, branch: main, remote: ''}
gates: []
build: {commands: ["true"], artifacts: [gare.txt], sbom: none}
publish: {tag: false}
steps:
  - {id: test, type: test, skip: true}
  - {id: validate, type: validate, skip: true}
  - {id: announce, type: announce, skip: true}
"""
TASKS = 4
"""Of a plain child; a member has as many: plan, build, publish, close."""
_PAGE = 200


@task
def run(number: int) -> None:
    """Run a command, as a member's build does."""
    subprocess.run(["true"], check=True)


@flow
def plain_child(number: int) -> None:
    """Do as many tasks as a member."""
    for _ in range(TASKS):
        run(number)


@flow
async def plain_train(members: int) -> None:
    """Start as many child runs, LIMIT at once, and wait for them."""
    places, own = asyncio.Semaphore(LIMIT), flow_run.id

    async def depart(number: int) -> FlowRun:
        async with places:
            while True:
                # The engine's SQLite is "locked" now and then, and its client gives up: the same child is asked for.
                with suppress(PrefectHTTPStatusError, httpx.TransportError):
                    return await run_deployment(
                        "plain-child/gare",
                        parameters={"number": number},
                        poll_interval=0.5,
                        idempotency_key=f"{own}-{number}",
                    )
                await asyncio.sleep(0.5)

    await asyncio.gather(*[depart(number) for number in range(members)])


BENCH_CATALOG = (
    *CATALOG,
    Deployment(flow="bench.train:plain_child"),
    Deployment(flow="bench.train:plain_train"),
)


@contextmanager
def station() -> Iterator[Gare]:
    """Have a station with MEMBERS projects and their train up."""
    with TemporaryDirectory(prefix="gare-bench-") as name:
        root = Path(name)
        for folder in ("projects", "trains", "repositories"):
            (root / folder).mkdir()
        (root / "station.yaml").write_text(_STATION)
        names = [f"m{number:03}" for number in range(MEMBERS)]
        for member in names:
            repository(root / "repositories" / member)
            (root / "projects" / f"{member}.yaml").write_text(_MEMBER.replace("NAME", member))
        train = f"name: all\nmembers: [{', '.join(names)}]\nlimit: {LIMIT}\n"
        (root / "trains" / "all.yaml").write_text(train)
        os.environ["GARE_STATION"] = str(root)
        loaded = load_station(root)
        up_detached(replace(spec_of(loaded), catalog="bench.train:BENCH_CATALOG"), say=_silent)
        try:
            yield Gare(loaded)
        finally:
            down(loaded.state, say=_silent)


def _silent(_text: str) -> None:
    """Say nothing."""


def main() -> None:
    """Measure and print."""
    with station() as gare:
        server = child(gare, "server")
        plain = _taken(gare, lambda: _plain(gare), server)
        ours = _taken(gare, lambda: _ours(gare), server)
        compare("train", ours.wall_s, plain.wall_s, 1.3, unit="s")
        print(
            f"  {MEMBERS} members; task runs a member: ours {ours.task_runs / MEMBERS:.1f}, "
            f"plain {plain.task_runs / MEMBERS:.1f}; server CPU a member: "
            f"ours {1000 * ours.cpu_s / MEMBERS:.0f} ms, plain {1000 * plain.cpu_s / MEMBERS:.0f} ms; "
            f"processes of the train's own run: {ours.wakes}"
        )


class Taken(NamedTuple):
    """What one of the two took. `wakes`: how many processes the run had that started the others."""

    wall_s: float
    cpu_s: float
    task_runs: int
    wakes: int


def _taken(gare: Gare, act: Callable[[], list[str]], server: psutil.Process) -> Taken:
    """Let it happen; `act` returns all its runs, the one that starts the others first."""
    spent, started = cpu(server), time.perf_counter()
    runs = act()
    took = time.perf_counter() - started, cpu(server) - spent
    pages = [runs[start : start + _PAGE] for start in range(0, len(runs), _PAGE)]
    counts = [
        gare.engine.api.call(
            "POST", "/task_runs/count", {"flow_runs": {"id": {"any_": page}}}, what="count"
        )
        for page in pages
    ]
    path = f"/flow_run_states/?flow_run_id={runs[0]}"
    states = gare.engine.api.call("GET", path, what="list")
    wakes = sum(state["type"] == "RUNNING" for state in states)
    return Taken(*took, sum(counts), wakes)


def _ours(gare: Gare) -> list[str]:
    request = TrainRequest(name="all").model_dump(mode="json")
    run = gare.engine.start(request, deployment=deployment_of(Kind.TRAIN)).id
    until(lambda: gare.ledger.releases.of_run(run), 300)
    release = gare.ledger.releases.of_run(run)
    assert release is not None
    until(lambda: gare.ledger.releases.get(release.id).is_closed, 1800)
    members = gare.ledger.releases.members(release.id)
    released = sum(member.state == "released" for member in members)
    if released != MEMBERS:
        raise SystemExit(f"{released} of {MEMBERS} members were released")
    return [run, *(member.flow_run_id for member in members)]


def _plain(gare: Gare) -> list[str]:
    engine = gare.engine
    found = engine.api.call("GET", "/deployments/name/plain-train/gare", what="find")
    body = {"parameters": {"members": MEMBERS}}
    run = engine.api.call("POST", f"/deployments/{found['id']}/create_flow_run", body, what="start")
    until(lambda: engine.run(run["id"]).is_over, 1800)
    ended = engine.run(run["id"])
    if ended.state_type != "COMPLETED":
        raise SystemExit(f"the plain flow failed: {ended.state_message}")
    children = _children(gare)
    if failed := sum(child["state_type"] != "COMPLETED" for child in children):
        # A stock run fails when the engine's SQLite is locked at the wrong moment. It took its time, and counts.
        print(f"  {failed} of {MEMBERS} plain children failed")
    return [run["id"], *(child["id"] for child in children)]


def _children(gare: Gare) -> list[dict[str, Any]]:
    """Return the runs of the plain children."""
    found: list[dict[str, Any]] = []
    while True:
        body = {"flows": {"name": {"any_": ["plain-child"]}}, "limit": _PAGE, "offset": len(found)}
        page = gare.engine.api.call("POST", "/flow_runs/filter", body, what="list")
        found += page
        if len(page) < _PAGE:
            return found


if __name__ == "__main__":
    main()
