"""What is other in a release that is part of a train: it is quiet, and asks for the train's go when it changed."""

from datetime import UTC, datetime

import pytest

from gare.config.models import ProjectConfig
from gare.config.trains import TrainConfig
from gare.domain.plan import PlannedStep
from gare.domain.timetable import Slot
from gare.planning.members import quiet, with_go
from gare.planning.train import make_train
from gare.planning.train_steps import Candidate, Ready

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
STEPS = (
    PlannedStep("plan", "plan", "Plan"),
    PlannedStep("build", "build", "Build", ("plan",)),
    PlannedStep("close", "close", "Close", ("build",)),
)


@pytest.fixture
def train_of(story):
    """Give the way to make a train whose one member has boarded at a commit."""

    def make(**more: object):
        config = TrainConfig.model_validate({"name": "weekly", "members": ["api"], **more})
        boarded = story.make_plan(project="api", commit="a" * 40)
        ready = [Candidate("api", Ready("sha256:x", boarded))]
        return make_train(config, Slot("2026-11-24T1000", NOW, NOW), ready, is_scheduled=True)

    return make


def test_another_commit_than_people_said_go_to_asks_for_the_go_of_the_train(story, train_of):
    train = train_of(go={"groups": {"managers": 2}})
    other = story.make_plan(project="api", commit="b" * 40, steps=STEPS, approvals=())
    plan = with_go(other, train)
    assert [(step.id, step.needs) for step in plan.steps] == [
        ("plan", ()),
        ("train-go", ("plan",)),
        ("build", ("train-go",)),
        ("close", ("build",)),
    ]
    [rule] = plan.approvals
    assert (rule.step, rule.environment, rule.groups) == (
        "train-go",
        "departure",
        {"managers": 2},
    )


def test_the_commit_that_boarded_and_a_train_without_a_go_ask_nobody(story, train_of):
    same = story.make_plan(project="api", commit="a" * 40, steps=STEPS)
    other = story.make_plan(project="api", commit="b" * 40, steps=STEPS)
    assert with_go(same, train_of(go={"groups": {"managers": 2}})) is same
    assert with_go(other, train_of()) is other


def test_a_project_of_a_train_that_announces_says_nothing_unless_it_wants_to():
    fields = {
        "name": "api",
        "source": {"type": "git"},
        "announce": [{"type": "file", "path": "told.md"}],
    }
    project = ProjectConfig.model_validate(fields)
    assert quiet(project).announce == ()
    loud = ProjectConfig.model_validate({**fields, "announce_in_train": True})
    assert quiet(loud).announce == loud.announce
