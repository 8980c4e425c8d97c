"""Which versions of a tracker's project are ours, in their order."""

from dataclasses import dataclass

import pytest

from gare.domain.ticket_versions import before, following, outdated


@dataclass
class Known:
    name: str
    is_released: bool = False
    is_archived: bool = False


MINE = [
    Known("shop 1.10.0", is_released=True),
    Known("shop 1.9.0", is_released=True),
    Known("shop 1.8", is_released=True, is_archived=True),
    Known("app 3.0.0", is_released=True),
    Known("shop later"),
    Known("shop 2.0.0"),
    Known("shop 1.11.0"),
    Known("shop 1.12.0"),
]
PATTERN = "shop {version}"


@pytest.mark.parametrize(
    ("name", "next_one"),
    [("shop 1.10.0", "shop 1.11.0"), ("shop 2.0.0", ""), ("app 1.0.0", ""), ("shop", "")],
)
def test_the_next_one_is_the_lowest_that_is_open(name, next_one):
    assert following(name, MINE, PATTERN) == next_one


def test_the_one_before_is_the_highest_below_whatever_became_of_it():
    assert before("shop 1.11.0", MINE, PATTERN) == "shop 1.10.0"
    assert before("shop 1.9.0", MINE, PATTERN) == "shop 1.8"
    assert before("shop 1.0.0", MINE, PATTERN) == ""


def test_those_that_are_out_for_long_are_ours_by_name_and_the_highest_stay():
    assert outdated(MINE, 1, PATTERN) == ["shop 1.9.0"]
    assert outdated(MINE, 2, PATTERN) == []
