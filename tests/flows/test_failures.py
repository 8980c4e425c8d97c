"""What is not a kill: a ledger or an engine that is away, a station that ends, replies that are lost, upgrades.

The station is this module's own: its server is frozen and killed, its engine's database removed.
"""

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select
from waiting import marked, wait_until

from deployments.local import down, spec_of, up_detached
from gare.config.loader import load_station
from gare.domain.releases import ReleaseState
from gare.ledger.database import FORMS, HEAD_REVISION
from gare.ledger.schema import plans
from gare.station_state import StateFolder, read_record

pytestmark = pytest.mark.engine

STATION_YAML = """
name: failing
server: {{port: 0}}
gateway: false
ledger: "{ledger}"
rescue: {{quiet: 4s, attempts: 8}}
people:
  - {{name: alice, email: alice@example.org, groups: [managers]}}
  - {{name: bob, email: bob@example.org, groups: [qa]}}
  - {{name: carol, email: carol@example.org, groups: [operations]}}
"""
NAP = "\nsteps:\n  - {{id: nap, type: run, {more}command: [python3, nap.py, {mark}]}}\n"
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
    make_station(root, f"sqlite:///{root / 'ledger' / 'ledger.db'}?timeout=1")
    yield root
    down(root / ".gare", say=print)


def test_a_ledger_that_is_locked_for_longer_than_writes_wait_is_waited_for(shop, station_root):
    _, let_go = start_nap(shop)
    with locked(station_root / "ledger" / "ledger.db"):
        let_go()
        # The step has ended: for three times as long as a write waits, nothing can be written down.
        wait_until(lambda: not marked(f"mark-{shop.name}"))
        time.sleep(3)
    shop.wait_for(ReleaseState.RELEASED)
    assert "run brought on" not in shop.events()
    shop.assert_once()
    assert naps(shop) == 1


def test_a_station_that_ends_in_the_middle_of_a_step_goes_on_when_it_is_up(shop, station_root):
    _, let_go = start_nap(shop)
    down(station_root / ".gare", say=print)
    assert shop.last().state is ReleaseState.RUNNING
    up(station_root)
    let_go()
    shop.wait_for(ReleaseState.RELEASED, timeout_s=120)
    shop.assert_once()


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
        assert "; approved" in said
        time.sleep(20)
    finally:
        server.resume()
    shop.wait_for(ReleaseState.RELEASED, timeout_s=180)
    assert shop.events().count("approval asked") == 1
    shop.assert_once()
    assert naps(shop) == 1


def test_a_server_that_is_away_when_a_run_would_suspend_and_people_vote_loses_nothing(
    shop, station_root
):
    shop.configure_approval()
    release, let_go = start_nap(shop, "before: [approve-production], ")
    # Beside the nap; without a server no step begins any more.
    wait_until(lambda: shop.events().count("step done") == 4)
    supervisor = psutil.Process(read_record(StateFolder(station_root / ".gare")).supervisor.pid)
    server = server_of(station_root)
    # Killed for longer than a moment: who would start it again is asleep.
    supervisor.suspend()
    try:
        server.kill()
        let_go()
        wait_until(lambda: "approval asked" in shop.events())
        shop.run("approve", release.id, "--env", "production", person="bob")
        said = shop.run("approve", release.id, "--env", "production", person="carol")
        assert "; approved" in said
        assert "the station does it when it is up" in said
        time.sleep(20)
    finally:
        supervisor.resume()
    shop.wait_for(ReleaseState.RELEASED, timeout_s=180)
    assert shop.events().count("approval asked") == 1
    shop.assert_once()
    assert naps(shop) == 1


