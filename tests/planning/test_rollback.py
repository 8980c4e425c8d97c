# ruff: noqa: E501 - tables of whole sentences
"""Where an environment may go back to, what is taken back on the way, and every refusal with its reason."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gare.config.models import ProjectConfig, StationConfig
from gare.domain.plan import Kind, Plan, PlannedEffect, PlannedStep, Reversibility
from gare.domain.releases import StepState
from gare.domain.standing import Verified
from gare.errors import ConfigError, Refused
from gare.planning.rollback import make_rollback
from gare.planning.standing import (
    Standing,
    Stock,
    Undone,
    WayBack,
    check_environment,
    way_back,
)
from gare.requests import RollbackRequest

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PROJECT = ProjectConfig.model_validate(
    {
        "name": "shop",
        "source": {"type": "git", "path": "."},
        "environments": {
            "staging": {"target": {"type": "directory", "path": "staging"}},
            "production": {
                "target": {"type": "directory", "path": "production"},
                "approval": {"groups": {"operations": 1}},
            },
        },
        "announce": [{"type": "file", "path": "out/{version}.md"}],
    }
)
STATION = StationConfig()
DONE = StepState.DONE


def was(version: str, release: str, kind: Kind = Kind.RELEASE) -> Verified:
    return Verified(version, release, kind, NOW)


HISTORY = (was("1.0.0", "R-1"), was("1.1.0", "R-2"), was("1.2.0", "R-3"))
DEPLOYED = {"1.0.0": "R-1", "1.1.0": "R-2", "1.2.0": "R-3", "1.3.0": "R-4"}
BACK = (*HISTORY, was("1.1.0", "R-5", Kind.ROLLBACK))


def ask(to: str = "") -> RollbackRequest:
    return RollbackRequest(project="shop", environment="production", to=to)


@pytest.mark.parametrize(
    ("live", "history", "to", "expected"),
    [
        ("1.2.0", HISTORY, "", WayBack("1.1.0", "R-2", ("R-3",))),
        ("1.2.0", HISTORY, "1.0.0", WayBack("1.0.0", "R-1", ("R-3", "R-2"))),
        # What runs was never verified good (it soaks, or failed): the last good one returns.
        ("1.3.0", HISTORY, "", WayBack("1.2.0", "R-3", ("R-4",))),
        ("1.3.0", HISTORY, "1.1.0", WayBack("1.1.0", "R-2", ("R-4", "R-3"))),
        # Somebody switched it by hand.
        ("9.9.9", HISTORY, "", WayBack("1.2.0", "R-3", ())),
        ("", HISTORY, "", WayBack("1.2.0", "R-3", ())),
        # After a rollback a new release went there: the version that the rollback left is skipped.
        ("1.3.0", (*BACK, was("1.3.0", "R-4")), "", WayBack("1.1.0", "R-2", ("R-4",))),
    ],
)
def test_where_it_goes_back_to(live, history, to, expected):
    assert way_back(ask(to), Standing(live, history, deployed=DEPLOYED)) == expected


@pytest.mark.parametrize(
    ("to", "standing", "said"),
    [
        ("", Standing(""), "Nothing was verified good in production yet, so there is nothing to go back to. (shop/production) `gare environments shop` says what runs there."),
        ("", Standing("1.0.0", HISTORY[:1]), "1.0.0 is the only version that was verified good there, so there is nothing to go back to. (shop/production) Release a repaired version."),
        ("1.2.0", Standing("1.2.0", HISTORY), "1.2.0 runs in production already. (shop/production) Verified good there: 1.2.0, 1.1.0, 1.0.0."),
        ("1.3.0", Standing("1.2.0", HISTORY), "1.3.0 was never verified good there. (shop/production) Verified good there: 1.2.0, 1.1.0, 1.0.0."),
        ("1.2.0", Standing("1.3.0", (*BACK, was("1.3.0", "R-6"))), "1.2.0 was itself rolled back there, by R-5. (shop/production) Verified good there: 1.3.0, 1.1.0, 1.0.0."),
        ("", Standing("1.1.0", BACK), "production runs 1.1.0 because R-5 rolled it back, and a rollback is never rolled back. (shop/production) Release a repaired version: `gare release shop`; or the same one again: `gare release shop --again 1.2.0`."),
        ("1.0.0", Standing("1.1.0", BACK), "production runs 1.1.0 because R-5 rolled it back, and a rollback is never rolled back. (shop/production) Release a repaired version: `gare release shop`; or the same one again: `gare release shop --again 1.2.0`."),
        ("1.2.0", Standing("1.1.1", (*BACK, was("1.1.1", "R-6"))), "1.2.0 was itself rolled back there, by R-5. (shop/production) Verified good there: 1.1.1, 1.1.0, 1.0.0. It comes again with `gare release shop --again 1.2.0`."),
        ("", Standing("1.2.0", HISTORY, rolling="R-7"), "R-7 is rolling production back already. (shop/production) Follow it with `gare watch R-7`."),
        ("", Standing("1.2.0", HISTORY, "R-4"), "production was put back to 1.2.0 by R-4 itself. (shop/production) To go further back, name the version with --to."),
    ],
)  # fmt: skip
def test_what_is_refused(to, standing, said):
    with pytest.raises(Refused) as caught:
        way_back(ask(to), standing)
    assert str(caught.value) == said


def test_after_an_automatic_rollback_a_person_may_name_an_older_version():
    standing = Standing("1.2.0", HISTORY, "R-4", DEPLOYED)
    assert way_back(ask("1.0.0"), standing) == WayBack("1.0.0", "R-1", ("R-3", "R-2"))


def test_an_environment_that_is_not_there_is_told_with_the_nearest():
    with pytest.raises(ConfigError) as caught:
        check_environment(PROJECT, "prodution")
    assert str(caught.value) == (
        "shop has no environment `prodution`. (shop: environments) "
        "Did you mean `production`? Environments are `staging` and `production`."
    )


STEPS = (
    PlannedStep("plan", "plan", "Plan"),
    PlannedStep("build", "build", "Build", ("plan",)),
    PlannedStep("deploy-staging", "deploy", "Deploy", ("build",), "staging"),
    PlannedStep("migrate", "run", "Migrate", ("deploy-staging",), "production", {"undo": [["down"]]}),
    PlannedStep("flush", "run", "Flush", ("migrate",), "production", {}),
    PlannedStep("deploy-production", "deploy", "Deploy", ("flush",), "production"),
    PlannedStep("warm", "run", "Warm up", ("deploy-production",), "", {"undo": [["cool"]]}),
    PlannedStep("staged", "run", "Staged", ("deploy-staging",), "staging", {"undo": [["no"]]}),
    PlannedStep("publish", "publish", "Publish", ("warm",), effects=(
        PlannedEffect("create annotated tag v1.2.0", "tag v1.2.0", Reversibility.POINT_OF_NO_RETURN, "a published tag is not moved"),)),
    PlannedStep("announce", "announce", "Announce", ("publish",)),
)  # fmt: skip


def plan(version: str, steps: tuple[PlannedStep, ...] = STEPS) -> Plan:
    return Plan(
        project="shop", title="Shop", version=version, previous_version="", previous_tag="",
        previous_commit="", tag=f"v{version}", branch="main", commit=version[2] * 40, bump="minor",
        source={"type": "git", "path": "."}, commits=(), tickets=(), notes="", steps=steps, approvals=(),
        environments=("staging", "production"),
    )  # fmt: skip


def undone(version: str = "1.2.0", release: str = "R-3", left: tuple[str, ...] = ()) -> Undone:
    return Undone(release, plan(version), {step.id: DONE for step in STEPS if step.id not in left})


STOCK = Stock("directory production", ["1.2.0", "1.1.0"], True)


def make(
    *releases: Undone,
    stock: Stock = STOCK,
    project: ProjectConfig = PROJECT,
) -> Plan:
    way = WayBack("1.1.0", "R-2", tuple(one.release for one in releases))
    standing = Standing("1.2.0", HISTORY, deployed=DEPLOYED)
    return make_rollback(project, STATION, ask(), standing, way, plan("1.1.0"), releases, stock)


def test_steps_are_taken_back_in_reverse_around_the_way_back():
    made = make(undone())
    assert [step.id for step in made.steps] == [
        "plan", "undo-warm-1.2.0", "deploy-production", "undo-migrate-1.2.0", "verify-production", "announce", "close",
    ]  # fmt: skip
    assert [step.needs for step in made.steps[1:]] == [(step.id,) for step in made.steps[:-1]]
    migrate = made.step("undo-migrate-1.2.0")
    assert migrate.settings == {"commands": [["down"]], "release": "R-3", "step": "migrate"}


def test_several_releases_are_taken_back_the_newest_first():
    made = make(undone(), undone("1.1.5", "R-9"))
    assert [step.id for step in made.steps if step.type == "undo"] == [
        "undo-warm-1.2.0", "undo-migrate-1.2.0", "undo-warm-1.1.5", "undo-migrate-1.1.5",
    ]  # fmt: skip


def test_what_was_not_done_is_not_taken_back_and_nobody_is_told_who_was_not_told_before():
    made = make(undone(left=("warm", "publish", "announce")))
    assert [step.id for step in made.steps] == [
        "plan", "deploy-production", "undo-migrate-1.2.0", "verify-production", "close",
    ]  # fmt: skip


def test_the_plan_says_what_it_is_about_and_what_stays():
    made = make(undone())
    assert (made.kind, made.version, made.previous_version) == (Kind.ROLLBACK, "1.1.0", "1.2.0")
    assert made.headline == "production goes back from 1.2.0 to 1.1.0"
    assert made.outcome == "production is back at 1.1.0"
    assert made.warnings == (
        "stays of R-3: 1.2.0 in staging",
        "stays of R-3: create annotated tag v1.2.0 (a published tag is not moved)",
    )
    assert made.details == {
        "environment": "production", "before": "1.2.0", "to": "1.1.0", "origin": "R-2",
        "undoes": ["R-3"],
    }  # fmt: skip
    assert [effect.note for effect in made.effects if effect.action.startswith("switch")] == [
        "it is still there"
    ]
    assert make(undone()) == made


def test_a_pruned_version_comes_from_the_store():
    made = make(undone(), stock=Stock("directory production", ["1.2.0"], True))
    assert made.step("deploy-production").effects[0].note == "brought in again from the store"


def test_a_pruned_version_without_artifacts_is_refused():
    with pytest.raises(Refused) as caught:
        make(undone(), stock=Stock("directory production", ["1.2.0"], False))
    assert str(caught.value) == (
        "1.1.0 was pruned at its target, and the artifacts of R-2 are no longer in the store. "
        "(directory production) There: 1.2.0. Name another version with --to, or release: `gare release shop`."
    )


def no_return(state: dict[str, StepState], environment: str) -> Undone:
    steps = tuple(
        replace(step, environment=environment, point_of_no_return="the schema only goes forward")
        if step.id == "migrate"
        else step
        for step in STEPS
    )
    return Undone("R-3", plan("1.2.0", steps), state)


@pytest.mark.parametrize("state", list(StepState))
def test_no_way_back_behind_a_point_of_no_return_that_has_begun(state):
    with pytest.raises(Refused) as caught:
        make(no_return({"migrate": state}, "production"))
    assert str(caught.value) == (
        "1.2.0 has passed a point of no return, step migrate: the schema only goes forward. "
        "(R-3, production) Release a repaired version: `gare release shop`."
    )


def test_a_step_without_an_environment_is_one_of_the_deployment_that_waits_for_it():
    steps = tuple(
        replace(step, environment="", needs=("build",), point_of_no_return="no") if step.id == "staged" else step
        for step in STEPS
    )  # fmt: skip
    behind = replace(STEPS[2], needs=("build", "staged"))
    steps = tuple(behind if step.id == "deploy-staging" else step for step in steps)
    begun = Undone("R-3", plan("1.2.0", steps), {step.id: DONE for step in steps})
    assert make(begun).version == "1.1.0"  # it keeps staging from going back, not production


def test_a_point_of_no_return_elsewhere_or_not_reached_is_none():
    assert make(no_return({"migrate": DONE}, "staging")).version == "1.1.0"
    assert make(no_return({"deploy-production": DONE}, "production")).version == "1.1.0"


def test_people_are_asked_only_where_it_is_configured():
    assert make(undone()).approvals == ()
    asking = PROJECT.model_copy(
        update={
            "environments": {
                **PROJECT.environments,
                "production": PROJECT.environments["production"].model_copy(
                    update={"rollback": "approval"}
                ),
            }
        }
    )
    made = make(undone(), project=asking)
    assert [step.id for step in made.steps][:2] == ["plan", "approve-production"]
    assert made.approvals[0].groups == {"operations": 1}
