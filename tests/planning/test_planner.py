"""The plan of a real repository: what it holds, that it is always the same, and that making it changes nothing."""

import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from gare.config.loader import load_station
from gare.domain.releases import ReleaseState
from gare.errors import ConfigError, Refused
from gare.requests import ReleaseRequest
from gare.wiring import Gare

TICKETS = """
- {key: SHOP-1, title: Pay by card, type: story, status: done, version: 1.1.0}
- {key: SHOP-2, title: Gift cards, type: story, status: todo, version: 1.1.0}
- {key: SHOP-3, title: Wrong total, type: bug, status: reopened, version: 1.1.0}
"""


class Repository:
    def __init__(self, root: Path, story: ModuleType) -> None:
        self.root, self.work, self.story = root, root / "shop", story
        self.work.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Erin")
        self.git("config", "user.email", "erin@example.org")
        (root / "station.yaml").write_text("repositories: [shop]\n")
        (self.work / "tickets.yaml").write_text(TICKETS)
        (self.work / "gare.yaml").write_text(
            "name: shop\n"
            "source: {type: git, branch: main, remote: ''}\n"
            "tickets: {tracker: {type: file}}\n"
            "environments: {production: {target: {type: directory, path: ../production}}}\n"
        )
        self.commit("feat: first")
        self.git("tag", "v1.0.0")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.work, check=True, capture_output=True, text=True
        )
        return done.stdout

    def commit(self, message: str) -> None:
        with (self.work / "app.py").open("a") as file:
            file.write(message + "\n")
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def is_live(self, version: str) -> None:
        """Let production run a version that a release has verified good there."""
        ledger, commit = Gare(load_station(self.root)).ledger, self.git("rev-parse", "HEAD").strip()
        plan = self.story.make_plan(version=version, commit=commit)
        opened = ledger.releases.open(ledger.plans.store(plan), plan, "run-live", "alice", "").id
        ledger.set_verified(opened, "shop", "production", version)
        ledger.releases.mark(opened, ReleaseState.RELEASED, actor="gare", end="done")

    def plan(self, **request: object):
        gare = Gare(load_station(self.root))
        return gare.drafting.make(ReleaseRequest(project="shop", **request))


@pytest.fixture
def repository(tmp_path: Path, story: ModuleType) -> Repository:
    return Repository(tmp_path, story)


def test_a_plan_holds_version_notes_tickets_and_steps(repository):
    repository.commit("feat(pay): pay by card\n\nRefs SHOP-1")
    repository.commit("fix: total\n\nRefs SHOP-3")
    repository.commit("feat: surprise\n\nRefs SHOP-9")
    _, plan = repository.plan()
    assert (plan.version, plan.previous_version, plan.bump, plan.tag) == (
        "1.1.0",
        "1.0.0",
        "minor",
        "v1.1.0",
    )
    assert {ticket.key: ticket.verdict for ticket in plan.tickets} == {
        "SHOP-1": "matched",
        "SHOP-2": "planned without code",
        "SHOP-3": "reopened",
        "SHOP-9": "code without ticket",
    }
    assert "SHOP-2 planned without code: Gift cards" in plan.warnings
    assert "**pay:** pay by card" in plan.notes
    assert [step.id for step in plan.steps][4:6] == ["deploy-production", "verify-production"]
    assert plan.authors == ("erin@example.org",)


def test_the_same_inputs_give_the_same_digest_and_another_commit_another(repository):
    repository.commit("feat: pay by card")
    first, _ = repository.plan()
    assert repository.plan()[0] == first
    repository.commit("fix: total")
    assert repository.plan()[0] != first


def test_a_stored_plan_reads_back_equal(repository):
    repository.commit("feat: pay by card")
    digest, plan = repository.plan()
    assert Gare(load_station(repository.root)).ledger.plans.get(digest) == plan


def test_planning_changes_nothing_in_the_repository(repository):
    repository.commit("feat: pay by card")
    before = tree(repository.work)
    repository.plan()
    assert tree(repository.work) == before


def test_a_release_does_not_take_production_back_unless_that_is_said(repository):
    repository.git("branch", "maintenance")
    repository.commit("feat: pay by card")
    repository.git("tag", "v1.1.0")
    repository.is_live("1.1.0")
    repository.git("checkout", "-q", "maintenance")
    repository.commit("fix: total")
    repository.git("checkout", "-q", "main")
    with pytest.raises(Refused) as caught:
        repository.plan(ref="maintenance")
    assert (
        caught.value.what
        == "production runs 1.1.0, which is newer: it would take it back to 1.0.1."
    )
    assert "`--allow-older`" in caught.value.hint
    _, plan = repository.plan(ref="maintenance", allow_older=True)
    assert "1.1.0 runs and goes back to 1.0.1: that was allowed" in plan.warnings
    assert plan.details == {"older_than": "1.1.0"}
    repository.commit("fix: rounding")
    assert repository.plan()[1].details == {}


def test_a_file_that_is_changed_but_not_committed_is_said(repository):
    repository.commit("feat: pay by card")
    (repository.work / "app.py").write_text("changed")
    with pytest.raises(Refused):
        repository.plan()
    assert repository.plan(allow_dirty=True)[1].version == "1.1.0"


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        ({"version": "1.0.0"}, "Version 1.0.0 exists already: tag v1.0.0 at "),
        (
            {"version": "0.9.0"},
            "Version 0.9.0 is not greater than 1.0.0, the last one in this history.",
        ),
        (
            {"version": "1.5.0", "prerelease": "rc"},
            "Both a version (1.5.0) and a pre-release label (rc) were given.",
        ),
    ],
)
def test_a_version_that_cannot_be_is_refused(repository, request_, what):
    repository.commit("feat: pay by card")
    with pytest.raises(Refused) as caught:
        repository.plan(**request_)
    assert caught.value.what.startswith(what)


def test_a_range_without_commits_is_nothing_to_release(repository):
    with pytest.raises(Refused) as caught:
        repository.plan()
    assert caught.value.what == "Nothing to release: there is no commit since 1.0.0."
    assert caught.value.exit_code == 3


def test_pre_releases_count_up_and_end_in_the_final_version(repository):
    repository.commit("feat: pay by card")
    assert repository.plan(prerelease="rc")[1].version == "1.1.0-rc.1"
    repository.git("tag", "v1.1.0-rc.1")
    repository.commit("fix: total")
    assert repository.plan(prerelease="rc")[1].version == "1.1.0-rc.2"
    final = repository.plan()[1]
    assert (final.version, len(final.commits)) == ("1.1.0", 2)


def test_a_trailer_that_anybody_may_write_hides_no_commit(repository):
    repository.commit("feat: hidden?\n\nGare-Release: R-1")
    assert [commit.subject for commit in repository.plan()[1].commits] == ["hidden?"]


def test_an_unknown_project_names_the_nearest(repository):
    with pytest.raises(ConfigError) as caught:
        Gare(load_station(repository.root)).drafting.make(ReleaseRequest(project="shpo"))
    assert "shop" in str(caught.value)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
