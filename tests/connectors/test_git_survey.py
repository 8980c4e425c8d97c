"""The quick look with libgit2 answers as git does, and leaves to git what it cannot answer alike."""

import os
import subprocess

import pytest

from gare.connectors.git import Git
from gare.connectors.git_settings import GitSettings
from gare.connectors.git_survey import open_survey
from gare.domain.versions import pick_previous


class Place:
    def __init__(self, folder):
        self.folder, self.seconds = folder, 1_700_000_000
        self.git("init", "-q", "-b", "main", folder)
        self.git("config", "user.name", "Ann")
        self.git("config", "user.email", "ann@example.org")

    def git(self, *words):
        # Commits of one second have no order that both would have to share.
        self.seconds += 60
        env = {**os.environ, "GIT_COMMITTER_DATE": f"{self.seconds} +0200"}
        done = subprocess.run(
            ["git", "-C", self.folder, *words], check=True, capture_output=True, text=True, env=env
        )
        return done.stdout.strip()

    def commit(self, message):
        self.git("commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", message)
        return self.git("rev-parse", "HEAD")

    def both(self, **settings):
        wanted = GitSettings(path=".", remote="", **settings)
        return Git(wanted, self.folder, self.folder / "state"), open_survey(wanted, self.folder)


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    made.commit("feat: first")
    made.git("tag", "-a", "v1.0.0", "-m", "one")
    made.commit("fix: cart, SHOP-1\n\nMore.\n\nRefs: SHOP-2\n")
    made.git("tag", "v1.1.0-rc.1")
    made.git("switch", "-q", "-c", "side", "HEAD~1")
    made.commit("feat: on the side")
    made.git("tag", "-a", "v9.0.0", "-m", "never merged")
    made.git("switch", "-q", "main")
    made.commit("feat!: zażółć 🚂")
    made.git("tag", "nightly")
    made.git("merge", "-q", "--no-ff", "-m", "Merge the side", "HEAD~2")
    made.commit("docs: last")
    return made


def answers(git, survey):
    """The same questions that a plan asks, to both."""
    found = []
    for history in (git, survey):
        head = history.head()
        previous = pick_previous(history.tags(reachable_from=head.commit), "v")
        since = previous.final.commit if previous.final else ""
        commits = list(history.commits(since, head.commit))
        found.append((head, previous, commits, sorted(history.tags())))
    return found


@pytest.mark.parametrize("pack", [[], ["pack-refs", "--all"], ["gc", "--quiet"]])
def test_it_answers_as_git_does(place, pack):
    if pack:
        place.git(*pack)
    theirs, ours = answers(*place.both())
    assert ours == theirs
    assert ours[1].final.tag == "v1.0.0"


def test_a_tag_moved_after_packing_is_read_as_it_is_now(place):
    place.git("pack-refs", "--all")
    place.git("tag", "-f", "-a", "v1.0.0", "-m", "moved", "main~1")
    theirs, ours = answers(*place.both())
    assert ours == theirs


def test_an_old_gits_packed_file_without_commits_is_read_through_the_tags(place):
    place.git("pack-refs", "--all")
    file = place.folder / ".git" / "packed-refs"
    lines = [line for line in file.read_text().splitlines() if not line.startswith(("#", "^"))]
    file.write_text("\n".join(["# pack-refs with: peeled ", *lines, ""]))
    theirs, ours = answers(*place.both())
    assert ours == theirs


def test_a_worktree_is_read_with_the_references_of_its_repository(place, tmp_path_factory):
    there = tmp_path_factory.mktemp("work") / "tree"
    place.git("worktree", "add", "-q", there, "side")
    wanted = GitSettings(path=".", remote="")
    theirs, ours = answers(Git(wanted, there, there / "state"), open_survey(wanted, there))
    assert ours == theirs
    assert ours[0].branch == "side"


@pytest.mark.parametrize(
    "settings",
    [{"url": "https://example.org/shop.git"}, {"paths": ("web",)}, {"branch": "absent"}],
    ids=["only remote", "a part of it", "no such branch"],
)
def test_what_it_cannot_answer_alike_is_left_to_git(place, settings):
    assert open_survey(GitSettings(remote="", **settings), place.folder) is None


def test_a_detached_head_and_a_folder_that_is_no_repository_are_left_to_git(place, tmp_path_factory):  # fmt: skip
    place.git("switch", "-q", "--detach")
    assert open_survey(GitSettings(remote=""), place.folder) is None
    assert open_survey(GitSettings(remote=""), tmp_path_factory.mktemp("empty")) is None
