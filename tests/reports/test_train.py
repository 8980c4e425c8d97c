"""What is told about a train: who is where, and the order as a picture."""

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from gare.config.trains import TrainConfig
from gare.domain.journey import Stand, failures, journey
from gare.domain.plan import Kind
from gare.domain.releases import Release, ReleaseState, StepRecord, StepState
from gare.domain.timetable import Slot
from gare.domain.waits import Cause, Waited
from gare.planning.train import make_train
from gare.planning.train_steps import Candidate, Ready
from gare.reports.train import order, plan_of_train_page, train_page

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.fixture
def plan(story):
    config = TrainConfig(
        name="weekly", title="Weekly *train*", members=("api", "web"), needs={"web": ("api",)}
    )
    ready = [
        Candidate(name, Ready("sha256:x", story.make_plan(project=name))) for name in ("api", "web")
    ]
    empty = Candidate("old", reason="Nothing to release.", is_empty=True)
    return make_train(config, Slot("2026-11-24T1000", NOW, NOW), [*ready, empty], is_scheduled=True)


def release(project: str, state: ReleaseState, end: str = "", kind: Kind = Kind.RELEASE):
    return Release(
        "R-2", project, "1.4.0", "sha256:x", "run", state, "alice", "", NOW, NOW, None, end, (), None, kind
    )  # fmt: skip


def done(step: str, **value: object) -> dict[str, StepRecord]:
    return {step: StepRecord(step, StepState.DONE, 1, value, "", NOW, NOW)}


def stands(plan, records, *releases, waits=()) -> dict[str, Stand]:
    return {one.project: one.stand for one in journey(plan, records, releases, waits)}


def test_members_stand_where_their_releases_stand(plan):
    assert stands(plan, {}) == {
        "api": Stand.BOARDED,
        "web": Stand.BOARDED,
        "old": Stand.LEFT_OUT,
    }
    going = done("depart-api", run="run")
    assert stands(plan, going)["api"] is Stand.ON_ITS_WAY
    assert stands(plan, going, release("api", ReleaseState.WAITING))["api"] is Stand.ON_ITS_WAY
    assert stands(plan, going, release("api", ReleaseState.FAILED))["api"] is Stand.HELD
    there = going | done("arrive-api", release="R-2")
    assert stands(plan, there, release("api", ReleaseState.RELEASED))["api"] is Stand.ARRIVED
    dropped = going | done("arrive-api", left="R-2 failed", failed=True)
    assert stands(plan, dropped)["api"] is Stand.DROPPED
    assert failures(plan, dropped) == ["api"]
    back = there | done("return-api", back={"production": "1.3.0"}, summary="production is back")
    assert stands(plan, back)["api"] is Stand.WENT_BACK


def test_one_that_goes_back_went_back_only_when_its_rollback_did(plan):
    there = done("arrive-api", release="R-2")
    own = release("api", ReleaseState.RELEASED)
    running = release("api", ReleaseState.RUNNING, kind=Kind.ROLLBACK)
    assert stands(plan, there, own, running)["api"] is Stand.GOING_BACK
    refused = Waited("its rollback is refused: …", Cause.FAILED, "return-api")
    assert stands(plan, there, own, waits=[refused])["api"] is Stand.HELD
    left = there | done("return-api", stays="left as it is by bob", summary="")
    assert stands(plan, left, own, running)["api"] is Stand.STAYS
    assert stands(plan, there | done("return-api", summary="nothing"), own)["api"] is Stand.ARRIVED


def test_one_whose_run_was_refused_is_held_and_not_on_its_way(plan):
    refused = Waited("api has failed; it is dirty", Cause.FAILED, "arrive-api")
    going = done("depart-api", run="run")
    assert stands(plan, going, waits=[refused])["api"] is Stand.HELD


def test_one_that_was_overtaken_has_not_failed(plan):
    ended = release(
        "api", ReleaseState.CANCELLED, "nothing left to release: R-1 took it with 1.4.0"
    )
    going = done("depart-api", run="run")
    assert stands(plan, going, ended)["api"] is Stand.ON_ITS_WAY
    there = going | done("arrive-api", release="R-2", left=ended.end)
    members = journey(plan, there, [ended])
    assert [one.stand for one in members if one.project == "api"] == [Stand.OVERTAKEN]
    assert "style" not in train_page(release("train:weekly", ReleaseState.RUNNING), plan, members)


def test_the_page_tells_each_member_and_draws_the_order(plan):
    failed = release("api", ReleaseState.FAILED, "step build failed: | pipe")
    members = journey(plan, done("depart-api", run="run"), [failed])
    page = train_page(release("train:weekly", ReleaseState.WAITING), plan, members)
    assert "# R-2: Weekly \\*train\\*, 2026-11-24T1000" in page
    assert "0 of 2 members have arrived." in page
    assert "| **api** | 1.4.0 | held | R-2 | R-2 failed: step build failed: \\| pipe |" in page
    assert "| **old** |  | left out |  | Nothing to release. |" in page
    assert order(plan, {}).endswith(
        '\n\n```mermaid\ngraph LR\n  m0["api 1.4.0"]\n  m1["web 1.4.0"]\n  m0 --> m1\n```'
    )
    assert "#f6caca" in _drawn(page)


def _drawn(page: str) -> str:
    """Return the picture of a page, which must be well-formed."""
    [encoded] = re.findall(r"!\[order of departure\]\(data:image/svg\+xml;base64,(\S+)\)", page)
    drawn = base64.b64decode(encoded).decode()
    ElementTree.fromstring(drawn)
    return drawn


def test_the_picture_has_the_version_that_a_member_was_planned_anew_with(plan):
    anew = replace(release("api", ReleaseState.RUNNING), version="1.5.0")
    members = journey(plan, done("depart-api", run="run"), [anew])
    page = train_page(release("train:weekly", ReleaseState.RUNNING), plan, members)
    assert 'm0["api 1.5.0"]' in page
    assert 'm1["web 1.4.0"]' in page
    assert "1.5.0" in _drawn(page)


def test_members_of_a_train_that_ended_before_them_did_not_depart(plan):
    own = release("api", ReleaseState.RUNNING)
    members = journey(plan, done("depart-api", run="run"), [own], is_over=True)
    assert [one.stand for one in members[:2]] == [Stand.ON_ITS_WAY, Stand.DID_NOT_DEPART]


def test_the_plan_of_a_train_says_who_departs_and_who_not(plan):
    page = plan_of_train_page("R-1", plan, "sha256:abc")
    assert "| **web** | 1.4.0 | `aaaaaaaaaaaa` | api |" in page
    assert "old is left out: Nothing to release." in page
    assert "departure 2026-11-24 09:00 UTC" in page
