"""Which steps a closed environment keeps, and which environment each of them belongs to."""

from dataclasses import replace

import pytest

from gare.domain.freezes import Move, is_outward, move_of
from gare.domain.plan import Kind, PlannedEffect, PlannedStep, Reversibility

SENT = (PlannedEffect("send", "a mail", Reversibility.POINT_OF_NO_RETURN),)


@pytest.mark.parametrize(
    ("step", "outward"),
    [
        (PlannedStep("build", "build", "Build"), False),
        (PlannedStep("approve-production", "approve", "Approve", environment="production"), False),
        (PlannedStep("deploy-production", "deploy", "Deploy", environment="production"), True),
        (PlannedStep("verify-production", "verify", "Verify", environment="production"), False),
        (PlannedStep("migrate", "run", "Migrate", environment="production"), True),
        (PlannedStep("publish", "publish", "Publish", effects=SENT), True),
        (PlannedStep("announce", "announce", "Announce"), False),
        (PlannedStep("depart-shop", "depart", "shop departs", effects=SENT), False),
        (PlannedStep("deploy-production", "manual", "By hand", effects=SENT), True),
        (PlannedStep("migrate", "run", "Migrate", settings={"outward": True}), True),
        (PlannedStep("lint", "run", "Lint", settings={"outward": False}), False),
    ],
)
def test_steps_that_change_something_outside_are_kept(step, outward):
    assert is_outward(step) is outward


def test_a_step_without_an_environment_belongs_to_the_next_deployment_or_else_to_the_last(story):
    plan = story.make_plan(
        steps=(
            PlannedStep("ci", "pipeline", "CI", effects=SENT),
            PlannedStep("deploy-staging", "deploy", "", ("ci",), "staging"),
            PlannedStep("migrate", "run", "", ("ci",)),
            PlannedStep(
                "deploy-production", "deploy", "", ("deploy-staging", "migrate"), "production"
            ),
            PlannedStep("publish", "publish", "", ("deploy-production",), effects=SENT),
        ),
        environments=("staging", "production"),
        kind=Kind.HOTFIX,
    )
    found = {step.id: move_of(plan, step).environment for step in plan.steps}
    assert found == {
        "ci": "staging",
        "deploy-staging": "staging",
        "migrate": "production",
        "deploy-production": "production",
        "publish": "production",
    }
    publish = plan.step("publish")
    assert move_of(plan, publish) == Move("shop", "production", Kind.HOTFIX)
    assert move_of(replace(plan, environments=()), publish) == Move("shop", "", Kind.HOTFIX)
