"""What a release waits for, as it is written down and read again, by an older Gare too."""

import pytest

from gare.domain.waits import Cause, Waited, one_of, read_waited


@pytest.mark.parametrize("ways", [(), ("`gare resume R-2`", "`gare cancel R-2`")])
def test_what_is_waited_for_is_read_as_it_was_written(ways):
    said = Waited("api has failed", Cause.FAILED, "arrive-api", "R-2", ways)
    assert read_waited(said.as_json()) == said


def test_what_an_older_gare_wrote_is_read():
    assert read_waited("its turn") == Waited("its turn", Cause.OTHER)
    old = {"what": "api has failed", "cause": "failed members", "step": "arrive-api", "release": ""}
    assert read_waited(old) == Waited("api has failed", Cause.FAILED, "arrive-api")


def test_ways_on_are_told_in_a_sentence():
    assert [one_of(ways) for ways in ((), ("a",), ("a", "b"), ("a", "b", "c"))] == [
        "",
        "a",
        "a, or b",
        "a, b, or c",
    ]
