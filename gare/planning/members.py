"""What is other in a release that is part of a train: who announces, and who says go to another commit. Pure."""

from dataclasses import replace

from gare.config.models import ProjectConfig
from gare.domain.plan import Plan, PlannedStep

GO = "train-go"
"""The step that asks a member's release for the train's go, because what it releases is not what that was about."""


def quiet(project: ProjectConfig) -> ProjectConfig:
    """Return the project as it is released by a train that announces: it says nothing itself, unless it wants to."""
    if project.announce_in_train:
        return project
    return project.model_copy(update={"announce": ()})


def with_go(plan: Plan, train: Plan) -> Plan:
    """Return a member's plan with the train's go rule, when it is about another commit than the train boarded."""
    boarded = {str(one["project"]): str(one["commit"]) for one in train.details["members"]}
    rule = next(iter(train.approvals), None)
    if rule is None or boarded.get(plan.project) == plan.commit:
        return plan
    title = f"Go or no go: another commit than {train.title} has boarded"
    asked = PlannedStep(GO, "approve", title, ("plan",), environment=rule.environment)
    first, *others = plan.steps
    waiting = (
        replace(step, needs=tuple(GO if need == "plan" else need for need in step.needs))
        for step in others
    )
    return replace(
        plan,
        steps=(first, asked, *waiting),
        approvals=(replace(rule, step=GO), *plan.approvals),
    )
