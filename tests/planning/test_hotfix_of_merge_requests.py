"""Fixes named by merge requests, against a simulated GitLab over the project's own repository."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gitlab_project import PATH, TOKEN
from released_project import ReleasedProject
from sandbox import Served, sandboxed

from gare.domain.fixes import FixState
from gare.domain.releases import ReleaseState
from gare.errors import ConfigError, GareError, LosesFix, NotFound, Refused
from gare.fixing import look_again, track
from gare.requests import ReleaseRequest

MORE = f"gitlab: {{connection: gitlab, project: {PATH}}}\nhotfix: {{lines: ['maintenance/*']}}\n"


class Hosted(ReleasedProject):
    """The project, whose GitLab has an open merge request of a topic."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, MORE)
        self.git("checkout", "-qb", "topic", "v1.4.0")
        self.topic = self.commit("fix: names", "names.py", "good\n")
        self.git("checkout", "-q", "main")

    def on(self, branch: str, *words: str) -> None:
        self.git("checkout", "-q", branch)
        self.git(*words)
        self.git("checkout", "-q", "main")

    def host(self, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        self.served = served
        monkeypatch.setenv("GARE_TEST_GITLAB_TOKEN", TOKEN)
        station = self.root / "station.yaml"
        station.write_text(
            f"{station.read_text()}connections: {{gitlab: {{type: gitlab, url: '{served.url}/gitlab', "
            "token: $GARE_TEST_GITLAB_TOKEN}}\n"
        )

    def merge_request(self, source: str, target: str):
        gare = self.gare()
        hosted = gare.hosting.merge_requests(gare.project("shop").config)
        return hosted.open(source, target, f"Merge {source}", "")

    def merge_by_hand(self, number: int) -> None:
        self.served.sandbox.vendors["gitlab"].merge_by_hand({"project": PATH, "iid": number})

    def refusal(self, *numbers: int) -> GareError:
        with pytest.raises(GareError) as caught:
            self.plan(merge_requests=numbers)
        return caught.value


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    made = Hosted(tmp_path)
    seed = {
        "type": "gitlab",
        "tokens": {TOKEN: {"user": "gare"}},
        "projects": {PATH: {"members": {"gare": "maintainer"}, "repository": str(made.work)}},
    }
    with sandboxed({"gitlab": seed}) as served:
        made.host(served, monkeypatch)
        yield made
        assert served.invalid() == []


def test_what_an_open_merge_request_brings_is_picked_commit_by_commit(shop):
    number = shop.merge_request("topic", "main").number
    _, plan = shop.plan(merge_requests=[number])
    assert [pick["commit"] for pick in plan.details["picks"]] == [shop.topic]
    assert plan.details["merge_requests"] == [number]


def test_of_an_open_one_the_merges_from_main_are_no_fix(shop):
    shop.on("topic", "merge", "-q", "--no-ff", "-m", "Merge main into topic", "main")
    merge = shop.git("rev-parse", "topic")
    made = shop.merge_request("topic", "main")
    _, plan = shop.plan(merge_requests=[made.number])
    assert [pick["commit"] for pick in plan.details["picks"]] == [shop.topic]
    named = f"merge request !{made.number}"
    assert f"{named} ({made.title}) is open: its commits of now are taken" in plan.warnings
    assert f"{named}: its merges are left out: {merge[:12]}" in plan.warnings


def test_what_is_pushed_nowhere_is_not_proposed_to_gitlab(shop):
    shop.configure(MORE + "publish: {push: false}\n")
    shop.git("branch", "maintenance/1.4", "v1.4.0")
    _, plan = shop.plan(shop.topic)
    assert plan.step("merge-back").settings["proposed"] == []
    assert "to be brought by hand into main, maintenance/1.4 (`gare fixes`)" in plan.warnings


def test_of_a_merged_one_the_merge_is_picked_by_its_first_parent(shop):
    number = shop.merge_request("topic", "main").number
    shop.merge_by_hand(number)
    merge = shop.git("rev-parse", "main")
    _, plan = shop.plan(shop.fix, merge_requests=[number])
    assert [pick["commit"] for pick in plan.details["picks"]] == [shop.fix, merge]
    changed = shop.git("diff", "--name-only", "v1.4.0", plan.commit).splitlines()
    assert changed == ["basket.py", "names.py"], "and not the feature that was in main before"


def test_one_that_is_not_there_and_one_that_was_closed(shop):
    assert isinstance(shop.refusal(7), NotFound)
    made = shop.merge_request("topic", "main")
    project = shop.served.sandbox.vendors["gitlab"].named(PATH)
    shop.served.sandbox.vendors["gitlab"].merge_requests_of(project)[made.number].state = "closed"
    error = shop.refusal(made.number)
    assert isinstance(error, Refused)
    assert error.what == (
        f"Merge request !{made.number} (Merge topic) was closed without being merged."
    )


def test_a_project_without_gitlab_says_what_to_write(shop):
    shop.configure()
    error = shop.refusal(1)
    assert isinstance(error, ConfigError)
    assert error.what == ("shop names no GitLab project, so merge request !1 cannot be looked up.")


def test_lines_that_go_on_from_the_released_version_get_a_merge_request_others_a_person(shop):
    shop.git("branch", "maintenance/1.4", "v1.4.0")
    shop.git("branch", "maintenance/1.3", "v1.4.0^")
    _, plan = shop.plan(shop.topic)
    step = plan.step("merge-back")
    assert step.settings["proposed"] == ["main", "maintenance/1.4"]
    assert [effect.target for effect in step.effects] == [
        "GitLab, into main",
        "GitLab, into maintenance/1.4",
    ]
    assert "to be brought by hand into maintenance/1.3 (`gare fixes`)" in plan.warnings


def test_a_line_with_an_open_merge_request_says_so_until_it_is_merged(shop):
    gare = shop.gare()
    digest, plan = shop.plan(shop.topic)
    release = gare.ledger.releases.open(digest, plan, "run 1", "", "")
    shop.git("branch", plan.branch, plan.commit)
    made = shop.merge_request(plan.branch, "main")
    [fix] = track(gare, release, plan)
    assert (fix.state, fix.detail) == (FixState.PROPOSED, made.url)
    gare.ledger.releases.mark(release.id, ReleaseState.RELEASED, actor="gare")
    shop.merge_by_hand(made.number)
    [fix] = look_again(gare, "shop")
    assert (fix.state, fix.detail) == (FixState.MERGED, "")


def released_beside(shop, commit: str):
    """Release a hotfix of a commit whose branch has a merge request into main; return that one."""
    gare = shop.gare()
    digest, plan = shop.plan(commit)
    release = gare.ledger.releases.open(digest, plan, "run 1", "", "")
    shop.git("branch", plan.branch, plan.commit)
    made = shop.merge_request(plan.branch, "main")
    track(gare, release, plan)
    gare.ledger.releases.mark(release.id, ReleaseState.RELEASED, actor="gare")
    return made


class TestOpenMergeRequest:
    """One is open for a line: its row says what merging it would meet."""

    def test_the_conflict_that_it_has_is_named_also_at_later_looks(self, shop):
        shop.git("checkout", "-qb", "adapted", "v1.4.0")
        commit = shop.commit("fix: total", "pay.py", "one\ntwo\nthree total\n")
        shop.git("checkout", "-q", "main")
        made = released_beside(shop, commit)
        for _ in range(2):
            [fix] = look_again(shop.gare(), "shop")
            assert fix.state is FixState.PROPOSED
            assert fix.detail.startswith(f"{made.url}; Commit ")
            assert fix.detail.endswith("does not fit on main: conflict in pay.py.")

    def test_that_the_fix_was_reverted_is_named_also_to_who_releases(self, shop):
        made = released_beside(shop, shop.topic)
        shop.git("cherry-pick", shop.topic)
        shop.git("revert", "--no-edit", "HEAD")
        revert = shop.git("rev-parse", "HEAD")[:12]
        [fix] = look_again(shop.gare(), "shop")
        assert (fix.state, fix.detail) == (
            FixState.PROPOSED,
            f"{made.url}; reverted by {revert}",
        )
        with pytest.raises(LosesFix, match=f"of 1.4.1, reverted by {revert}: it is not in main"):
            shop.gare().drafting.make(ReleaseRequest(project="shop"))

    def test_it_is_to_be_closed_when_the_line_has_an_equal_patch(self, shop):
        made = released_beside(shop, shop.topic)
        shop.git("cherry-pick", "-n", shop.topic)
        shop.git("commit", "-qm", "Names")
        picked = shop.git("rev-parse", "HEAD")
        [fix] = look_again(shop.gare(), "shop")
        assert (fix.state, fix.seen) == (FixState.MERGED, picked)
        said = f"as {picked[:12]}, an equal patch; nobody needs {made.url} any more: close it"
        assert fix.detail == said


@pytest.mark.parametrize("is_named", [True, False])
def test_what_gitlab_has_merged_after_a_conflict_counts_for_fixes_and_for_releases_alike(
    shop, is_named
):
    """Squashed, with the conflict resolved there: neither the commit nor its patch is in main."""
    shop.git("checkout", "-qb", "adapted", "v1.4.0")
    commit = shop.commit("fix: total", "pay.py", "one\ntwo\nthree total\n")
    shop.git("checkout", "-q", "main")
    made = released_beside(shop, commit)
    before = shop.git("rev-parse", "main")
    squashed = shop.commit("fix: total (!1)", "pay.py", "one\ntwo\ngift total\n")
    with pytest.raises(LosesFix):
        shop.gare().drafting.make(ReleaseRequest(project="shop"))
    project = shop.served.sandbox.vendors["gitlab"].named(PATH)
    hosted = shop.served.sandbox.vendors["gitlab"].merge_requests_of(project)[made.number]
    hosted.state, hosted.merge_commit = "merged", squashed if is_named else None
    assert shop.gare().drafting.make(ReleaseRequest(project="shop"))[1].version == "1.5.0"
    [fix] = look_again(shop.gare(), "shop")
    assert (fix.state, fix.detail, fix.seen) == (FixState.MERGED, made.url, squashed)
    shop.commit("feat: more", "pay.py", "quite another\n")
    assert look_again(shop.gare(), "shop") == [fix], "and it stays so"
    with pytest.raises(LosesFix):
        shop.gare().drafting.make(ReleaseRequest(project="shop", ref=before))
    shop.git("revert", "--no-edit", "HEAD", squashed)
    [fix] = look_again(shop.gare(), "shop")
    assert fix.state is not FixState.MERGED
