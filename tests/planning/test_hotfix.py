"""The plan of a hotfix from real repositories: what is picked, what is refused, and that nothing is left behind."""

import os
import subprocess
from pathlib import Path

import pytest
from released_project import ReleasedProject

from gare.domain.releases import ReleaseState
from gare.errors import GareError, NotFound, Refused
from gare.ledger.effects import Absent, Effect
from gare.reconciler import tidy


@pytest.fixture
def repository(tmp_path: Path) -> ReleasedProject:
    return ReleasedProject(tmp_path)


def refusal(repository: ReleasedProject, *commits: str, **request: object) -> GareError:
    """Return why it is refused; nothing may be left behind by it."""
    before = repository.seen()
    with pytest.raises(GareError) as caught:
        repository.plan(*commits, **request)
    assert repository.seen() == before
    assert list(repository.root.rglob("pick-*")) == []
    return caught.value


def test_the_fix_alone_goes_onto_the_last_released_version(repository):
    digest, plan = repository.plan(repository.fix[:10], ticket="SHOP-10")
    assert (plan.kind, plan.version, plan.previous_version) == ("hotfix", "1.4.1", "1.4.0")
    assert (plan.bump, plan.tag, plan.branch) == ("patch", "v1.4.1", "hotfix/1.4.1")
    assert repository.git("rev-parse", f"{plan.commit}^") == repository.git("rev-parse", "v1.4.0")
    assert repository.git("show", f"{plan.commit}:basket.py") == "full"
    assert "gift" not in repository.git("show", f"{plan.commit}:pay.py")
    assert [commit.subject for commit in plan.commits] == ["total"]
    assert plan.authors == ("erin@example.org",)
    [pick] = plan.details["picks"]
    assert pick["commit"] == repository.fix
    assert pick["made"] == plan.commit
    assert (pick["subject"], plan.details["ticket"]) == ("fix: total", "SHOP-10")
    assert plan.commits[0].tickets == ("SHOP-9", "SHOP-10")
    assert digest.startswith("sha256:")


def test_the_patch_id_of_a_pick_is_that_of_git(repository):
    _, plan = repository.plan(repository.fix)
    shown = subprocess.run(
        f"git show {repository.fix} | git patch-id --stable",
        shell=True, cwd=repository.work, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert plan.details["picks"][0]["patch"] == shown.stdout.split()[0]


def test_the_same_fix_gives_the_same_commit_and_digest_whoever_plans_it(repository, monkeypatch):
    first, plan = repository.plan(repository.fix)
    repository.git("config", "user.name", "Somebody else")
    repository.git("config", "commit.gpgSign", "true")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2030-01-01T00:00:00Z")
    repository.git("reflog", "expire", "--expire=now", "--all")
    repository.git("prune", "--expire=now")
    again, same = repository.plan(repository.fix)
    assert (again, same.commit) == (first, plan.commit)


def test_planning_leaves_nothing_that_a_person_sees(repository):
    (repository.work / "pay.py").write_text("somebody is at work\n")
    before = repository.seen()
    _, plan = repository.plan(repository.fix)
    assert repository.seen() == before
    assert repository.git("cat-file", "-t", plan.commit) == "commit", "for whoever looks into it"


def test_a_conflict_ends_it_with_the_files_named(repository):
    later = repository.commit("fix: gift total", "pay.py", "one\ntwo\ngift and total\n")
    error = refusal(repository, repository.fix, later)
    assert isinstance(error, Refused)
    assert error.what == (
        f"Commit {later[:12]} (fix: gift total) does not fit on v1.4.0: conflict in pay.py."
    )
    assert "branch from v1.4.0" in error.hint


def test_a_merge_needs_its_parent_named(repository):
    repository.git("checkout", "-qb", "topic", repository.feature)
    repository.commit("fix: names", "names.py", "good\n")
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "--no-ff", "-m", "Merge topic", "topic")
    merge = repository.git("rev-parse", "HEAD")
    error = refusal(repository, merge)
    assert error.what == (
        f"Commit {merge[:12]} (Merge topic) is a merge: which of its 2 sides is the fix cannot be told."
    )
    assert f"--parent {merge[:12]}=1" in error.hint
    _, plan = repository.plan(merge, parents={merge[:9]: 1})
    assert repository.git("diff", "--name-only", "v1.4.0", plan.commit) == "names.py"
    error = refusal(repository, merge, parents={merge[:9]: 3})
    assert (
        error.what
        == f"Commit {merge[:12]} (Merge topic) is a merge of 2: it has no mainline parent 3."
    )
    error = refusal(repository, repository.fix, parents={repository.fix[:9]: 1})
    assert error.what.endswith("(fix: total) is no merge: it has no mainline parent 1.")
    error = refusal(repository, repository.fix, parents={merge[:9]: 1})
    assert error.what == f"A parent was named for {merge[:12]}, which is none of the fixes."


