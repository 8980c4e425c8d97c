"""Who is more urgent takes the locks of who waits, never of who runs."""

from datetime import UTC, datetime

import pytest

from gare.domain.locks import Claim, Priority, StepPlace, gives_way_to, giving_way, next_up
from gare.domain.releases import StepState

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def claim(number: int, *locks: str, priority: Priority = Priority.RELEASE, is_held: bool = False):
    return Claim(number, frozenset(locks), priority, NOW, is_held)


HELD = claim(1, "staging", "production", is_held=True)
BACK = claim(2, "production", priority=Priority.ROLLBACK)
FIX = claim(3, "production", priority=Priority.HOTFIX)


def test_a_release_that_waits_gives_way_and_one_that_runs_does_not():
    assert giving_way(BACK, [HELD, BACK], sleeping={1: Priority.ROLLBACK}) == [HELD]
    assert giving_way(BACK, [HELD, BACK], sleeping={}) == []


def test_equals_and_the_less_urgent_do_not_push():
    assert giving_way(claim(4, "production"), [HELD], sleeping={1: Priority.ROLLBACK}) == []
    held_back = claim(2, "production", priority=Priority.ROLLBACK, is_held=True)
    assert giving_way(FIX, [held_back], sleeping={2: Priority.HOTFIX}) == []


def test_other_environments_are_left_alone():
    assert (
        giving_way(BACK, [claim(1, "staging", is_held=True)], sleeping={1: Priority.ROLLBACK}) == []
    )


def test_the_most_urgent_is_next_once_who_holds_falls_asleep():
    queue = [HELD, FIX, BACK, claim(4, "production")]
    assert next_up(queue) == []
    assert next_up(queue, sleeping={1: Priority.ROLLBACK}) == [BACK]


STEPS = [
    StepPlace("build", "build", ""),
    StepPlace("deploy-staging", "deploy", "staging"),
    StepPlace("verify-staging", "verify", "staging"),
    StepPlace("approve-production", "approve", "production"),
    StepPlace("deploy-production", "deploy", "production"),
    StepPlace("verify-production", "verify", "production"),
    StepPlace("publish", "publish", ""),
]


def done(count: int, *, then: StepState | None = None) -> dict[str, StepState]:
    """Return the states of a release with so many steps done, and the next one in a state."""
    states = {step.id: StepState.DONE for step in STEPS[:count]}
    return states | ({STEPS[count].id: then} if then else {})


@pytest.mark.parametrize(
    ("states", "why"),
    [
        (done(0), "it has not begun"),
        (done(1), "it has built"),
        (done(3), "it waits for production's approval"),
        (done(4, then=StepState.WAITING), "it waits for production to be open"),
    ],
)
def test_a_release_between_its_environments_gives_way_to_a_hotfix(states, why):
    assert gives_way_to(STEPS, states) is Priority.HOTFIX, why


@pytest.mark.parametrize(
    ("states", "why"),
    [
        (done(1, then=StepState.RUNNING), "it changes staging"),
        (done(1, then=StepState.FAILED), "it has left staging half done"),
        (done(2), "staging is not verified"),
        (done(4, then=StepState.RUNNING), "it changes production"),
        (done(6), "production has it"),
    ],
)
def test_one_that_is_changing_an_environment_or_is_in_the_last_one_gives_way_to_a_rollback_alone(
    states, why
):
    assert gives_way_to(STEPS, states) is Priority.ROLLBACK, why


def test_one_that_only_publishes_gives_way_until_it_does():
    steps = [StepPlace("build", "build", ""), StepPlace("publish", "publish", "")]
    assert gives_way_to(steps, {"build": StepState.DONE}) is Priority.HOTFIX
    assert gives_way_to(steps, {"publish": StepState.RUNNING}) is Priority.ROLLBACK


def test_a_hotfix_does_not_push_who_is_in_the_middle():
    assert giving_way(FIX, [HELD, FIX], sleeping={1: Priority.HOTFIX}) == [HELD]
    assert giving_way(FIX, [HELD, FIX], sleeping={1: Priority.ROLLBACK}) == []
