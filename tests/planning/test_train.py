"""The plan of a train: who boards, in which order, who is left out, and what keeps it from departing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gare.config.trains import TrainConfig
from gare.domain.plan import Plan, PlannedEffect, PlannedStep, Reversibility
from gare.domain.timetable import Slot
from gare.planning.train import make_train, missed, why_not
from gare.planning.train_steps import Candidate, Named, Ready

DEPARTS = datetime(2026, 11, 24, 9, tzinfo=UTC)
SLOT = Slot("2026-11-24T1000", DEPARTS - timedelta(hours=2), DEPARTS)


@pytest.fixture
def ready(story):
    """Give the way to make a member that can depart."""

    def make(name: str, **changes: object) -> Candidate:
        plan = story.make_plan(project=name, title=name.capitalize(), **changes)
        return Candidate(name, Ready(f"sha256:{name}", plan))

    return make


def nothing(name: str) -> Candidate:
    return Candidate(
        name, reason="Nothing to release: there is no commit since 1.0.0.", is_empty=True
    )


def train(**more: object) -> TrainConfig:
    return TrainConfig.model_validate({"name": "fortnightly", **more})


def plan_of(config: TrainConfig, *candidates: Candidate, refusal: str = "") -> Plan:
    return make_train(config, SLOT, candidates, is_scheduled=True, refusal=refusal)


def needs_of(plan: Plan, step: str) -> set[str]:
    return set(plan.step(step).needs)


def test_members_depart_after_those_that_they_need_and_else_side_by_side(ready):
    config = train(members=["app", "api", "web"], needs={"app": ["api"]})
    plan = plan_of(config, ready("app"), ready("api"), ready("web"))
    ids = [step.id for step in plan.steps]
    assert ids.index("arrive-api") < ids.index("depart-app")
    assert needs_of(plan, "depart-app") == {"leave", "arrive-api"}
    assert needs_of(plan, "depart-web") == {"leave"}
    assert {f"arrive-{name}" for name in ("app", "api", "web")} <= needs_of(plan, "arrival")
    assert ids[-2:] == ["arrival", "close"]
    assert (plan.project, plan.version) == ("train:fortnightly", "2026-11-24T1000")


def test_each_member_has_its_version_commit_and_the_digest_of_its_own_plan(ready):
    plan = plan_of(train(members=["api"]), ready("api", version="2.0.0", commit="c" * 40))
    assert plan.details["members"] == [
        {
            "project": "api",
            "title": "Api",
            "version": "2.0.0",
            "commit": "c" * 40,
            "plan": "sha256:api",
            "needs": [],
        }
    ]


def test_an_empty_member_is_left_out_and_keeps_nobody_but_its_own_needs_still_come_first(ready):
    config = train(members=["app", "web", "api"], needs={"app": ["web"], "web": ["api"]})
    plan = plan_of(config, ready("app"), nothing("web"), ready("api"))
    assert needs_of(plan, "depart-app") == {"leave", "arrive-api"}
    assert plan.details["left_out"] == [
        {
            "project": "web",
            "reason": "Nothing to release: there is no commit since 1.0.0.",
            "is_empty": True,
        }
    ]
    assert plan.warnings[0] == (
        "web is left out: Nothing to release: there is no commit since 1.0.0."
    )


def test_a_member_that_is_not_ready_keeps_those_that_need_it(ready):
    config = train(members=["app", "web", "api"], needs={"app": ["web"], "web": ["api"]})
    unready = Candidate("api", reason="The repository has uncommitted changes.")
    plan = plan_of(config, ready("app"), ready("web"), unready)
    assert {one["project"]: one["reason"] for one in plan.details["left_out"]} == {
        "api": "The repository has uncommitted changes.",
        "web": "needs api, which does not board",
        "app": "needs web, which does not board",
    }
    assert plan.details["refusal"] == (
        "nobody is ready: api: The repository has uncommitted changes; "
        "web: needs api, which does not board; app: needs web, which does not board"
    )


def test_an_empty_train_asks_nobody_and_starts_nothing():
    plan = plan_of(train(members=["api"], go={"groups": {"managers": 1}}), nothing("api"))
    assert [step.id for step in plan.steps] == ["plan", "leave", "arrival", "close"]
    assert plan.approvals == ()


def test_the_go_comes_before_the_departure_and_no_author_of_a_member_votes(ready):
    config = train(
        members=["api", "web"],
        go={"groups": {"managers": 1}},
        cut_off="2h",
        notice="1h",
        announce=[{"type": "file", "path": "notes.md"}],
    )
    plan = plan_of(config, ready("api", authors=("a@x.org",)), ready("web", authors=("b@x.org",)))
    assert needs_of(plan, "leave") == {"go", "notice"}
    assert plan.step("notice").settings["at"] == "2026-11-24T08:00:00+00:00"
    [rule] = plan.approvals
    assert (rule.step, rule.environment, rule.groups) == ("go", "departure", {"managers": 1})
    assert plan.authors == ("a@x.org", "b@x.org")


def test_a_train_that_rolls_back_goes_back_in_reverse(ready):
    config = train(members=["api", "app", "web"], needs={"app": ["api"]}, on_failure="roll back")
    plan = plan_of(config, ready("api"), ready("app"), ready("web"))
    assert needs_of(plan, "turn") == {"arrive-api", "arrive-app", "arrive-web"}
    assert needs_of(plan, "return-app") == needs_of(plan, "return-web") == {"turn"}
    assert needs_of(plan, "return-api") == {"turn", "return-app"}
    assert "return-api" in needs_of(plan, "arrival")


def test_the_version_by_which_a_train_boards_is_released_once_in_each_tracker(ready):
    config = train(members=["api", "app", "web"], board={"version": "Train {date}"})
    shop, other = Named("shop Train", {"project": "SHOP"}), Named("Train", {"project": "OPS"})
    named = {"api": shop, "app": shop, "web": other}
    boards = [replace(ready(name), version=version) for name, version in named.items()]
    step = plan_of(config, *boards).step("version")
    assert step.settings["version"] == "Train 2026-11-24"
    assert [(one["version"], one["members"]) for one in step.settings["trackers"]] == [
        ("shop Train", ["api", "app"]),
        ("Train", ["web"]),
    ]
    assert set(step.needs) == {"leave", *(f"{w}-{n}" for n in named for w in ("depart", "arrive"))}
    assert [one.id for one in plan_of(config, ready("api")).steps if one.type == "version"] == []


def test_a_departure_is_as_irreversible_as_what_the_member_does(ready):
    effect = PlannedEffect("create tag", "v1.4.0", Reversibility.POINT_OF_NO_RETURN)
    steps = (PlannedStep("publish", "publish", "Publish", effects=(effect,)),)
    plan = plan_of(train(members=["api"]), ready("api", steps=steps))
    assert plan.step("depart-api").reversibility is Reversibility.POINT_OF_NO_RETURN


def test_the_same_candidates_give_the_same_plan(ready):
    config = train(members=["api", "web"])
    assert plan_of(config, ready("api"), ready("web")) == plan_of(
        config, ready("api"), ready("web")
    )


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"taken_by": "R-4"}, "R-4 departs at this slot already"),
        ({"skip": "skipped by alice: holidays"}, "skipped by alice: holidays"),
        ({"stop": "R-3: api failed"}, "the schedule stands still: R-3: api failed"),
        ({}, ""),
    ],
)
def test_what_keeps_a_departure_of_the_timetable(said, reason):
    none = {"taken_by": "", "skip": "", "stop": ""}
    grace = timedelta(minutes=15)
    assert why_not(SLOT, DEPARTS, grace=grace, **{**none, **said}) == reason


def test_a_departure_is_missed_when_its_grace_is_over():
    grace = timedelta(minutes=15)
    assert missed(SLOT, DEPARTS + grace, grace) == ""
    said = missed(SLOT, DEPARTS + grace + timedelta(seconds=1), grace)
    assert said == "missed: it was to depart at 2026-11-24 09:00 UTC and the station did not run"
