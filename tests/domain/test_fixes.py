"""Which fixes a release could lose: those of hotfixes between its last version and its own."""

from dataclasses import replace

import pytest

from gare.domain.fixes import Fix, FixState, at_stake

FIX = Fix("R-8", "shop", "1.4.1", "a" * 40, "b" * 40, "fix: total", "main", FixState.MISSING)


@pytest.mark.parametrize(
    ("since", "version", "count"),
    [
        ("1.4.0", "1.5.0", 1),
        ("1.4.0", "2.0.0-rc.1", 1),
        ("", "1.5.0", 1),
        ("1.4.1", "1.5.0", 1),
        ("1.5.0", "1.6.0", 0),
        ("1.3.0", "1.3.1", 0),
    ],
)
def test_a_fix_is_at_stake_between_the_last_version_and_the_new_one(since, version, count):
    assert len(at_stake([FIX], lines={"main"}, since=since, version=version)) == count


def test_each_fix_is_asked_for_once_whatever_its_lines_and_however_it_stands():
    rows = [FIX, replace(FIX, line="next", state=FixState.MERGED), replace(FIX, commit="c" * 40)]
    found = at_stake(rows, lines={"topic"}, since="1.4.0", version="1.5.0")
    assert [fix.commit for fix in found] == ["a" * 40, "c" * 40]


def test_a_waiver_is_for_one_line():
    rows = [FIX, replace(FIX, line="next", state=FixState.WAIVED)]
    assert at_stake(rows, lines={"next"}, since="1.4.0", version="1.5.0") == []
    assert len(at_stake(rows, lines={"main"}, since="1.4.0", version="1.5.0")) == 1


def test_a_waiver_counts_for_whatever_a_release_is_known_as():
    rows = [FIX, replace(FIX, line="R-9", state=FixState.WAIVED)]
    asked = {"since": "1.4.0", "version": "1.5.0"}
    assert at_stake(rows, lines={"main", "R-9"}, **asked) == []
    assert len(at_stake(rows, lines={"main", "R-7"}, **asked)) == 1


def test_what_is_settled_needs_nobody():
    settled = {state for state in FixState if state.is_settled}
    assert settled == {FixState.MERGED, FixState.WAIVED, FixState.ENDED}
