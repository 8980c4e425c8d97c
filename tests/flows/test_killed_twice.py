"""Everything of a station killed twice in the middle of a release: it ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from waiting import is_running, marked, wait_until

from deployments.local import down, spec_of, up_detached
from deployments.processes import marked as marked_state
from gare.config.loader import load_station
from gare.domain.releases import ReleaseState
from gare.station_state import StateFolder, read_record

pytestmark = pytest.mark.engine

STEPS = """
steps:
  - {{id: before, type: run, command: {nap} {mark}-before], needs: [build]}}
  - {{id: after, type: run, command: {nap} {mark}-after], needs: [deploy-production]}}
  - {{id: publish, type: publish, needs: [after, verify-production]}}
"""
NAP = "[python3, -c, 'import time; time.sleep(4)',"


@pytest.fixture
def up(tmp_path):
    """Give the way to start a station of one's own, as often as wanted."""
    (tmp_path / "projects").mkdir()
    (tmp_path / "station.yaml").write_text(
        "name: twice\nserver: {port: 0}\ngateway: false\nrescue: {quiet: 2s, attempts: 8}\n"
        "people: [{name: alice, email: alice@example.org}]\n"
    )

    def start():
        up_detached(replace(spec_of(load_station(tmp_path)), port=0), say=print)

    yield start
    down(tmp_path / ".gare", say=print)


def test_a_release_ends_as_if_nothing_had_happened_when_all_is_killed_twice(tmp_path, up, make):
    up()
    shop = make(tmp_path, "twice")
    shop.configure(STEPS.format(nap=NAP, mark="mark-twice"))
    shop.run("release", shop.name, "--no-follow", person="alice")
    for moment in ("before", "after"):
        wait_until(lambda moment=moment: marked(f"mark-twice-{moment}"))
        kill_all(tmp_path / ".gare")
        up()
    shop.wait_for(ReleaseState.RELEASED, timeout_s=150)
    release = shop.last()
    assert (shop.production / "current" / "version.txt").read_text() == "1.1.0"
    assert shop.git("ls-remote", "--tags", "origin").count("refs/tags/v1.1.0\n") == 1
    ledger = shop.gare().ledger
    events = [event.kind for event in ledger.database.events(release.id)]
    assert events.count("step done") == len(ledger.releases.steps(release.id))
    assert events.count("effect done") + events.count("effect adopted") == len(
        ledger.effects.of(release.id)
    )
    check_elsewhere(shop, tmp_path)


def check_elsewhere(shop, folder):
    """Verify the evidence where no station is: another folder, an empty environment."""
    bundle, key = folder / "R-1.zip", folder / "key.pem"
    shop.run("evidence", shop.last().id, "-o", str(bundle))
    key.write_text(shop.run("key", "export"))
    away = folder / "away"
    away.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "gare", "evidence", "verify", str(bundle), "--key", str(key)],
        cwd=away,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sound" in done.stdout


def kill_all(state):
    """Kill the supervisor first, so that it starts nothing again, then all the rest."""
    record = read_record(StateFolder(state))
    assert record is not None
    os.kill(record.supervisor.pid, signal.SIGKILL)
    for process in marked_state(state):
        process.kill()
    wait_until(lambda: not marked_state(state) and not is_running(record.supervisor.pid))
