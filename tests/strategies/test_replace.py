"""Strategy `replace`: which moves lead from one version to another, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gare.errors import ConfigError
from gare.ports.target import Abilities
from gare.strategies.registry import STRATEGIES, strategy
from gare.strategies.replace import Move, ReplaceStep, plan, undo, way_back

PLAIN = Abilities()
STOP_START = Abilities(has_start=True, has_stop=True, has_health=True)
RESTART = Abilities(has_restart=True, has_health=True, shared=("data",))
ALL = Abilities(has_start=True, has_stop=True, has_restart=True, has_health=True)


def words(steps: tuple[ReplaceStep, ...]) -> list[str]:
    return [step.words + (" (may fail)" if step.may_fail else "") for step in steps]


@pytest.mark.parametrize(
    ("current", "abilities", "wanted"),
    [
        ("", PLAIN, ["bring in 2", "switch to 2"]),
        ("1", PLAIN, ["bring in 2", "switch to 2"]),
        ("", STOP_START, ["bring in 2", "switch to 2", "start 2", "check the health of 2"]),
        (
            "1",
            STOP_START,
            ["bring in 2", "stop 1", "switch to 2", "start 2", "check the health of 2"],
        ),
        (
            "2",
            STOP_START,
            ["bring in 2", "stop 2 (may fail)", "switch to 2", "start 2", "check the health of 2"],
        ),
        (
            "1",
            RESTART,
            [
                "bring in 2",
                "link the shared paths into 2",
                "switch to 2",
                "restart into 2",
                "check the health of 2",
            ],
        ),
        ("", ALL, ["bring in 2", "switch to 2", "start 2", "check the health of 2"]),
        ("1", ALL, ["bring in 2", "switch to 2", "restart into 2", "check the health of 2"]),
    ],
)
def test_the_way_to_a_version(current: str, abilities: Abilities, wanted: list[str]) -> None:
    assert words(plan(current, "2", abilities)) == wanted


@pytest.mark.parametrize(
    ("before", "abilities", "wanted"),
    [
        ("1", PLAIN, ["switch to 1"]),
        ("", PLAIN, ["switch to nothing"]),
        ("1", STOP_START, ["stop 2 (may fail)", "switch to 1", "start 1", "check the health of 1"]),
        ("", STOP_START, ["stop 2 (may fail)", "switch to nothing"]),
        ("1", RESTART, ["switch to 1", "restart into 1", "check the health of 1"]),
        ("", ALL, ["stop 2 (may fail)", "switch to nothing"]),
    ],
)
def test_the_way_back(before: str, abilities: Abilities, wanted: list[str]) -> None:
    assert words(way_back("2", before, abilities)) == wanted


@pytest.mark.parametrize(
    ("failed", "wanted"),
    [
        (Move.BRING_IN, []),
        (Move.STOP, ["start 1 (may fail)", "check the health of 1"]),
        (Move.SWITCH, ["stop 2 (may fail)", "switch to 1", "start 1", "check the health of 1"]),
        (Move.START, ["stop 2 (may fail)", "switch to 1", "start 1", "check the health of 1"]),
        (
            Move.CHECK_HEALTH,
            ["stop 2 (may fail)", "switch to 1", "start 1", "check the health of 1"],
        ),
    ],
)
def test_what_a_failed_step_needs_undone(failed: Move, wanted: list[str]) -> None:
    steps = plan("1", "2", STOP_START)
    moves = [step.move for step in steps]
    assert words(undo(steps[: moves.index(failed) + 1], "1", STOP_START)) == wanted


abilities = st.builds(
    Abilities,
    has_start=st.booleans(),
    has_stop=st.booleans(),
    has_restart=st.booleans(),
    has_health=st.booleans(),
)


@given(st.sampled_from(["", "1", "2"]), abilities)
def test_every_way_switches_once_and_checks_last(current: str, able: Abilities) -> None:
    steps = plan(current, "2", able)
    moves = [step.move for step in steps]
    assert moves.count(Move.SWITCH) == 1
    assert moves[0] is Move.BRING_IN
    assert (moves[-1] is Move.CHECK_HEALTH) is able.has_health
    assert Move.STOP not in moves[moves.index(Move.SWITCH) :]
    assert not {Move.START, Move.RESTART} & set(moves[: moves.index(Move.SWITCH)])


@given(abilities, st.integers(1, 9))
def test_a_rollout_that_never_touched_what_runs_needs_no_way_back(
    able: Abilities, length: int
) -> None:
    done = plan("1", "2", able)[:length]
    touched = {Move.SWITCH} | ({Move.STOP} if able.has_start else set())
    assert bool(undo(done, "1", able)) is bool(touched & {step.move for step in done})


def test_strategies_are_found_by_name() -> None:
    assert all(strategy(name).plan for name in STRATEGIES)
    with pytest.raises(ConfigError) as failure:
        strategy("yolo")
    assert str(failure.value) == "There is no strategy `yolo`. Write one of: replace."
