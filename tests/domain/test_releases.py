"""The life of a release."""

import pytest

from gare.domain.releases import CLOSED, EXIT_CODES, ReleaseState


@pytest.mark.parametrize(
    ("state", "is_closed", "exit_code"),
    [
        ("running", False, 0),
        ("waiting", False, 0),
        ("failed", False, 1),
        ("needs attention", False, 1),
        ("released", True, 0),
        ("rejected", True, 3),
        ("expired", True, 3),
        ("rolled back", True, 5),
        ("cancelled", True, 3),
    ],
)
def test_every_state_says_whether_it_is_an_end_and_its_exit_code(state, is_closed, exit_code):
    assert (ReleaseState(state).is_closed, ReleaseState(state).exit_code) == (is_closed, exit_code)


def test_every_state_moves_stands_still_or_is_an_end():
    stopped = {state for state in ReleaseState if state.is_stopped}
    assert stopped == {ReleaseState.FAILED, ReleaseState.ATTENTION}
    assert not stopped & CLOSED


def test_no_state_is_forgotten():
    assert set(EXIT_CODES) == set(ReleaseState)
    assert set(ReleaseState) > CLOSED