def test_releases_outlive_the_database_of_the_engine(new_shop, station_root):
    waiting, running = new_shop("outlives-waiting"), new_shop("outlives-running")
    waiting.configure_approval()
    waiting.release()
    first = waiting.wait_for(ReleaseState.WAITING)
    waiting.run("approve", first.id, "--env", "production", person="bob")
    second, let_go = start_nap(running)
    down(station_root / ".gare", say=print)
    for file in (station_root / ".gare" / "prefect").glob("prefect.db*"):
        file.unlink()
    up(station_root)
    let_go()
    for shop in (waiting, running):
        shop.wait_for(ReleaseState.ATTENTION)
    assert f"gare recover {first.id}" in waiting.run("why", first.id)
    said = waiting.run("recover")
    assert f"{first.id} goes on" in said
    assert f"{second.id} goes on" in said
    running.wait_for(ReleaseState.RELEASED, timeout_s=120)
    waiting.wait_for(ReleaseState.WAITING)
    waiting.run("approve", first.id, "--env", "production", person="carol")
    waiting.wait_for(ReleaseState.RELEASED)
    assert waiting.events().count("approval asked") == 1
    waiting.assert_once()
    running.assert_once()


def test_an_upgrade_between_two_wakes_changes_nothing_of_a_release(make, own_station):
    """Its plan was written by an older Gare, the ledger has the first form, its project's file says other things."""
    shop = make(own_station, "upgraded")
    shop.configure_approval()
    digest = older_plan(shop)
    shop.release("--plan", digest)
    release = shop.wait_for(ReleaseState.WAITING)
    shop.run("approve", release.id, "--env", "production", person="bob")
    down(own_station / ".gare", say=print)
    to_form_0001(own_station / ".gare" / "ledger.db")
    shop.configure(build='{commands: ["false"]}', test='{commands: ["false"], junit: ["no.xml"]}')
    up(own_station)
    shop.run("approve", release.id, "--env", "production", person="carol")
    released = shop.wait_for(ReleaseState.RELEASED)
    assert released.plan == digest
    assert shop.events().count("approval asked") == 1
    assert {record.attempt for record in steps_of(shop).values()} == {1}
    shop.assert_once()


@pytest.mark.parametrize("way", ["cut in the middle of the reply", "reply lost"])
def test_a_message_whose_reply_is_lost_is_not_sent_twice(shop, way):
    with receiver(way) as (url, requests):
        announce_to(shop, url)
        assert "at most once: webhook" in shop.run("plan", shop.name)
        said = shop.release(code=1)
        release = shop.wait_for(ReleaseState.FAILED)
        assert f"gare done {release.id} announce --comment" in said
        assert f"gare done {release.id} announce --comment" in shop.run("why", release.id)
        shop.run("resume", release.id, code=1)
        assert len(requests) == 1
        shop.run("done", release.id, "announce", "--comment", "it is there", person="alice")
        shop.run("resume", release.id)
    assert len(requests) == 1
    assert shop.last().state is ReleaseState.RELEASED
    shop.assert_once()


def test_a_message_that_has_not_arrived_is_sent_again_on_a_persons_word(shop):
    with receiver("reply lost") as (url, requests):
        announce_to(shop, url)
        shop.release(code=1)
        release = shop.wait_for(ReleaseState.FAILED)
        shop.run("done", release.id, "announce", "--again", "--comment", "nothing", person="alice")
        requests.append("from now on it answers")
        shop.run("resume", release.id)
    assert len(requests) == 3
    assert shop.last().state is ReleaseState.RELEASED
    shop.assert_once()


def test_a_push_whose_reply_is_lost_is_adopted(shop):
    pushed = shop.root / f"{shop.name}-pushed"
    hook = shop.remote / "hooks" / "post-receive"
    # The refs are written; then the server's side of the connection dies, once.
    hook.write_text(f"#!/bin/sh\ncat >> {pushed}\n[ $(wc -l < {pushed}) -gt 1 ] || kill -9 $PPID\n")
    hook.chmod(0o755)
    shop.release()
    release = shop.wait_for(ReleaseState.RELEASED)
    assert len(pushed.read_text().splitlines()) == 1
    [tag] = [
        effect for effect in shop.gare().ledger.effects.of(release.id) if "tag" in effect.target
    ]
    assert tag.is_adopted
    shop.assert_once()


