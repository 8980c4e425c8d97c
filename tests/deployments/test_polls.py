"""When the worker asks for runs."""

import os

import pytest

from deployments.polls import Polls


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def asked(polls, clock, seconds):
    """Return the instants at which the worker asks, tick by tick."""
    start, times = clock.now, []
    while clock.now < start + seconds:
        if polls.is_due():
            times.append(clock.now - start)
        clock.now += 0.25
    return times


def test_it_asks_each_second_at_first_and_each_three_when_nothing_comes(clock):
    polls = Polls(None, clock)
    assert asked(polls, clock, 3) == [0, 1, 2]
    clock.now += 60
    assert asked(polls, clock, 9) == [0, 3, 6]


def test_the_bell_makes_it_ask_at_the_next_tick_and_often_for_a_while(clock, tmp_path):
    bell = tmp_path / "bell"
    polls = Polls(bell, clock)
    clock.now += 61
    assert polls.is_due()
    clock.now += 0.25
    assert not polls.is_due()
    bell.touch()
    assert asked(polls, clock, 3) == [0, 1, 2]
    os.utime(bell, (5, 5))
    assert polls.is_due(), "a bell whose time goes back rings, too"


def test_runs_that_came_make_it_ask_often(clock):
    polls = Polls(None, clock)
    clock.now += 61
    polls.is_due()
    polls.found()
    clock.now += 1
    assert polls.is_due()
