"""Where lines stand towards a fix, in real repositories: found by its patch, tried where it is missing."""

import shutil

import pytest
from fixed_project import FixedProject

from gare.domain.fixes import FixState, fixes_of
from gare.domain.journey import HOTFIX_FIRST, stands_behind_hotfix
from gare.domain.plan import Kind
from gare.domain.releases import ReleaseState
from gare.errors import LosesFix, Refused
from gare.fixing import let_go_of_ended, look_again
from gare.ledger.effects import Absent, Effect
from gare.requests import ReleaseRequest
from tasks.plan import plan_anew


@pytest.fixture
def shop(tmp_path) -> FixedProject:
    return FixedProject(tmp_path, "hotfix: {lines: ['maintenance/*']}")


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


def test_what_was_tried_at_a_commit_is_not_tried_again_until_the_line_moves(shop):
    shop.git("branch", "maintenance/1.4", "v1.4.0")
    shop.release()
    known = shop.gare().ledger.fixes.of("shop")
    work = shop.gare().work_folder
    shutil.rmtree(work)
    work.write_text("no room for a clone to try in")
    assert shop.stands()["maintenance/1.4"] is FixState.MISSING
    assert shop.gare().ledger.fixes.of("shop") == known, "and nothing new is written down"
    work.unlink()
    shop.on("maintenance/1.4", "commit", "-q", "--allow-empty", "-m", "docs: moved on")
    found = shop.look("maintenance/1.4")
    assert (found.state, found.seen) == (
        FixState.MISSING,
        shop.git("rev-parse", "maintenance/1.4"),
    )


def test_a_branch_that_is_gone_needs_nothing(shop):
    shop.git("branch", "maintenance/1.4", "v1.4.0")
    shop.release()
    shop.git("branch", "-D", "maintenance/1.4")
    found = shop.look("maintenance/1.4")
    assert (found.state, found.detail) == (FixState.ENDED, "the branch is gone")


def test_an_open_release_without_the_fix_is_a_line_until_it_ends(shop):
    gare = shop.gare()
    digest, plan = gare.drafting.make(ReleaseRequest(project="shop", ref=shop.feature))
    opened = gare.ledger.releases.open(digest, plan, "run 0", "", "")
    shop.release()
    assert shop.stands()[opened.id] is FixState.MISSING
    gare.ledger.releases.mark(opened.id, ReleaseState.CANCELLED, actor="gare")
    assert shop.stands()[opened.id] is FixState.ENDED


def test_a_fix_that_was_waived_for_an_open_release_is_waived_for_it_alone(shop):
    gare = shop.gare()
    digest, plan = gare.drafting.make(ReleaseRequest(project="shop", ref=shop.feature))
    opened = gare.ledger.releases.open(digest, plan, "run 0", "", "")
    shop.release()
    waived = {"person": "alice", "reason": "goes out as it is"}
    with pytest.raises(LosesFix):
        gare.drafting.refuse_lost(plan, (opened.id, ""))
    gare.ledger.fixes.waive("R-2", opened.id, **waived)
    gare.drafting.refuse_lost(plan, (opened.id, ""))
    again = gare.drafting.make(ReleaseRequest(project="shop", ref=shop.feature), opened.id)[1]
    assert again.commit == shop.feature
    with pytest.raises(LosesFix):
        shop.release_plan(ref=shop.feature)


def test_what_has_boarded_a_train_is_a_line_until_it_leaves(shop, story):
    gare = shop.gare()
    boarded = {"project": "shop", "commit": shop.feature}
    plan = story.make_plan(project="train:weekly", kind=Kind.TRAIN, details={"members": [boarded]})
    train = gare.ledger.releases.open(gare.ledger.plans.store(plan), plan, "run 0", "", "")
    shop.release()
    assert shop.stands()[train.id] is FixState.MISSING
    digest, own = gare.drafting.make(ReleaseRequest(project="shop"))
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


