"""What `gare train` says with the station down: trains, slots, holds, members of a departure."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gare.cli.app import run
from gare.config.loader import load_station
from gare.domain.releases import ReleaseState, StepState
from gare.requests import TrainRequest
from gare.wiring import Gare

STATION = """\
people:
  - {name: alice, email: alice@example.org, groups: [managers]}
environments: {production: {}}
repositories: [api, web]
"""
PROJECT = """\
name: NAME
source: {type: git, branch: main, remote: ''}
environments: {production: {target: {type: directory, path: ../production}}}
"""
TRAIN = """\
name: weekly
members: [web, api]
needs: {web: [api]}
schedule: {cron: 0 10 * * 2, zone: Europe/Paris}
"""


def make_project(root: Path, name: str) -> None:
    folder = root / name
    folder.mkdir()
    (folder / "gare.yaml").write_text(PROJECT.replace("NAME", name))
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        ("-c", "user.name=Erin", "-c", "user.email=e@example.org", "commit", "-qm", "feat: first"),
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gare:
    (tmp_path / "station.yaml").write_text(STATION)
    (tmp_path / "trains").mkdir()
    (tmp_path / "trains" / "weekly.yaml").write_text(TRAIN)
    for name in ("api", "web"):
        make_project(tmp_path, name)
    monkeypatch.setenv("GARE_STATION", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    gare = Gare(load_station(tmp_path))
    monkeypatch.setenv("GARE_TOKEN", gare.ledger.tokens.create("alice", actor="test"))
    return gare


@pytest.fixture
def say(station, capsys) -> Callable[..., tuple[int, str]]:
    """Run a command of `gare train`; return its exit code and all that it said."""

    def call(*words: str) -> tuple[int, str]:
        code = run(["train", *words])
        said = capsys.readouterr()
        return code, said.out + said.err

    return call


@pytest.fixture
def departure(station: Gare) -> str:
    """Board the train; its first member has departed and its release stands still."""
    request = TrainRequest(name="weekly")
    digest, plan = station.make_plan(request)
    releases = station.ledger.releases
    opened = releases.open(digest, plan, "run-1", "alice", "", request.model_dump())
    for step in ("plan", "leave", "depart-api"):
        releases.begin_step(opened.id, step, actor="test")
        releases.end_step(opened.id, step, StepState.DONE, value={"run": "run-2"}, actor="test")
    member = plan.details["members"][0]
    own = releases.open(
        member["plan"], station.plan(member["plan"]), "run-2", "", "", {"train": opened.id}
    )
    releases.mark(own.id, ReleaseState.FAILED, actor="gare", end="step build failed: no")
    return opened.id


def next_slots(say) -> list[str]:
    page = json.loads(say("status", "weekly", "--json")[1])
    return [one["slot"] for one in page["departures"]]


def test_a_train_is_listed_with_its_next_departure(say):
    slot = next_slots(say)[0]
    code, said = say("list")
    assert code == 0
    assert f"weekly  2        {slot} Europe/Paris" in said


def test_a_plan_tells_who_departs_in_which_order(say):
    code, said = say("plan", "weekly")
    assert code == 0
    assert said.index("api     0.1.0") < said.index("web     0.1.0")
    assert "a member that fails: hold; at once: 10" in said
    assert "gare train depart weekly --plan sha256:" in said


ALL_DAY = "[monday, tuesday, wednesday, thursday, friday, saturday]"


def test_a_freeze_over_the_departure_is_told_by_the_plan_and_by_the_status(say, station):
    with (station.station.root / "station.yaml").open("a") as file:
        file.write(f"freezes: [{{name: fair, days: {ALL_DAY}, projects: [web]}}]\n")
    code, said = say("plan", "weekly")
    assert code == 0
    assert said.startswith(
        "at the departure: web: production is closed: the freeze fair in station.yaml; opens "
    )
    [told] = json.loads(say("plan", "weekly", "--json")[1])["freezes"]
    assert told["members"] == ["web"]
    page = json.loads(say("status", "weekly", "--json")[1])
    assert [one["closed_by"] for one in page["departures"]] == ["fair"] * 3
    assert "closed by" in say("status", "weekly")[1]


def test_a_slot_is_skipped_and_restored(say):
    slot = next_slots(say)[1]
    assert say("skip", "weekly", slot, "--reason", "a fair") == (
        0,
        f"weekly does not depart at {slot}.\n",
    )
    assert "skipped by alice: a fair" in say("status", "weekly")[1]
    assert (
        "it does not depart: skipped by alice: a fair" in say("plan", "weekly", "--slot", slot)[1]
    )
    assert say("unskip", "weekly", slot) == (0, f"weekly departs at {slot}.\n")
    code, said = say("unskip", "weekly", slot)
    assert (code, f"{slot} of weekly is not skipped." in said) == (3, True)


@pytest.mark.parametrize("slot", ["2020-01-07T1000", "2026-12-24T1000"])
def test_only_departures_ahead_of_the_timetable_are_skipped(say, slot):
    code, said = say("skip", "weekly", slot)
    assert code == 3
    assert f"weekly has no departure at {slot} ahead." in said
    assert next_slots(say)[0] in said


def test_a_schedule_is_held_and_goes_on_though_the_engine_is_away(say):
    code, said = say("hold", "weekly", "--reason", "a strike")
    assert code == 0
    assert "weekly does not depart by its timetable." in said
    assert "follows at the next start" in said
    assert "stands still: held by alice: a strike" in say("list")[1]
    assert "weekly departs by its timetable." in say("resume", "weekly")[1]
    assert "stands still" not in say("list")[1]


def test_the_members_of_a_departure_are_told(say, departure):
    code, said = say("status", departure)
    assert code == 0
    assert "0 of 2 members have arrived" in said
    assert "api     0.1.0    held     R-2      R-2 failed: step build failed: no" in said
    assert "web     0.1.0    boarded" in said


def test_a_member_that_did_not_fail_is_neither_left_out_nor_released_again(say, departure):
    for option in ("--without", "--again"):
        code, said = say("resume", departure, option, "web")
        assert code == 3
        assert f"web is boarded of {departure}, which is running." in said


def test_a_member_that_is_on_its_way_is_not_released_again(say, departure, station):
    station.ledger.releases.mark("R-2", ReleaseState.RUNNING, actor="alice")
    code, said = say("resume", departure, "--again", "api")
    assert code == 3
    assert "R-2 of api is on its way." in said


def test_what_is_still_wrong_with_a_member_is_said_before_it_is_released_again(
    say, departure, station
):
    subprocess.run(["git", "tag", "v0.1.0"], cwd=station.station.root / "api", check=True)
    code, said = say("resume", departure, "--again", "api")
    assert code == 3
    assert "Nothing to release: there is no commit since 0.1.0." in said
    assert station.ledger.releases.get("R-2").state is ReleaseState.FAILED


def test_a_release_of_a_project_is_no_train(say, departure):
    code, said = say("status", "R-2")
    assert code == 3
    assert "R-2 is a release of api, no train." in said


def test_holding_needs_a_name(say, monkeypatch):
    monkeypatch.delenv("GARE_TOKEN")
    code, said = say("hold", "weekly")
    assert code == 4
    assert "GARE_TOKEN" in said


def test_a_slot_that_cannot_be_is_said_with_its_option(say):
    code, said = say("plan", "weekly", "--slot", "tomorrow")
    assert code == 2
    assert "--slot 'tomorrow' cannot be used." in said
