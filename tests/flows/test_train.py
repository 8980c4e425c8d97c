"""Trains on the real engine: members depart in order, one fails and the rule acts, two trains share a member."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from waiting import is_running, wait_until

from gare.domain.plan import Kind
from gare.domain.releases import Release, ReleaseState
from gare.ledger.schema import leases
from gare.rescue import lease_of

pytestmark = pytest.mark.engine


@dataclass
class Train:
    """A train of the station: its members' shops, and the commands people use."""

    name: str
    shops: dict

    @property
    def first(self):
        return next(iter(self.shops.values()))

    def write(self, more: str = "") -> None:
        folder = self.first.root / "trains"
        folder.mkdir(exist_ok=True)
        members = ", ".join(shop.name for shop in self.shops.values())
        text = f"name: {self.name}\nmembers: [{members}]\n{more}"
        (folder / f"{self.name}.yaml").write_text(text)

    def run(self, *words: str, code: int | None = 0) -> str:
        return self.first.run("train", *words, person="alice", code=code)

    def depart(self) -> str:
        self.run("depart", self.name, "--no-follow")
        return self.departures()[0].id

    def departures(self) -> list[Release]:
        return self.first.gare().ledger.releases.find(project=f"train:{self.name}")

    def stands(self, release_id: str) -> dict[str, str]:
        """Return the state of every member, by its short name."""
        page = json.loads(self.run("status", release_id, "--json"))
        short = {shop.name: key for key, shop in self.shops.items()}
        return {short[one["project"]]: one["state"] for one in page["members"]}

    def release(self, release_id: str) -> Release:
        return self.first.gare().ledger.releases.get(release_id)

    def wait_for(self, release_id: str, state: ReleaseState) -> Release:
        wait_until(lambda: self.release(release_id).state is state, timeout_s=120)
        return self.release(release_id)


@pytest.fixture
def make_train(new_shop, request):
    """Give the way to make a train of new projects."""
    prefix = "".join(char for char in request.node.name.lower() if char.isalnum())[-20:]

    def make(*keys: str) -> Train:
        return Train(f"t{prefix}", {key: new_shop(f"{prefix}-{key}") for key in keys})

    return make


def block(shop) -> Path:
    """Let the project's build fail as long as a file is there."""
    sign = shop.root / f"{shop.name}.blocked"
    sign.touch()
    text = (shop.work / "make.py").read_text()
    check = f"import pathlib\nif pathlib.Path({str(sign)!r}).exists():\n    raise SystemExit('blocked')\n"
    shop.commit("fix: a build that can be blocked", "make.py", check + text)
    return sign


def needs(train: Train, **wanted: str) -> str:
    lines = [
        f"  {train.shops[key].name}: [{train.shops[need].name}]" for key, need in wanted.items()
    ]
    return "needs:\n" + "\n".join(lines) + "\n"


def test_a_member_fails_the_train_is_held_and_goes_on_after_the_repair(make_train):
    train = make_train("api", "web", "app")
    train.write(needs(train, web="api", app="web"))
    sign = block(train.shops["web"])
    plan = train.run("plan", train.name)
    assert plan.index(train.shops["api"].name) < plan.index(train.shops["web"].name)
    departure = train.depart()
    wait_until(
        lambda: train.stands(departure) == {"api": "arrived", "web": "held", "app": "boarded"},
        timeout_s=120,
    )
    web = train.shops["web"].last()
    assert web.train == departure
    resume = f"`gare resume {web.id}`"
    wait_until(lambda: any(resume in wait.ways for wait in train.release(departure).waits))
    wait_until(lambda: f"| held | {web.id} |" in shown(train, f"{departure}-train"))
    page = shown(train, f"{departure}-train")
    assert f"| **{web.project}** | 1.1.0 | held | {web.id} |" in page
    assert "```mermaid" in page
    why = train.first.run("why", departure)
    assert f"gare resume {web.id}" in why
    sign.unlink()
    train.shops["web"].run("resume", web.id, "--no-follow", person="alice")
    train.wait_for(departure, ReleaseState.RELEASED)
    assert train.stands(departure) == {"api": "arrived", "web": "arrived", "app": "arrived"}
    assert all("v1.1.0" in shop.git("tag", "--list") for shop in train.shops.values())
    closed = {key: shop.last().closed_at for key, shop in train.shops.items()}
    opened = {key: shop.last().opened_at for key, shop in train.shops.items()}
    assert closed["api"] <= opened["web"]
    assert closed["web"] <= opened["app"]
    assert "the schedule stands still" not in train.run("status", train.name)
    assert "failed members" in json.loads(train.run("status", departure, "--json"))["waiting_s"]
    wait_until(lambda: shown(train, f"{departure}-progress") == "100")
    bundle = str(train.first.root / f"{departure}.zip")
    train.first.run("evidence", departure, "-o", bundle)
    assert "sound" in train.first.run("evidence", "verify", bundle)
    train.first.run("audit", "verify")


