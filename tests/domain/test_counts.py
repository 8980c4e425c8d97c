"""Counts as people say them."""

import pytest

from gare.domain.counts import counted


@pytest.mark.parametrize(
    ("count", "words", "said"),
    [
        (0, ("commit",), "0 commits"),
        (1, ("commit",), "1 commit"),
        (2, ("commit",), "2 commits"),
        (1, ("more approval",), "1 more approval"),
        (2, ("entry", "entries"), "2 entries"),
    ],
)
def test_one_is_one_and_all_others_are_many(count, words, said):
    assert counted(count, *words) == said
