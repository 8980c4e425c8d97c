"""What stands where a release was verified good: its own version, one on top of it, or what was there before."""

from datetime import UTC, datetime

import pytest

from gare.domain.ground import ground_of
from gare.domain.plan import Kind
from gare.domain.standing import Verified

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
OWN = "R-2"


def history(*entries: str) -> list[Verified]:
    """Read `0.2.0 R-2` as a release, `0.1.0 R-3 rollback` as a rollback, the oldest first."""
    found = []
    for entry in entries:
        version, release, *kind = entry.split()
        found.append(Verified(version, release, Kind(kind[0] if kind else "release"), NOW))
    return found


@pytest.mark.parametrize(
    ("after", "is_own", "is_below", "is_gone"),
    [
        ((), True, False, False),
        (("0.2.1 R-3 hotfix",), False, True, False),
        (("0.1.0 R-3 rollback",), False, False, True),
        (("0.2.1 R-3 hotfix", "0.2.0 R-4 rollback"), True, False, False),
        (("0.2.1 R-3 hotfix", "0.1.0 R-4 rollback"), False, False, True),
        (("0.1.0 R-3 rollback", "0.3.0 R-4"), False, True, False),
    ],
)
def test_an_environment_stands_at_a_release_above_it_or_below_it(after, is_own, is_below, is_gone):
    ground = ground_of(history("0.1.0 R-1", "0.2.0 R-2", *after), OWN)
    assert (ground.is_own, ground.is_below, ground.is_gone) == (is_own, is_below, is_gone)
    assert ground.before == "0.1.0"


def test_a_release_that_was_never_verified_good_there_stands_nowhere():
    assert ground_of(history("0.1.0 R-1"), OWN) is None


def test_the_first_version_has_none_below_it():
    assert ground_of(history("0.2.0 R-2", "0.2.1 R-3 hotfix"), OWN).before == ""