def test_what_the_line_has_already_is_left_out_and_said_and_alone_refused(repository):
    old = repository.git("rev-parse", "v1.4.0")
    _, plan = repository.plan(old, repository.fix)
    assert plan.details["left_out"] == [{"commit": old, "subject": "feat: basket"}]
    assert f"{old[:12]} (feat: basket) is left out: v1.4.0 has it already" in plan.warnings
    assert [pick["commit"] for pick in plan.details["picks"]] == [repository.fix]
    error = refusal(repository, old)
    assert error.what == f"v1.4.0 has it already: {old[:12]} (feat: basket)."


def test_a_fix_that_reached_the_line_as_another_commit_is_left_out(repository):
    repository.git("checkout", "-qb", "maintenance/1.4", "v1.4.0")
    repository.git("cherry-pick", repository.fix, GIT_COMMITTER_DATE="2031-01-01T00:00:00Z")
    repository.git("checkout", "-q", "main")
    error = refusal(repository, repository.fix, line="maintenance/1.4")
    assert error.what == f"maintenance/1.4 has it already: {repository.fix[:12]} (fix: total)."


def test_a_maintenance_line_is_released_from_its_head_with_its_own_next_version(repository):
    repository.git("checkout", "-qb", "maintenance/1.4", "v1.4.0")
    repository.commit("fix: words", "words.py", "good\n")
    repository.git("checkout", "-q", "main")
    repository.git("tag", "v2.0.0")
    repository.git("tag", "v1.4.1", "v1.4.0")
    _, plan = repository.plan(repository.fix, line="maintenance/1.4")
    assert plan.version == "1.4.2", "1.4.1 is taken elsewhere"
    assert "1 commit of maintenance/1.4 since v1.4.1 is released with it" in plan.warnings
    assert {commit.subject for commit in plan.commits} == {"words", "total"}


def test_what_went_back_to_an_older_version_is_said_and_that_one_is_fixed_by_its_tag(
    repository, story
):
    ledger = repository.gare().ledger
    plan = story.make_plan()
    release = ledger.releases.open(ledger.plans.store(plan), plan, "run 1", "", "")
    ledger.set_verified(release.id, "shop", "production", "1.4.0")
    repository.git("tag", "v1.5.0", repository.feature)
    _, plan = repository.plan(repository.fix)
    assert plan.version == "1.5.1"
    told = (
        "1.4.0 is what was last verified good, not 1.5.0: to fix that one, name its tag as `--line`"
    )
    assert told in plan.warnings
    _, plan = repository.plan(repository.fix, line="v1.4.0")
    assert (plan.version, told in plan.warnings) == ("1.4.1", False)


def test_a_hotfix_that_would_take_production_back_is_refused_unless_that_is_said(repository, story):
    ledger = repository.gare().ledger
    plan = story.make_plan()
    release = ledger.releases.open(ledger.plans.store(plan), plan, "run 1", "", "")
    ledger.set_verified(release.id, "shop", "production", "2.0.0")
    repository.git("tag", "v2.0.0", repository.feature)
    for line in ("v1.4.0", "maintenance/1.4"):
        repository.git("branch", "-f", "maintenance/1.4", "v1.4.0")
        error = refusal(repository, repository.fix, line=line)
        assert isinstance(error, Refused)
        assert error.what == (
            f"production runs 2.0.0, which is newer: a hotfix of {line} would take it back to 1.4.1."
        )
        assert "`--allow-older`" in error.hint
    _, plan = repository.plan(repository.fix, line="v1.4.0", allow_older=True)
    assert "2.0.0 runs and goes back to 1.4.1: that was allowed" in plan.warnings
    assert plan.details["older_than"] == "2.0.0"
    _, plan = repository.plan(repository.fix)
    assert (plan.version, plan.details["older_than"]) == ("2.0.1", "")


def test_a_branch_that_somebody_made_is_not_taken_and_that_of_an_ended_hotfix_is(repository):
    ledger = repository.gare().ledger
    digest, first = repository.plan(repository.fix)
    release = ledger.releases.open(digest, first, "run 1", "", "")
    branch = Effect(
        "branch hotfix/1.4.1",
        {},
        Absent,
        lambda: {"branch": "hotfix/1.4.1", "commit": first.commit},
    )
    right = repository.commit("fix: total, right", "basket.py", "full indeed\n")
    repository.git("branch", "hotfix/1.4.1", first.commit)
    error = refusal(repository, repository.fix, right)
    assert error.what == (
        f"Branch hotfix/1.4.1 is there already, at {first.commit[:12]}, and no hotfix has made it."
    )
    ledger.effects.perform(release.id, "branch", branch)
    told = "R-1 is under way with hotfix/1.4.1: this one is planned anew after it"
    assert told in repository.plan(repository.fix, right)[1].warnings
    ledger.releases.mark(release.id, ReleaseState.REJECTED, actor="gare")
    _, second = repository.plan(repository.fix, right)
    assert second.version == first.version
    assert "branch hotfix/1.4.1 of R-1, which ended undeployed, is taken over" in second.warnings
    assert repository.plan(repository.fix)[1].warnings == first.warnings, "it is as wanted"


