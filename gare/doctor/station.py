"""Looks at the station: its files, its state folder, its ledger, its processes."""

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta

import httpx

from gare.clock import now
from gare.config.loader import Station
from gare.doctor.check import Check, Site, fail, failed, ok, warn
from gare.engine import DEPLOYMENT, Engine
from gare.errors import ConnectorError
from gare.station_state import Phase, Record, StateFolder

POOL = "gare"
_GIB = 1024**3
_RECENT = timedelta(minutes=2)
"""How long the reconciler looks at runs that have ended."""
_DISK_LEFT = (0.5, 5.0)
"""GiB of free disk: below the first nothing can be built, below the second it gets tight."""


def configuration(site: Site) -> Iterator[Check]:
    """See that the station's files can be read."""
    if site.station is None:
        if site.problem:
            yield failed(site.problem)
        return
    names = ", ".join(sorted(site.station.projects))
    problems = site.station.problems()
    yield ok(f"Station `{site.station.config.name}` in {site.station.root}")
    # What is wrong with one file leaves the others alone: they are examined all the same.
    for problem in problems:
        yield fail(problem.head, problem.write)
    if names:
        yield ok(f"Projects: {names}")
    elif not problems:
        yield warn("The station has no project", "Run `gare init` in a project's repository.")


def state_folder(site: Site) -> Iterator[Check]:
    """See that the state folder can be written and has room."""
    if site.station is None:
        return
    folder = site.station.state
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        yield fail(
            f"The state folder {folder} cannot be used: {there} is no folder one may write in",
            "Make it writable, or name another `state` in station.yaml.",
        )
        return
    StateFolder(folder).check_format()
    free = shutil.disk_usage(there).free / _GIB
    what = f"State folder {folder}, {free:.1f} GiB free"
    little, tight = _DISK_LEFT
    if free < little:
        yield fail(what, "Make room: builds and the ledger need it.")
    elif free < tight:
        yield warn(what, "Make room soon: checkouts, artifacts and logs grow.")
    else:
        yield ok(what)


def ledger(site: Site) -> Iterator[Check]:
    """Open the ledger if there is one, and see who can vote."""
    from gare.wiring import Gare

    if site.station is None:
        return
    file = StateFolder(site.station.state).ledger
    if not site.station.config.ledger and not file.exists():
        yield ok(f"Ledger {file} will be made at the first start")
        return
    wired = Gare(site.station)
    with_token = wired.ledger.tokens.people()
    yield ok(f"Ledger {wired.ledger.database.engine.url.render_as_string(hide_password=True)}")
    wired.ledger.database.close()
    without = [
        person.name
        for person in site.station.config.people
        if person.groups and not with_token.get(person.name)
    ]
    if without:
        yield warn(
            f"Without a token, so they cannot vote: {', '.join(without)}",
            f"`gare token create {without[0]}` makes one.",
        )


def server(site: Site) -> Iterator[Check]:
    """See whether the station is up, and whether all of it works."""
    if site.station is None:
        return
    record = site.record
    if record is None:
        yield warn("The station is not up", "`gare up` starts it.")
        return
    if record.phase is not Phase.READY:
        yield warn(f"The station is {record.phase}", "Wait a moment, then look again.")
        return
    if record.gateway_url:
        yield _gateway(record.gateway_url, site.station)
    try:
        with httpx.Client(base_url=record.api_url, timeout=5, trust_env=False) as api:
            api.get("/health").raise_for_status()
            yield ok(f"Prefect server {record.ui_url}")
            yield _worker(api, site.station)
            yield from _paused(api)
            yield _deployment(api)
        yield _runs(record, StateFolder(site.station.state))
    except httpx.HTTPError as error:
        log = StateFolder(site.station.state).log("server")
        yield fail(
            f"The Prefect server at {record.api_url} does not answer: {error}", f"Read {log}."
        )


def _gateway(url: str, station: Station) -> Check:
    try:
        httpx.get(f"{url}/health", timeout=5, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        log = StateFolder(station.state).log("gateway")
        return fail(f"The gateway at {url} does not answer: {error}", f"Read {log}.")
    return ok(f"Gateway {url}")


def _worker(api: httpx.Client, station: Station) -> Check:
    reply = api.post(f"/work_pools/{POOL}/workers/filter", json={})
    workers = reply.json() if reply.is_success else []
    alive = [worker["name"] for worker in workers if worker["status"] == "ONLINE"]
    if alive:
        return ok(f"Worker {', '.join(alive)}")
    log = StateFolder(station.state).log("worker")
    return fail("No worker reports to the server", f"Read {log}; then `gare down` and `gare up`.")


def _paused(api: httpx.Client) -> Iterator[Check]:
    reply = api.get(f"/work_pools/{POOL}")
    if reply.is_success and reply.json()["is_paused"]:
        yield warn(
            f"The work pool {POOL} is paused: no run starts", "Resume it in the UI: Work Pools."
        )


def _runs(record: Record, state: StateFolder) -> Check:
    """Ask what the reconciler asks: a server that cannot tell of one run fails for every list with it."""
    engine, since = Engine(record.api_url), now() - _RECENT
    try:
        if not engine.moving(since).unreadable:
            return ok("The server can list its runs")
        lost = engine.unreadable(since)
    except ConnectorError as error:
        return fail(
            f"The server cannot list its runs: {error.what}", f"Read {state.log('server')}."
        )
    commands = "; ".join(f"curl -X DELETE {record.api_url}/flow_runs/{run_id}" for run_id in lost)
    return fail(
        f"The server fails for lists with these runs, whose parameters it cannot tell: {', '.join(lost)}",
        f"Gare goes on without them, the UI does not. Remove them: {commands}",
    )


def _deployment(api: httpx.Client) -> Check:
    if api.get(f"/deployments/name/{DEPLOYMENT}").is_success:
        return ok(f"Deployment {DEPLOYMENT}")
    return fail(f"The deployment {DEPLOYMENT} is not registered", "`gare down`, then `gare up`.")
