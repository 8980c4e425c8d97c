"""What hotfixes owe after their end: told by line, with who asked for the hotfix."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gare.domain.fixes import Fix, FixState
from gare.domain.releases import Release, ReleaseState
from gare.reports.owed import owed

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RELEASE = Release(
    "R-8", "shop", "1.4.1", "p", "run", ReleaseState.RELEASED, "alice", "", NOW, NOW, NOW, "", (), None
)  # fmt: skip
FIX = Fix(
    "R-8", "shop", "1.4.1", "a" * 40, "b" * 40, "fix: total", "main", FixState.MISSING, "", "gare", NOW
)  # fmt: skip
WAIVE = "gare fixes waive R-8 main --reason …"


@pytest.mark.parametrize(
    ("state", "detail", "what", "do"),
    [
        (FixState.MISSING, "reverted by cccccccccccc", "; reverted by cccccccccccc", f"bring it there, or {WAIVE}"),
        (FixState.PROPOSED, "https://x/7", "; https://x/7", f"merge it, or {WAIVE}"),
        (FixState.PROPOSED, "https://x/7; Commit b does not fit on main: conflict in f.",
         "; https://x/7; Commit b does not fit on main: conflict in f.",
         f"make its branch fit, then merge it, or {WAIVE}"),
        (FixState.CONFLICT, "conflict in a.py", "; conflict in a.py",
         f"make it fit there, then gare fixes merged R-8 main --commit …; or {WAIVE}"),
    ],
)  # fmt: skip
def test_a_line_that_lacks_a_fix_names_what_settles_it(state, detail, what, do):
    [one] = owed([], [replace(FIX, state=state, detail=detail)], {"R-8": RELEASE})
    assert one.what == f"main lacks aaaaaaaaaaaa (fix: total) of shop 1.4.1{what}"
    assert (one.owner, one.do, one.since) == ("alice", do, NOW)


def test_the_fixes_of_a_line_are_told_together_and_what_is_settled_is_not():
    rows = [
        FIX,
        replace(FIX, line="next", state=FixState.WAIVED),
        replace(FIX, commit="c" * 40, subject="fix: tax"),
    ]
    [one] = owed([], rows, {"R-8": replace(RELEASE, requested_by="")})
    assert one.what.startswith("main lacks aaaaaaaaaaaa (fix: total), cccccccccccc (fix: tax) of")
    assert one.owner == "whoever started it"


@pytest.mark.parametrize(
    ("state", "count"),
    [(ReleaseState.WAITING, 1), (ReleaseState.FAILED, 1), (ReleaseState.CANCELLED, 0), (ReleaseState.RELEASED, 0)],
)  # fmt: skip
def test_a_release_without_the_fix_is_owed_it_until_it_has_ended(state, count):
    other = replace(RELEASE, id="R-11", state=state, closed_at=NOW if state.is_closed else None)
    found = owed([], [replace(FIX, line="R-11")], {"R-8": RELEASE, "R-11": other})
    assert [one.what.split(" lacks")[0] for one in found] == ["R-11"] * count


def test_a_hotfix_that_is_under_way_owes_nothing_yet():
    assert owed([], [FIX], {"R-8": replace(RELEASE, state=ReleaseState.RUNNING)}) == []
