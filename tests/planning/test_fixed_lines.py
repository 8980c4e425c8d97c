"""Which commit is the fix in a line, and what takes it away again: the rules that all who ask have in common."""

from dataclasses import replace
from pathlib import Path

import pytest
from fixed_project import FixedProject

from gare.domain.fixes import FixState
from gare.errors import LosesFix
from gare.fixing import look_again


@pytest.fixture
def shop(tmp_path: Path) -> FixedProject:
    return FixedProject(tmp_path, "hotfix: {lines: ['maintenance/*']}")


def lost(shop: FixedProject) -> str:
    """Return why the next release of main is refused."""
    with pytest.raises(LosesFix) as caught:
        shop.release_plan()
    return caught.value.what


def test_a_fix_that_was_squashed_with_others_stays_merged_whatever_is_changed_later(shop):
    shop.branch("side", "v1.4.0")
    fixes = [shop.commit("fix: a", "basket.py", "a\n"), shop.commit("fix: b", "names.py", "b\n")]
    shop.git("checkout", "-q", "main")
    shop.git("reset", "-q", "--hard", shop.feature)
    *_, made = shop.release(*fixes)
    assert {fix.state for fix in shop.gare().ledger.fixes.of("shop")} == {FixState.MISSING}
    shop.git("merge", "-q", "--squash", made)
    shop.git("commit", "-qm", "Squashed hotfix")
    assert shop.stands() == {"main": FixState.MERGED}
    shop.commit("feat: more", "basket.py", "a and more\n")
    assert shop.stands() == {"main": FixState.MERGED}
    assert shop.release_plan().version == "1.5.0"


def test_a_fix_that_was_reverted_is_missing_and_a_release_without_it_refused(shop):
    shop.release()
    shop.git("revert", "--no-edit", shop.fix)
    revert = shop.git("rev-parse", "HEAD")
    found = shop.look()
    assert (found.state, found.detail) == (FixState.MISSING, f"reverted by {revert[:12]}")
    assert f"(fix: total) of 1.4.1, reverted by {revert[:12]}: it is not in main" in lost(shop)
    shop.git("revert", "--no-edit", "HEAD")
    assert shop.stands() == {"main": FixState.MERGED}
    assert shop.release_plan().version == "1.5.0"


def test_a_fix_that_was_reverted_and_picked_once_more_is_there(shop):
    shop.release()
    shop.git("revert", "--no-edit", shop.fix)
    shop.git("cherry-pick", shop.fix)
    picked = shop.git("rev-parse", "HEAD")
    shop.commit("feat: words", "basket.py", "full of words\n")
    assert (shop.look().state, shop.look().seen) == (FixState.MERGED, picked)


def test_a_line_that_has_the_same_in_another_commit_says_in_which(shop):
    shop.branch("maintenance/1.4", "v1.4.0")
    shop.git("cherry-pick", "-n", shop.fix)
    shop.git("commit", "-qm", "Corrected the sums")
    picked = shop.git("rev-parse", "HEAD")
    shop.git("checkout", "-q", "main")
    shop.release()
    told = {fix.line: (fix.state, fix.detail) for fix in look_again(shop.gare(), "shop")}
    assert told == {
        "main": (FixState.MERGED, ""),
        "maintenance/1.4": (FixState.MERGED, f"as {picked[:12]}, an equal patch"),
    }


def test_a_row_of_an_older_gare_that_does_not_say_how_says_it_at_the_next_look(shop):
    shop.git("reset", "-q", "--hard", shop.feature)
    shop.release(shop.fix)
    shop.git("cherry-pick", "-n", shop.fix)
    shop.git("commit", "-qm", "Corrected the sums")
    found = shop.look()
    shop.gare().ledger.fixes.note([replace(found, detail="")], actor="gare")
    assert shop.look().detail == found.detail != ""


def test_a_line_in_which_the_fix_would_change_nothing_says_so(shop):
    shop.git("reset", "-q", "--hard", shop.feature)
    shop.release(shop.fix)
    shop.commit("feat: more at once", "basket.py", "full\n")
    shop.git("commit", "-q", "--amend", "-m", "feat: more at once")
    (shop.work / "more.py").write_text("more\n")
    shop.git("add", "-A")
    shop.git("commit", "-q", "--amend", "--no-edit")
    assert (shop.look().state, shop.look().detail) == (
        FixState.MERGED,
        "it would change nothing there",
    )


@pytest.mark.parametrize("message", ["", "Revert it\n\nThis reverts merge request shop/web!7"])
def test_a_fix_goes_with_the_merge_that_brought_it(shop, message):
    shop.git("reset", "-q", "--hard", shop.feature)
    [made] = shop.release(shop.fix)
    said = "Merge branch 'hotfix/1.4.1' into 'main'\n\nSee merge request shop/web!7"
    shop.git("merge", "-q", "--no-ff", "-m", said, made)
    assert shop.stands() == {"main": FixState.MERGED}
    shop.git("revert", "--no-edit", "-m", "1", "HEAD")
    if message:
        shop.git("commit", "-q", "--amend", "-m", message)
    assert shop.look().state is FixState.MISSING
    assert "would lose" in lost(shop)


def test_another_merge_that_was_reverted_takes_no_fix_along(shop):
    shop.git("checkout", "-qb", "topic", "main")
    shop.commit("feat: words", "words.py", "good\n")
    shop.git("checkout", "-q", "main")
    shop.release()
    shop.git("merge", "-q", "--no-ff", "-m", "Merge topic", "topic")
    shop.git("revert", "--no-edit", "-m", "1", "HEAD")
    assert shop.stands() == {"main": FixState.MERGED}


def test_a_revert_that_was_picked_into_a_line_counts_there_too(shop):
    shop.branch("maintenance/1.4", "v1.4.0")
    shop.git("cherry-pick", shop.fix, GIT_COMMITTER_DATE="2031-01-01T00:00:00Z")
    shop.git("checkout", "-q", "main")
    shop.release()
    shop.git("revert", "--no-edit", shop.fix)
    revert = shop.git("rev-parse", "HEAD")
    assert shop.stands() == {"main": FixState.MISSING, "maintenance/1.4": FixState.MERGED}
    shop.on("maintenance/1.4", "cherry-pick", revert)
    assert shop.stands() == {"main": FixState.MISSING, "maintenance/1.4": FixState.MISSING}


def test_a_line_that_was_put_back_behind_the_fix_lacks_it(shop):
    shop.release()
    shop.git("reset", "-q", "--hard", shop.feature)
    assert shop.stands() == {"main": FixState.MISSING}
    assert "would lose" in lost(shop)


def test_an_older_commit_than_the_one_that_has_the_fix_has_it_not(shop):
    shop.release()
    assert shop.stands() == {"main": FixState.MERGED}
    with pytest.raises(LosesFix):
        shop.release_plan(ref=shop.feature)