def test_a_failed_member_is_dropped_with_those_that_need_it_and_the_schedule_stops(make_train):
    train = make_train("api", "web", "app")
    timetable = "schedule: {cron: 0 10 1 1 *, zone: Europe/Paris}\n"
    train.write(needs(train, app="web") + "on_failure: drop\nlimit: 1\n" + timetable)
    train.run("apply")
    block(train.shops["web"])
    departure = train.depart()
    ended = train.wait_for(departure, ReleaseState.RELEASED)
    assert train.stands(departure) == {"api": "arrived", "web": "dropped", "app": "dropped"}
    web = train.shops["web"].last()
    assert web.state is ReleaseState.CANCELLED
    assert web.end.startswith(f"left out of {ended.id}: step build failed")
    assert "v1.1.0" not in train.shops["app"].git("tag", "--list")
    app = next(one for one in members(train, departure) if one["project"].endswith("app"))
    assert app["said"] == f"needs {train.shops['web'].name}, which was left out"
    status = train.run("status", train.name)
    assert f"stands still: {ended.id}: {train.shops['web'].name} failed" in status
    assert not schedules(train)[train.name]["active"]
    train.run("resume", train.name)
    assert "stands still" not in train.run("status", train.name)
    train.first.run("audit", "verify")


def test_two_trains_that_share_a_member_leave_one_after_the_other_and_say_for_whom(make_train):
    one = make_train("shared", "left")
    one.shops["shared"].configure_approval("{groups: {qa: 1}}")
    one.write()
    other = Train(f"{one.name}b", {"shared": one.shops["shared"]})
    other.write()
    first, shared = one.depart(), one.shops["shared"]
    wait_until(lambda: asked(shared), timeout_s=120)
    own = shared.last()
    second = other.depart()
    queued = f"queued behind {own.id} ({shared.name}/production and the version line), place 1 of 1"
    wait_until(lambda: queued in "".join(other.release(second).waiting), timeout_s=120)
    assert queued in members(other, second)[0]["said"]
    shared.run("approve", own.id, "--env", "production", person="bob")
    one.wait_for(first, ReleaseState.RELEASED)
    ended = other.wait_for(second, ReleaseState.CANCELLED)
    assert f"nothing left to release: {own.id} took it with 1.1.0" in ended.end


def test_a_train_that_is_killed_is_brought_on_and_starts_no_member_twice(make_train):
    train = make_train("one", "two")
    train.write(needs(train, two="one"))
    departure = train.depart()
    kills = 0
    while kills < 2 and not train.release(departure).is_closed:
        pid = process_of(train, departure)
        if pid and is_running(pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: not is_running(pid))
            kills += 1
    assert kills
    train.wait_for(departure, ReleaseState.RELEASED)
    own = train.first.gare().ledger.releases.members(departure)
    assert sorted(one.project for one in own) == sorted(s.name for s in train.shops.values())
    for shop in train.shops.values():
        shop.assert_once()


