"""Which step may start, and in which order."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gare.domain.plan import PlannedStep
from gare.domain.schedule import behind, ordered, ready
from gare.errors import ConfigError

NAMES = [f"s{number}" for number in range(7)]


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Graphs without a circle, in any order of writing."""
    rank = draw(st.permutations(NAMES))
    needs = {
        step: draw(st.lists(st.sampled_from(rank[:place]), unique=True, max_size=3))
        if place
        else []
        for place, step in enumerate(rank)
    }
    return {step: needs[step] for step in draw(st.permutations(NAMES))}


def steps_of(needs: dict[str, list[str]]) -> list[PlannedStep]:
    return [PlannedStep(step, "run", step, tuple(before)) for step, before in needs.items()]


@given(graphs())
def test_every_step_comes_once_and_after_what_it_needs(needs):
    order = ordered(needs)
    assert sorted(order) == sorted(needs)
    assert all(order.index(need) < order.index(step) for step in needs for need in needs[step])


@given(graphs())
def test_starting_what_is_ready_ends_with_everything_done(needs):
    steps, done = steps_of(needs), set[str]()
    while wave := ready(steps, done, done):
        assert all(set(step.needs) <= done for step in wave)
        done |= {step.id for step in wave}
    assert done == set(needs)


@given(graphs(), st.sampled_from(NAMES))
def test_what_is_behind_a_step_are_its_needs_and_what_is_behind_those(needs, step):
    steps = steps_of(needs)
    expected = set(needs[step]).union(*(behind(steps, need) for need in needs[step]))
    assert behind(steps, step) == expected
    assert step not in expected


def test_ties_keep_the_order_given():
    assert ordered({"b": [], "a": [], "c": ["b"], "d": ["a"]}) == ["b", "a", "c", "d"]


def test_a_started_step_is_not_started_again():
    steps = steps_of({"a": [], "b": [], "c": ["a"]})
    assert [step.id for step in ready(steps, {"a"}, {"a", "b"})] == ["c"]


@pytest.mark.parametrize(
    ("needs", "path"),
    [
        ({"a": ["a"]}, "a -> a"),
        ({"a": ["b"], "b": ["a"]}, None),
        ({"x": [], "a": ["b"], "b": ["c"], "c": ["a"]}, None),
    ],
)
def test_a_circle_is_named(needs, path):
    with pytest.raises(ConfigError) as caught:
        ordered(needs)
    said = caught.value.what.removeprefix("The steps wait for each other in a circle: ").rstrip(".")
    circle = said.split(" -> ")
    assert circle[0] == circle[-1]
    assert all(after in needs[step] for step, after in pairwise(circle))
    assert path in (None, said)
    assert caught.value.where == "steps"
    assert caught.value.hint == "Take one `needs` out."
