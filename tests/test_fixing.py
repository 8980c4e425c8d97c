"""Where lines stand towards a fix, in real repositories: found by its patch, tried where it is missing."""

from collections.abc import Sequence

import pytest
from released_project import ReleasedProject

from gare.domain.fixes import FixState
from gare.domain.plan import Kind
from gare.domain.releases import ReleaseState
from gare.errors import LosesFix, Refused
from gare.fixing import look_again, track
from gare.requests import ReleaseRequest


class Fixed(ReleasedProject):
    """The project after its fix was released as hotfix R-1, version 1.4.1."""

    def release(self, *commits: str) -> Sequence[str]:
        gare = self.gare()
        digest, plan = self.plan(*commits or [self.fix])
        self.git("tag", "v1.4.1", plan.commit)
        release = gare.ledger.releases.open(digest, plan, "run 1", "", "")
        track(gare, release, plan)
        gare.ledger.releases.mark(release.id, ReleaseState.RELEASED, actor="gare")
        return [pick["made"] for pick in plan.details["picks"]]

    def stands(self) -> dict[str, FixState]:
        return {fix.line: fix.state for fix in look_again(self.gare(), "shop")}

    def branch(self, name: str, start: str) -> None:
        self.git("checkout", "-qb", name, start)

    def release_plan(self, **request: object):
        return self.gare().make_plan(ReleaseRequest(project="shop", **request))[1]


@pytest.fixture
def shop(tmp_path) -> Fixed:
    return Fixed(tmp_path, "hotfix: {lines: ['maintenance/*']}")


def test_the_line_that_the_fix_comes_from_has_it(shop):
    shop.release()
    assert shop.stands() == {"main": FixState.MERGED}


def test_a_fix_is_found_after_a_rebase_and_after_a_squash_of_one_commit(shop):
    shop.branch("maintenance/rebased", "v1.4.0")
    shop.commit("docs: words", "words.txt", "words\n")
    shop.git("cherry-pick", shop.fix)
    shop.branch("maintenance/squashed", "v1.4.0")
    shop.git("merge", "-q", "--squash", shop.fix)
    shop.git("checkout", "-q", shop.fix, "--", "basket.py")
    shop.git("checkout", "-q", "v1.4.0", "--", "pay.py")
    shop.git("commit", "-qm", "Squashed: total")
    shop.git("checkout", "-q", "main")
    shop.release()
    assert shop.stands() == {
        "main": FixState.MERGED,
        "maintenance/rebased": FixState.MERGED,
        "maintenance/squashed": FixState.MERGED,
    }


def test_a_line_without_the_fix_is_missing_it_until_it_is_merged(shop):
    shop.git("branch", "maintenance/1.4", "v1.4.0")
    [made] = shop.release()
    assert shop.stands()["maintenance/1.4"] is FixState.MISSING
    shop.git("checkout", "-q", "maintenance/1.4")
    shop.git("merge", "-q", made)
    shop.git("checkout", "-q", "main")
    assert shop.stands()["maintenance/1.4"] is FixState.MERGED


def test_a_fix_that_does_not_fit_is_a_conflict_with_the_file(shop):
    shop.branch("maintenance/1.3", "v1.4.0")
    shop.commit("feat: another basket", "basket.py", "quite another\n")
    shop.git("checkout", "-q", "main")
    shop.release()
    before = shop.seen()
    [fix] = [fix for fix in look_again(shop.gare(), "shop") if fix.line == "maintenance/1.3"]
    assert fix.state is FixState.CONFLICT
    assert fix.detail.endswith("does not fit on maintenance/1.3: conflict in basket.py.")
    assert shop.seen() == before


def test_a_line_that_has_the_same_by_another_change_needs_nothing(shop):
    shop.branch("maintenance/1.4", "v1.4.0")
    shop.commit("fix: basket and words", "basket.py", "full\n")
    shop.git("checkout", "-q", "main")
    shop.release()
    assert shop.stands()["maintenance/1.4"] is FixState.MERGED


def test_an_open_release_without_the_fix_is_a_line_until_it_ends(shop):
    gare = shop.gare()
    digest, plan = gare.make_plan(ReleaseRequest(project="shop", ref=shop.feature))
    opened = gare.ledger.releases.open(digest, plan, "run 0", "", "")
    shop.release()
    assert shop.stands()[opened.id] is FixState.MISSING
    gare.ledger.releases.mark(opened.id, ReleaseState.CANCELLED, actor="gare")
    assert shop.stands()[opened.id] is FixState.ENDED