def test_a_timetable_is_a_schedule_of_the_engine_and_a_skipped_slot_does_not_depart(make_train):
    train = make_train("only")
    train.write("schedule: {cron: 0 10 1 1 *, zone: Europe/Paris}\ncut_off: 1h\n")
    assert f"{train.name} registered" in train.run("apply")
    assert "nothing was changed" in train.run("apply")
    schedule = schedules(train)[train.name]
    assert schedule["schedule"]["cron"] == "0 9 1 1 *"
    assert schedule["schedule"]["timezone"] == "Europe/Paris"
    assert (schedule["active"], schedule["parameters"]["request"]["name"]) == (True, train.name)
    train.run("hold", train.name, "--reason", "a strike")
    assert not schedules(train)[train.name]["active"]
    train.run("resume", train.name)
    assert schedules(train)[train.name]["active"]
    pause_in_ui(train)
    register_again(train)
    schedule = schedules(train)[train.name]
    assert (schedule["active"], schedule["parameters"]["request"]["name"]) == (False, train.name)
    assert f"The train {train.name} is paused in the engine" in train.first.run("doctor", code=None)
    assert f"{train.name} is paused in the engine" in train.run("list")
    train.run("resume", train.name)
    assert schedules(train)[train.name]["active"]
    slot = json.loads(train.run("status", train.name, "--json"))["departures"][0]["slot"]
    train.run("skip", train.name, slot, "--reason", "a fair")
    assert "does not depart: skipped by alice: a fair" in train.run("board", train.name, code=3)
    [ended] = train.departures()
    assert (ended.state, ended.version) == (ReleaseState.CANCELLED, slot)
    engine = train.first.gare().engine
    wait_until(lambda: engine.run(ended.flow_run_id).state_type == "COMPLETED")
    (train.first.root / "trains" / f"{train.name}.yaml").unlink()
    assert f"{train.name} removed" in train.run("apply")
    assert train.name not in schedules(train)


def pause_in_ui(train: Train) -> None:
    """Pause the schedule as the engine's UI does, which forgets what it starts."""
    engine = train.first.gare().engine
    deployment = httpx.get(f"{engine.url}/deployments/name/train/gare").json()["id"]
    path = f"{engine.url}/deployments/{deployment}/schedules/{schedules(train)[train.name]['id']}"
    # A busy server answers 503, and the UI lets the person try again.
    wait_until(lambda: httpx.patch(path, json={"active": False}, timeout=30).is_success)


def register_again(train: Train) -> None:
    """Register the deployments as the next `gare up` does."""
    root, url = train.first.root, train.first.gare().engine.url
    words = ("--worker-folder", str(root / ".gare" / "worker"), "--worker-limit", "10")
    subprocess.run(
        [sys.executable, "-m", "deployments.apply", *words],
        env={**os.environ, "GARE_STATION": str(root), "PREFECT_API_URL": url},
        check=True,
        capture_output=True,
    )


def schedules(train: Train) -> dict[str, dict]:
    url = f"{train.first.gare().engine.url}/deployments/name/train/gare"
    return {item["slug"]: item for item in httpx.get(url).raise_for_status().json()["schedules"]}


def shown(train: Train, key: str) -> str:
    """Return what an artifact shows as the engine has it."""
    url = f"{train.first.gare().engine.url}/artifacts/{key.lower()}/latest"
    return str(httpx.get(url).raise_for_status().json()["data"])


def members(train: Train, release_id: str) -> list[dict]:
    return json.loads(train.run("status", release_id, "--json"))["members"]


def asked(shop) -> bool:
    """Tell whether the project has a release that asks for votes."""
    ledger = shop.gare().ledger
    found = ledger.releases.find(project=shop.name)
    return any(ledger.approvals.get(one.id, "approve-production") for one in found)


def process_of(train: Train, release_id: str) -> int:
    """Return the process that holds the lease of a departure's run; 0 for none."""
    name = lease_of(train.release(release_id).flow_run_id)
    with train.first.gare().ledger.database.read() as connection:
        holder = connection.execute(select(leases.c.holder).where(leases.c.name == name)).scalar()
    return int(holder.split(":")[1]) if holder else 0


