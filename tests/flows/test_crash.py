"""A release survives the death of its process, of its worker, and the loss of its run, on the real station."""

import os
import signal

import httpx
import pytest
from waiting import is_running, marked, wait_until

from gare.domain.releases import ReleaseState
from gare.rescue import lease_of
from gare.station_state import StateFolder, read_record

pytestmark = pytest.mark.engine

NAP = (
    "\nsteps:\n  - {{id: nap, type: run, before: [validate], "
    "command: [python3, -c, 'import time; time.sleep({seconds})', {mark}]}}\n"
)
"""Before the deployment: a process stopped in the middle of one keeps its target locked, and the next one waits."""


def test_a_killed_run_goes_on_by_itself_and_does_nothing_twice(shop):
    release = start_nap(shop, seconds=3)
    os.kill(process_of(shop, release), signal.SIGKILL)
    shop.wait_for(ReleaseState.RELEASED, timeout_s=90)
    assert shop.events().count("run brought on") == 1
    assert shop.gare().ledger.releases.steps(release.id)["build"].attempt == 1
    shop.assert_once()


def test_a_run_whose_worker_died_with_it_goes_on_by_itself(shop):
    release = start_nap(shop, seconds=3)
    pid = process_of(shop, release)
    kill_child(shop, "worker")
    os.kill(pid, signal.SIGKILL)
    shop.wait_for(ReleaseState.RELEASED, timeout_s=120)
    shop.assert_once()


def test_a_dead_run_is_ended_by_cancel(shop):
    release = start_nap(shop, seconds=60)
    pid = process_of(shop, release)
    kill_child(shop, "worker")
    os.kill(pid, signal.SIGKILL)
    assert f"{release.id} is cancelled." in shop.run("cancel", release.id, "--reason", "enough")
    assert shop.last().end == "cancelled: enough"


def test_a_process_that_was_asleep_while_another_took_over_writes_nothing_and_ends(shop):
    release = start_nap(shop, seconds=2)
    pid = process_of(shop, release)
    os.kill(pid, signal.SIGSTOP)
    try:
        shop.wait_for(ReleaseState.RELEASED, timeout_s=120)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not is_running(pid))
    shop.assert_once()
    engine = shop.gare().engine
    wait_until(lambda: engine.run(release.flow_run_id).state_name == "Released", timeout_s=60)


def test_a_waiting_release_whose_run_the_engine_lost_is_recovered_with_its_votes(shop):
    shop.configure_approval()
    shop.release()
    release = shop.wait_for(ReleaseState.WAITING)
    shop.run("approve", release.id, "--env", "production", person="bob")
    engine = shop.gare().engine
    wait_until(lambda: engine.run(release.flow_run_id).is_suspended)
    httpx.delete(f"{engine.url}/flow_runs/{release.flow_run_id}").raise_for_status()
    shop.wait_for(ReleaseState.ATTENTION)
    assert f"gare recover {release.id}" in shop.run("why", release.id)
    assert f"{release.id} goes on" in shop.run("recover", release.id)
    shop.wait_for(ReleaseState.WAITING)
    shop.run("approve", release.id, "--env", "production", person="carol")
    shop.wait_for(ReleaseState.RELEASED)
    assert shop.events().count("approval asked") == 1
    shop.assert_once()
    assert "has ended: released" in shop.run("recover", release.id, code=3)


def start_nap(shop, seconds):
    """Start a release that sleeps in a step, and return it when it sleeps."""
    mark = f"mark-{shop.name}"
    shop.configure(NAP.format(seconds=seconds, mark=mark))
    shop.run("release", shop.name, "--no-follow")
    wait_until(lambda: marked(mark))
    return shop.last()


def process_of(shop, release):
    """Return the process that holds the lease of the release's run."""
    from sqlalchemy import select

    from gare.ledger.schema import leases

    with shop.gare().ledger.database.read() as connection:
        holder = connection.execute(
            select(leases.c.holder).where(leases.c.name == lease_of(release.flow_run_id))
        ).scalar_one()
    return int(holder.split(":")[1])


def kill_child(shop, name):
    """Kill a process of the station, with what it has forked but for the runs."""
    record = read_record(StateFolder(shop.root / ".gare"))
    [child] = [child for child in record.children if child.name == name]
    os.kill(child.pid, signal.SIGKILL)