def test_a_database_server_that_is_stopped_while_a_release_runs_is_waited_for(
    tmp_path, new_shop, database_server
):
    make_station(tmp_path, database_server.address())
    try:
        shop = new_shop.func(tmp_path, "shop")
        _, let_go = start_nap(shop)
        database_server.stop()
        let_go()
        wait_until(lambda: not marked(f"mark-{shop.name}"))
        time.sleep(5)
        said = shop.run("status", code=4)
        assert "gare: error: The ledger cannot be used now" in said
        database_server.start()
        shop.wait_for(ReleaseState.RELEASED)
        assert "run brought on" not in shop.events()
        shop.assert_once()
        assert naps(shop) == 1
    finally:
        down(tmp_path / ".gare", say=print)


def make_station(root, ledger):
    """Write a station's file and start it."""
    (root / "station.yaml").write_text(STATION_YAML.format(ledger=ledger))
    (root / "projects").mkdir()
    up(root)


def up(root):
    """Start the station in the background."""
    up_detached(spec_of(load_station(root, leave_out_broken=True)), say=print)


def start_nap(shop, more=""):
    """Start a release that sleeps in a step; return it when it sleeps, with what lets it go on."""
    shop.commit("test: a nap", "nap.py", NAP_PY.format(root=shop.root, name=shop.name))
    file = shop.root / "projects" / f"{shop.name}.yaml"
    file.write_text(file.read_text() + NAP.format(mark=f"mark-{shop.name}", more=more))
    shop.run("release", shop.name, "--no-follow")
    wait_until(lambda: marked(f"mark-{shop.name}"))
    return shop.last(), (shop.root / f"{shop.name}-gate").touch


def naps(shop):
    """Return how often the step has slept."""
    return len((shop.root / f"{shop.name}-naps").read_text().splitlines())


@contextmanager
def locked(file):
    """Hold the one right to write in a SQLite database."""
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    yield
    holder.execute("ROLLBACK")
    holder.close()


@contextmanager
def receiver(way):
    """Serve as a webhook that takes a message and loses its reply; after the first it answers as it should."""
    requests = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                requests.append(read_request(connection))
                if len(requests) > 1:
                    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                elif way != "reply lost":
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthank")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook", requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def read_request(connection):
    stream = connection.makefile("rb")
    length = 0
    while (line := stream.readline().strip().lower()) not in (b"",):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return json.loads(stream.read(length))["key"]


def announce_to(shop, url):
    shop.configure(f"\nannounce:\n  - {{type: webhook, url: '{url}'}}\n")


def older_plan(shop):
    """Store the plan as a Gare wrote it that did not know the newest keys yet; return its digest."""
    from gare.domain.digest import canonical, sha256

    planned = json.loads(shop.run("plan", shop.name, "--json"))
    database = shop.gare().ledger.database
    with database.write() as connection:
        row = connection.execute(select(plans).where(plans.c.digest == planned["digest"])).one()
        body = json.loads(row.body)
        del body["env"], body["warnings"]
        for commit in body["commits"]:
            del commit["is_merge"]
        for step in body["steps"]:
            del step["repeats_failures"]
        text = canonical(body)
        connection.execute(
            plans.insert().values(**dict(row._mapping) | {"digest": sha256(text), "body": text})
        )
    return sha256(text)


def to_form_0001(file):
    """Take away what the later migrations added."""
    connection = sqlite3.connect(file, isolation_level=None)
    for table in sorted(FORMS[HEAD_REVISION] - FORMS["0001"]):
        connection.execute(f"DROP TABLE {table}")
    connection.execute(
        "CREATE TABLE former AS SELECT project, environment, version, release, at FROM verified"
    )
    connection.execute("DROP TABLE verified")
    connection.execute("ALTER TABLE former RENAME TO verified")
    connection.execute("DROP INDEX ix_releases_state_wake_at")
    connection.execute("DROP INDEX ix_releases_train")
    connection.execute("ALTER TABLE releases DROP COLUMN kind")
    connection.execute("ALTER TABLE releases DROP COLUMN train")
    connection.execute("ALTER TABLE effects DROP COLUMN claimed_by")
    connection.execute("ALTER TABLE releases DROP COLUMN settled")
    connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()


def steps_of(shop):
    return shop.gare().ledger.releases.steps(shop.last().id)


def server_of(root):
    record = read_record(StateFolder(root / ".gare"))
    return psutil.Process(next(c.pid for c in record.children if c.name == "server"))
