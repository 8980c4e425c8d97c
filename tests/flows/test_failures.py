"""What is not a kill: a ledger or an engine that is away, a station that ends, replies that are lost, upgrades.

The station is this module's own: its server is frozen and killed, its engine's database removed.
"""

import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select, update

from deployments.local import down, spec_of, up_detached
from gare.config.loader import load_station
from gare.domain.releases import ReleaseState, StepState
from gare.ledger.schema import leases, plans
from gare.station_state import StateFolder, read_record

pytestmark = pytest.mark.engine

STATION_YAML = """
name: failing
server: {{port: 0}}
ledger: "{ledger}"
rescue: {{quiet: 4s, attempts: 8}}
people:
  - {{name: alice, email: alice@example.org, groups: [managers]}}
  - {{name: bob, email: bob@example.org, groups: [qa]}}
  - {{name: carol, email: carol@example.org, groups: [operations]}}
"""
NAP = "\nsteps:\n  - {{id: nap, type: run, command: [python3, nap.py, {mark}]}}\n"
NAP_PY = """
import pathlib, time
with open("{root}/{name}-naps", "a") as naps:
    naps.write("nap\\n")
while not pathlib.Path("{root}/{name}-gate").exists():
    time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def station_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A station whose ledger does not wait long for a lock."""
    root = tmp_path_factory.mktemp("failing")
    ledger = f"sqlite:///{root / 'ledger' / 'ledger.db'}?timeout=1"
    (root / "station.yaml").write_text(STATION_YAML.format(ledger=ledger))
    (root / "projects").mkdir()
    up(root)
    yield root
    down(root / ".gare", say=print)


def test_a_ledger_that_is_locked_for_longer_than_writes_wait_is_waited_for(shop, station_root):
    release, let_go = start_nap(shop)
    with locked(station_root / "ledger" / "ledger.db"):
        let_go()
        # The step has ended: for three times as long as a write waits, nothing can be written down.
        wait_until(lambda: not marked(shop.name))
        time.sleep(3)
    shop.wait_for(ReleaseState.RELEASED)
    assert "run brought on" not in shop.events()
    assert_once(shop)
    assert naps(shop) == 1


def test_a_station_that_ends_in_the_middle_of_a_step_goes_on_when_it_is_up(shop, station_root):
    release, let_go = start_nap(shop)
    down(station_root / ".gare", say=print)
    assert shop.last().state is ReleaseState.RUNNING
    up(station_root)
    let_go()
    shop.wait_for(ReleaseState.RELEASED, timeout_s=120)
    assert_once(shop)


def test_a_server_that_is_frozen_while_a_step_ends_and_people_vote_loses_nothing(
    shop, station_root
):
    shop.configure_approval()
    release, let_go = start_nap(shop)
    wait_until(lambda: "approval asked" in shop.events())
    server = server_of(station_root)
    server.suspend()
    try:
        let_go()
        shop.run("approve", release.id, "--env", "production", person="bob")
        said = shop.run("approve", release.id, "--env", "production", person="carol")
        assert "quorum" in said or "approved" in said
        time.sleep(20)
    finally:
        server.resume()
    shop.wait_for(ReleaseState.RELEASED, timeout_s=180)
    assert shop.events().count("approval asked") == 1
    assert_once(shop)
    assert naps(shop) == 1


def up(root):
    """Start the station in the background."""
    up_detached(spec_of(load_station(root, leave_out_broken=True)), say=print)


def start_nap(shop, approval=""):
    """Start a release that sleeps in a step; return it when it sleeps, with what lets it go on."""
    shop.commit("test: a nap", "nap.py", NAP_PY.format(root=shop.root, name=shop.name))
    file = shop.root / "projects" / f"{shop.name}.yaml"
    file.write_text(file.read_text() + NAP.format(mark=f"mark-{shop.name}"))
    shop.run("release", shop.name, "--no-follow")
    wait_until(lambda: marked(shop.name))
    return shop.last(), (shop.root / f"{shop.name}-gate").touch


def naps(shop):
    """Return how often the step has slept."""
    return len((shop.root / f"{shop.name}-naps").read_text().splitlines())


def marked(name):
    mark = f"mark-{name}"
    return [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]


@contextmanager
def locked(file):
    """Hold the one right to write in a SQLite database."""
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    yield
    holder.execute("ROLLBACK")
    holder.close()


def server_of(root):
    record = read_record(StateFolder(root / ".gare"))
    return psutil.Process(next(c.pid for c in record.children if c.name == "server"))


def assert_once(shop):
    """Every step was done once, every effect has one receipt, and the evidence says so."""
    release = shop.last()
    ledger = shop.gare().ledger
    events = ledger.database.events(release.id)
    done = [event.body for event in events if event.kind == "step done"]
    assert len(done) == len(set(done)) == len(ledger.releases.steps(release.id))
    effects = ledger.effects.of(release.id)
    assert all(effect.receipt is not None for effect in effects)
    receipts = [event for event in events if event.kind in ("effect done", "effect adopted")]
    assert len(receipts) == len(effects)
    bundle = str(shop.root / f"{release.id}.zip")
    shop.run("evidence", release.id, "-o", bundle)
    shop.run("evidence", "verify", bundle)


def wait_until(is_so, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.2)