def test_a_train_that_rolls_back_brings_back_who_has_arrived_the_last_one_first(make_train):
    train = make_train("api", "web", "app")
    train.write(needs(train, web="api", app="web") + "on_failure: roll back\n")
    for key in ("api", "web"):
        shop = train.shops[key]
        shop.release()
        shop.commit("feat: the third thing", text="3")
    app = train.shops["app"]
    app.commit("feat: a version that says it is another", "broken", "yes")
    departure = train.depart()
    ended = train.wait_for(departure, ReleaseState.ROLLED_BACK)
    assert train.stands(departure) == {"api": "went back", "web": "went back", "app": "failed"}
    names = [train.shops[key].name for key in ("api", "web")]
    assert ended.end.startswith(f"went back: {', '.join(names)}; {app.name} failed: ")
    ledger = train.first.gare().ledger
    back = {key: train.shops[key].last() for key in ("web", "api")}
    for key, one in back.items():
        assert (one.kind, one.state) == (Kind.ROLLBACK, ReleaseState.RELEASED)
        assert (one.version, one.train) == ("1.1.0", departure)
        assert ledger.verified_version(train.shops[key].name, "production") == "1.1.0"
    assert back["web"].closed_at <= back["api"].opened_at
    # Each end wakes the train: nobody is waited for by looking again and again.
    assert (ended.closed_at - back["web"].opened_at).total_seconds() < 30
    assert "stands still" in train.run("status", train.name)
    for key in ("api", "web"):
        app_needs = train.run("plan", train.name)
        assert f"left out: {train.shops[key].name}: Nothing to release" in app_needs
    assert f"{app.name}: needs {train.shops['web'].name}, which does not board" in app_needs
    train.first.run("audit", "verify")


def test_members_are_tried_again_or_left_out_with_a_new_go_while_the_next_train_waits(make_train):
    train = make_train("api", "web", "app")
    train.write(needs(train, app="web") + "go: {groups: {qa: 1}}\n")
    api, web = train.shops["api"], train.shops["web"]
    api.commit("feat: a version that says it is another", "broken", "yes")
    sign = block(web)
    departure = train.depart()
    train.run("resume", departure, "--without", train.shops["app"].name, "--reason", "not now")
    wait_until(lambda: train.stands(departure)["app"] == "left out")
    approve(train, departure)
    wait_until(lambda: stand_of(train, departure, "api", "web") == ("held", "held"), timeout_s=120)
    second = train.depart()
    queued = f"queued behind {departure} (one departure of {train.name} at a time), place 1 of 1"
    wait_until(lambda: queued in train.first.run("status", second))
    (api.work / "broken").unlink()
    api.commit("fix: it says what it is")
    api.run("hold", "release", api.name, "production", "--reason", "mended", person="alice")
    said = train.run("resume", departure, "--again", api.name)
    again = api.last()
    assert f"{api.name} is released once more: {again.id}" in said
    wait_until(lambda: "train-go" in "".join(api.last().waiting))
    wait_until(
        lambda: f"{again.id} waits for: departure: 1 vote" in train.first.run("why", departure)
    )
    assert "bob" in train.first.run("why", departure)
    api.run("approve", again.id, "--env", "departure", person="bob")
    wait_until(lambda: stand_of(train, departure, "api") == ("arrived",), timeout_s=120)
    train.run("resume", departure, "--without", web.name, "--reason", "next time")
    train.wait_for(departure, ReleaseState.RELEASED)
    assert stand_of(train, departure, "api", "web", "app") == ("arrived", "dropped", "left out")
    sign.unlink()
    train.first.run("cancel", second, person="alice")
    train.first.run("audit", "verify")
    bundle = str(train.first.root / f"{departure}.zip")
    train.first.run("evidence", departure, "-o", bundle)
    assert "sound" in train.first.run("evidence", "verify", bundle)


def approve(train: Train, departure: str) -> None:
    """Say go to what is asked about now."""
    ledger = train.first.gare().ledger
    wait_until(lambda: "go:" in "".join(train.release(departure).waiting), timeout_s=60)
    assert ledger.approvals.get(departure, "go")
    train.first.run("approve", departure, person="bob")


def stand_of(train: Train, departure: str, *keys: str) -> tuple[str, ...]:
    stands = train.stands(departure)
    return tuple(stands[key] for key in keys)