@pytest.mark.parametrize("commit", ["0123456789abcdef", "0" * 40])
def test_a_commit_that_is_not_in_the_repository(repository, commit):
    error = refusal(repository, commit)
    assert isinstance(error, NotFound)
    assert error.what == f"There is no commit {commit}."


def test_a_branch_whose_name_looks_like_a_commit_is_none(repository):
    repository.git("branch", "deadbeef", repository.fix)
    assert refusal(repository, "deadbeef").what == "There is no commit deadbeef."


def test_a_project_that_was_never_released(repository):
    repository.git("tag", "-d", "v1.4.0")
    repository.git("tag", "v2.0.0-rc.1")
    error = refusal(repository, repository.fix)
    assert error.what == "shop has no released version, so there is nothing to put a fix on."


def test_a_hotfix_of_nothing(repository):
    assert refusal(repository).what == "A hotfix needs at least one fix."


def test_the_branch_comes_before_the_build_and_the_way_back_before_the_end(repository):
    _, plan = repository.plan(repository.fix)
    order = [step.id for step in plan.steps]
    assert order[:3] == ["plan", "branch", "build"]
    assert order[-2:] == ["merge-back", "close"]
    assert plan.step("build").needs == ("branch",)
    assert plan.step("close").needs == ("merge-back",)
    assert plan.details["lines"] == ["main"]


def test_the_lines_that_need_the_fix_are_the_branch_and_those_configured(repository):
    repository.configure("hotfix: {lines: ['maintenance/*']}")
    for name in ("maintenance/1.3", "maintenance/1.4", "topic"):
        repository.git("branch", name, "v1.4.0")
    _, plan = repository.plan(repository.fix, line="maintenance/1.4")
    assert plan.details["lines"] == ["main", "maintenance/1.3", "maintenance/1.4"]


def test_the_line_that_was_named_needs_the_fix_and_a_tag_is_no_line(repository):
    repository.git("branch", "maintenance/1.4", "v1.4.0")
    _, plan = repository.plan(repository.fix, line="maintenance/1.4")
    assert plan.details["lines"] == ["main", "maintenance/1.4"]
    assert "to be brought by hand into maintenance/1.4 (`gare fixes`)" in plan.warnings
    _, plan = repository.plan(repository.fix, line="v1.4.0")
    assert plan.details["lines"] == ["main"]


def test_a_commit_that_changes_nothing_is_left_out_as_that_and_alone_refused(repository):
    repository.git("commit", "-q", "--allow-empty", "-m", "fix: nothing")
    empty = repository.git("rev-parse", "HEAD")
    assert refusal(repository, empty).what == f"It changes nothing: {empty[:12]} (fix: nothing)."
    _, plan = repository.plan(empty, repository.fix)
    assert f"{empty[:12]} (fix: nothing) is left out: it changes nothing" in plan.warnings


def test_what_is_skipped_is_in_the_plan_with_its_later_check_and_its_own_rule(repository):
    repository.configure(
        "hotfix:\n"
        "  approval: {groups: {managers: 1}, author_may_vote: true}\n"
        "  skip: [{step: deploy-staging, later: Bring 1.4.1 to staging and run the long tests}]\n"
    )
    _, plan = repository.plan(repository.fix)
    assert not [step.id for step in plan.steps if step.environment == "staging"]
    assert plan.environments == ("production",)
    assert plan.details["skipped"] == [
        {"step": "deploy-staging", "later": "Bring 1.4.1 to staging and run the long tests"}
    ]
    assert (
        "skips deploy-staging; to check later: Bring 1.4.1 to staging and run the long tests"
        in plan.warnings
    )
    [rule] = plan.approvals
    assert (rule.step, rule.environment, rule.groups) == (
        "approve-production",
        "production",
        {"managers": 1},
    )
    assert rule.author_may_vote


def test_the_station_removes_what_a_killed_process_left_of_a_pick(repository):
    gare = repository.gare()
    repository.plan(repository.fix)
    for name in ("pick-old", "pick-new"):
        (gare.work_folder / name).mkdir()
    os.utime(gare.work_folder / "pick-old", (0, 0))
    tidy(gare)
    assert [folder.name for folder in gare.work_folder.iterdir()] == ["pick-new"]