def test_a_member_that_a_hotfix_overtook_names_the_fix_and_no_way_that_its_train_may_refuse(
    shop, story
):
    gare = shop.gare()
    releases = gare.ledger.releases
    details = {"announces": [], "members": [{"project": "shop", "commit": shop.feature}]}
    boarded = story.make_plan(project="train:weekly", kind=Kind.TRAIN, details=details)
    train = releases.open(gare.ledger.plans.store(boarded), boarded, "run 0", "", "")
    request = ReleaseRequest(project="shop", ref=shop.feature, replan=True, train=train.id)
    digest, plan = gare.drafting.make(request)
    member = releases.open(digest, plan, "run 2", "", "", request.model_dump(mode="json"))
    releases.begin_step(member.id, "deploy-staging", actor="gare")
    gare.ledger.effects.perform(member.id, "deploy-staging", Effect("deploy", {}, Absent, dict))
    shop.release()
    stands = plan_anew(gare, member, request)
    assert stands_behind_hotfix(stands)
    assert stands.end.startswith(f"{HOTFIX_FIRST}1.5.0 would lose {shop.fix[:12]} (fix: total) of")
    assert "resume" not in stands.end


def test_a_hotfix_that_was_cancelled_while_production_ran_it_is_not_forgotten(shop):
    gare = shop.gare()
    digest, plan = shop.plan(shop.fix)
    release = gare.ledger.releases.open(digest, plan, "run 1", "alice", "")
    gare.ledger.fixes.note(fixes_of(release.id, plan), actor="gare")
    deployed = Effect("deploy production", {}, Absent, dict)
    gare.ledger.effects.perform(release.id, "deploy-production", deployed)
    gare.ledger.releases.mark(release.id, ReleaseState.CANCELLED, actor="alice", end="no tag")
    with pytest.raises(LosesFix) as caught:
        shop.release_plan(ref=shop.feature)
    assert f"would lose {shop.fix[:12]} (fix: total) of 1.4.1" in caught.value.what
    assert shop.stands() == {"main": FixState.MERGED}
    assert shop.release_plan().version == "1.5.0"
    other = shop.commit("fix: names", "names.py", "good\n")
    with pytest.raises(LosesFix) as caught:
        shop.plan(other)
    assert "1.4.2 would lose" in caught.value.what
    assert "it is not in v1.4.0 at" in caught.value.what
    assert caught.value.hint == "Name that commit as well: then this hotfix brings it along."
    assert shop.plan(shop.fix, other)[1].version == "1.4.2"


def test_a_branch_that_was_never_pushed_is_a_line_all_the_same(shop):
    shop.git("init", "-q", "--bare", "../remote.git")
    shop.git("remote", "add", "origin", "../remote.git")
    shop.git("push", "-q", "origin", "main", "--tags")
    text = (shop.work / "gare.yaml").read_text().replace("remote: ''", "remote: origin")
    (shop.work / "gare.yaml").write_text(text.replace("lines: ['maintenance/*']", "lines: []"))
    shop.git("branch", "maintenance/1.4", "v1.4.0")
    shop.release(line="maintenance/1.4")
    assert shop.stands() == {"main": FixState.MERGED, "maintenance/1.4": FixState.MISSING}


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


def test_the_commit_of_a_hotfix_is_kept_while_it_is_under_way_and_once_it_is_out(shop):
    gare, project = shop.gare(), shop.gare().project("shop")
    picks = gare.source_of(project.config, project.base).picks
    plans = [shop.plan(shop.fix), shop.plan(shop.commit("fix: names", "names.py", "good\n"))]
    releases = [
        gare.ledger.releases.open(digest, plan, f"run {plan.commit}", "", "")
        for digest, plan in plans
    ]
    first, second = (plan.commit for _, plan in plans)
    for commit in (first, second):
        picks.hold(commit)
    let_go_of_ended(gare, "shop")
    assert sorted(picks.held()) == sorted([first, second])
    branch = Effect(
        "branch hotfix/1.4.1", {}, Absent, lambda: {"branch": "hotfix/1.4.1", "commit": first}
    )
    for effect in (("branch", branch), ("deploy", Effect("deploy production", {}, Absent, dict))):
        gare.ledger.effects.perform(releases[0].id, *effect)
    for release in releases:
        gare.ledger.releases.mark(release.id, ReleaseState.CANCELLED, actor="gare")
    let_go_of_ended(gare, "shop")
    assert picks.held() == [first], "production may run it"


def test_an_open_release_that_has_the_fix_is_no_line_that_needs_it(shop):
    gare = shop.gare()
    digest, plan = gare.drafting.make(ReleaseRequest(project="shop"))
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
