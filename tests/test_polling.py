"""Looking again and again."""

from itertools import islice

from gare.polling import looks


def test_the_first_look_is_at_once_and_the_last_at_the_deadline():
    left = list(looks(0.1, first_s=0.02))
    assert left[0] > 0.09
    assert left[-1] == 0
    assert left == sorted(left, reverse=True)


def test_no_time_is_one_look():
    assert list(looks(0)) == [0]


def test_pauses_grow_up_to_the_longest(monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr("gare.polling.time.sleep", slept.append)
    list(islice(looks(None, first_s=1, longest_s=3), 6))
    assert slept == [1, 1.5, 2.25, 3, 3]