def test_what_has_boarded_a_train_is_a_line_until_it_leaves(shop, story):
    gare = shop.gare()
    boarded = {"project": "shop", "commit": shop.feature}
    plan = story.make_plan(project="train:weekly", kind=Kind.TRAIN, details={"members": [boarded]})
    train = gare.ledger.releases.open(gare.ledger.plans.store(plan), plan, "run 0", "", "")
    shop.release()
    assert shop.stands()[train.id] is FixState.MISSING
    digest, own = gare.make_plan(ReleaseRequest(project="shop"))
    gare.ledger.releases.open(digest, own, "run 2", "", "", {"train": train.id})
    assert shop.stands()[train.id] is FixState.ENDED


def test_a_release_that_would_lose_the_fix_is_refused_with_its_name(shop):
    shop.release()
    with pytest.raises(LosesFix) as caught:
        shop.release_plan(ref=shop.feature)
    assert caught.value.what == (
        f"1.5.0 would lose {shop.fix[:12]} (fix: total) of 1.4.1: it is not in main at {shop.feature[:12]}."
    )
    assert "gare fixes waive R-1 main --reason" in caught.value.hint
    shop.gare().ledger.fixes.waive("R-1", "main", person="alice", reason="done otherwise")
    assert shop.release_plan(ref=shop.feature).version == "1.5.0"


def test_a_release_with_the_fix_steps_over_the_version_of_the_hotfix(shop):
    shop.git("reset", "-q", "--hard", "v1.4.0")
    shop.fix = shop.commit("fix: total", "basket.py", "full\n")
    shop.release()
    plan = shop.release_plan()
    assert plan.version == "1.4.2"
    assert "1.4.1 was deployed by R-1 and is not used again: this is 1.4.2" in plan.warnings
    with pytest.raises(Refused, match=r"1\.4\.1 exists already"):
        shop.release_plan(version="1.4.1")


def test_a_later_hotfix_begins_at_the_one_before(shop):
    shop.release()
    second = shop.commit("fix: names", "names.py", "good\n")
    _, plan = shop.plan(second)
    assert (plan.version, plan.previous_version) == ("1.4.2", "1.4.1")
    assert shop.git("show", f"{plan.commit}:basket.py") == "full"


def test_a_hotfix_of_a_line_that_would_lose_an_earlier_fix_is_refused(shop):
    shop.git("branch", "maintenance/1.4", "v1.4.0")
    shop.release()
    second = shop.commit("fix: names", "names.py", "good\n")
    with pytest.raises(LosesFix) as caught:
        shop.plan(second, line="maintenance/1.4")
    assert caught.value.what.startswith(f"1.4.2 would lose {shop.fix[:12]} (fix: total) of 1.4.1")


def test_a_fix_of_which_one_commit_alone_is_missing_is_named(shop):
    other = shop.commit("fix: names", "names.py", "good\n")
    shop.release(shop.fix, other)
    with pytest.raises(LosesFix) as caught:
        shop.release_plan(ref=shop.fix)
    assert f"would lose {other[:12]} (fix: names) of 1.4.1" in caught.value.what


def test_a_hotfix_that_brings_the_earlier_fix_into_a_line_is_not_refused_for_it(shop):
    shop.git("branch", "maintenance/1.4", "v1.4.0")
    shop.release()
    _, plan = shop.plan(shop.fix, line="maintenance/1.4")
    assert plan.version == "1.4.2"


def test_an_open_release_that_has_the_fix_is_no_line_that_needs_it(shop):
    gare = shop.gare()
    digest, plan = gare.make_plan(ReleaseRequest(project="shop"))
    gare.ledger.releases.open(digest, plan, "run 0", "", "")
    shop.release()
    assert shop.stands() == {"main": FixState.MERGED}


def test_a_release_that_has_the_fix_by_another_change_loses_nothing(shop):
    shop.git("branch", "-m", "main", "old")
    shop.branch("main", "v1.4.0")
    shop.commit("fix: basket and words", "basket.py", "full\n")
    shop.release()
    shop.commit("feat: words", "words.py", "good\n")
    assert shop.release_plan().version == "1.5.0"
