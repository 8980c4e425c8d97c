"""The steps of a release: standard order, what a project may change, and what it is told when it cannot."""

import pytest

from gare.config.models import ProjectConfig, StationConfig
from gare.domain.freezes import is_outward
from gare.domain.plan import Reversibility
from gare.errors import ConfigError
from gare.planning.dag import plan_steps

RULE = {"groups": {"qa": 1}}


def project(**more):
    base = {"name": "shop", "source": {"type": "git"}}
    return ProjectConfig.model_validate({**base, **more})


def station(**environments):
    return StationConfig.model_validate({"environments": environments})


def target(**more):
    return {"target": {"type": "directory", "path": "deploy"}, **more}


def steps_of(project, station=None):
    steps, _ = plan_steps(project, station or StationConfig(), version="1.0.0", tag="v1.0.0")
    return {step.id: step for step in steps}


def test_a_project_without_environments_goes_straight_from_validation_to_publishing():
    assert list(steps_of(project())) == [
        "plan",
        "build",
        "test",
        "validate",
        "publish",
        "announce",
        "close",
    ]


def test_environments_follow_the_stations_order_and_each_is_verified_before_the_next():
    found = steps_of(
        project(environments={"production": target(), "staging": target()}),
        station(staging={}, production={"approval": RULE}),
    )
    order = list(found)
    assert order[4:9] == [
        "deploy-staging",
        "verify-staging",
        "approve-production",
        "deploy-production",
        "verify-production",
    ]
    assert found["approve-production"].needs == ("verify-staging",)


@pytest.mark.parametrize(("soak", "every_s"), [("10s", 30), ("10m", 60), ("2h", 720), ("3d", 900)])
def test_a_version_soaks_before_the_next_environment(soak, every_s):
    places = {"production": target(), "staging": target(soak=soak)}
    found = steps_of(project(environments=places), station(staging={}, production={}))
    assert found["soak-staging"].needs == ("verify-staging",)
    assert found["deploy-production"].needs == ("soak-staging",)
    assert found["soak-staging"].settings["every_s"] == every_s


def test_what_a_project_says_of_going_back_is_in_the_plan():
    steps = [
        {"id": "up", "type": "run", "command": "up", "undo": "down -f", "environment": "staging"},
        {"id": "drop", "type": "run", "command": "drop", "point_of_no_return": "the table is gone"},
    ]
    found = steps_of(project(environments={"staging": target()}, steps=steps))
    assert found["up"].settings["undo"] == [["down", "-f"]]
    assert [effect.note for effect in found["up"].effects] == ["taken back by `down -f`"]
    assert found["drop"].point_of_no_return == "the table is gone"
    assert found["drop"].reversibility is Reversibility.POINT_OF_NO_RETURN


def test_a_command_changes_something_outside_unless_only_gates_and_votes_wait_for_it():
    run = {"type": "run", "command": "make"}
    steps = [
        {**run, "id": "build"},
        {**run, "id": "lint", "needs": ["plan"], "before": ["validate"]},
        {**run, "id": "migrate-staging", "needs": ["validate"], "before": ["deploy-staging"]},
        {**run, "id": "smoke", "needs": ["verify-staging"], "before": ["approve-production"]},
        {**run, "id": "migrate", "needs": ["validate"], "before": ["deploy-production"]},
        {**run, "id": "warm", "needs": ["verify-production"]},
        {**run, "id": "look", "needs": ["verify-production"], "outward": False},
        {**run, "id": "call", "needs": ["plan"], "before": ["validate"], "outward": True},
    ]
    found = steps_of(
        project(environments={"staging": target(), "production": target()}, steps=steps),
        station(staging={}, production={"approval": RULE}),
    )
    assert {name for name, step in found.items() if is_outward(step)} == {
        "migrate-staging", "deploy-staging", "migrate", "deploy-production", "warm", "call", "publish",
    }  # fmt: skip


def test_a_projects_own_rule_replaces_the_stations():
    _, approvals = plan_steps(
        project(environments={"production": target(approval={"groups": {"ops": 2}})}),
        station(production={"approval": RULE}),
        version="1.0.0",
        tag="v1.0.0",
    )
    assert [dict(rule.groups) for rule in approvals] == [{"ops": 2}]


def test_a_new_step_runs_beside_the_standard_ones_and_may_be_put_before_one():
    found = steps_of(
        project(
            steps=[{"id": "docs", "type": "run", "command": "make docs", "before": ["publish"]}]
        )
    )
    assert found["docs"].needs == ("test",)
    assert "docs" in found["publish"].needs
    assert found["docs"].settings["commands"] == [["make", "docs"]]


def test_close_waits_for_steps_that_nothing_else_needs():
    found = steps_of(project(steps=[{"id": "docs", "type": "run", "command": "make docs"}]))
    assert "docs" in found["close"].needs


def test_a_skipped_step_hands_its_place_on():
    found = steps_of(project(steps=[{"id": "validate", "type": "validate", "skip": True}]))
    assert "validate" not in found
    assert found["publish"].needs == ("test",)


def test_retries_of_failed_commands_only_where_the_project_asks_for_them():
    found = steps_of(
        project(
            steps=[{"id": "test", "type": "test", "retries": 3, "backoff": "2s", "timeout": "5m"}]
        )
    )
    step = found["test"]
    assert (step.retries, step.repeats_failures, step.backoff_s, step.timeout_s) == (
        3,
        True,
        2.0,
        300.0,
    )
    assert not found["build"].repeats_failures


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (
            [{"id": "a", "type": "run", "command": "true", "needs": ["b"]},
             {"id": "b", "type": "run", "command": "true", "needs": ["a"]}],
            "The steps wait for each other in a circle: a -> b -> a. (steps) Take one `needs` out.",
        ),
        (
            [{"id": "a", "type": "run", "command": "true", "needs": ["nowhere"]}],
            "Step 'a' needs 'nowhere', which is no step of this release. (steps, a) Steps are: plan, build, test, "
            "validate, publish, announce, close, a.",
        ),
        (
            [{"id": "a", "type": "run"}],
            "Step 'a' has no command. (steps, a) Write `command: make something`.",
        ),
        (
            [{"id": "build", "type": "deploy"}],
            "Step 'build' is of type build, not deploy. (steps, build) Replace it by run or manual.",
        ),
        (
            [{"id": "a", "type": "manual", "skip": True}],
            "There is no standard step 'a' to skip. (steps, a) Standard: plan, build, test, validate, publish, "
            "announce, close.",
        ),
        (
            [{"id": "close", "type": "close", "skip": True}],
            "Step 'close' can be neither skipped nor replaced. (steps, close) Take it out of `steps`.",
        ),
        (
            [{"id": "ask", "type": "approve", "environment": "moon"}],
            "Step 'ask' asks for approval, but no rule says whose. (steps, ask, environment 'moon') Give the "
            "environment an `approval` in station.yaml or gare.yaml.",
        ),
    ],
)  # fmt: skip
def test_an_order_that_cannot_be_is_refused_with_what_to_do(steps, message):
    with pytest.raises(ConfigError) as caught:
        steps_of(project(steps=steps))
    assert str(caught.value) == message


def test_outside_effects_are_named_with_what_can_be_undone():
    found = steps_of(
        project(
            environments={"production": target()},
            announce=[{"type": "webhook", "url": "https://example.org/hook"}],
        )
    )
    assert found["deploy-production"].reversibility == "compensated"
    assert found["publish"].reversibility == "point of no return"
    assert [effect.action for effect in found["publish"].effects] == ["create annotated tag v1.0.0"]
    assert found["announce"].effects[0].note.startswith("sent at most once")
