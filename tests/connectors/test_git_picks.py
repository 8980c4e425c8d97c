"""Picking commits and looking for them, in real repositories with a remote."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from gare.connectors.git import Git
from gare.connectors.git_settings import GitSettings
from gare.errors import Conflict, NotFound, Refused
from gare.ports.picker import Line, Wanted


@pytest.fixture
def remote(repo, tmp_path):
    """A working copy at its first commit; somebody else has pushed a fix to the remote's main since."""
    repo.commit("feat: first", text="one\n")
    repo.git("clone", "-q", "--bare", str(repo.folder), str(tmp_path / "remote.git"))
    repo.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    return tmp_path / "remote.git"


@pytest.fixture
def git(repo, remote):
    return Git(GitSettings(path=str(repo.folder)), Path(), repo.folder.parent / "state")


@pytest.fixture
def picks(git):
    return git.picks


def pushed(repo, new_repo, remote, tmp_path, branch: str = "main") -> str:
    """Push a commit that the working copy does not have."""
    repo.git("clone", "-q", str(remote), str(tmp_path / "other"))
    other = new_repo(tmp_path / "other")
    other.git("checkout", "-qB", branch)
    commit = other.commit("fix: two", "b.txt", "two\n")
    other.git("push", "-q", "origin", branch)
    return commit


def test_a_commit_that_only_the_remote_has_is_brought_without_touching_a_reference(
    repo, new_repo, remote, picks, tmp_path
):
    commit = pushed(repo, new_repo, remote, tmp_path)
    before = repo.snapshot()
    assert picks.find_commit(commit[:9]) == commit
    assert repo.snapshot() == before


def test_lines_are_as_the_remote_has_them_now(repo, new_repo, remote, git, tmp_path):
    first = repo.git("rev-parse", "HEAD")
    commit = pushed(repo, new_repo, remote, tmp_path, "maintenance/1.4")
    lines = git.picks.lines(["main", "maintenance/*"])
    assert lines == {"main": first, "maintenance/1.4": commit}
    assert git.traces.has(commit, first), "and can be looked into"


def test_a_remote_that_is_away_leaves_what_is_known_here(repo, remote, picks):
    repo.git("fetch", "-q", "origin")
    repo.git("remote", "set-url", "origin", "http://127.0.0.1:9/nobody.git")
    assert list(picks.lines(["main"])) == ["main"]


def test_an_id_that_two_commits_begin_with(repo, remote, picks):
    feed = "".join(
        f"commit refs/heads/many\ncommitter A <a@example.org> {number} +0000\ndata 1\nx\n"
        for number in range(1500)
    )
    repo.git("fast-import", "--quiet", stdin=feed)
    begins = Counter(commit[:4] for commit in repo.git("rev-list", "many").splitlines())
    [(twice, count)] = begins.most_common(1)
    assert count > 1
    with pytest.raises(Refused) as caught:
        picks.find_commit(twice)
    assert caught.value.what == f"More than one commit begins with {twice}."


def test_a_pick_stays_while_it_is_held_and_leaves_no_reference_before_and_after(
    repo, remote, picks
):
    base = repo.git("rev-parse", "HEAD")
    repo.commit("feat: other", "c.txt", "other\n")
    fix = repo.commit("fix: two", "b.txt", "two\n")
    line = Line("v1", base)
    before = repo.git("for-each-ref")
    trial = picks.pick(line, [Wanted(fix)], keep=False)
    with pytest.raises(NotFound):
        picks.hold(trial.commit)
    kept = picks.pick(line, [Wanted(fix)], keep=True)
    assert kept == trial
    assert repo.git("for-each-ref") == before
    picks.hold(kept.commit)
    assert repo.git("for-each-ref", "--format=%(objectname)", "refs/gare") == kept.commit
    repo.git("gc", "-q", "--prune=now")
    assert repo.git("cat-file", "-t", kept.commit) == "commit"
    picks.let_go(kept.commit)
    assert repo.git("for-each-ref") == before


def test_a_branch_is_moved_from_one_commit_and_from_no_other(repo, remote, picks):
    first = repo.commit("fix: two", "b.txt", "two\n")
    picks.write_branch("hotfix/1.0.1", first, push=True)
    repo.git("reset", "-q", "--hard", "HEAD^")
    second = repo.commit("fix: two, right", "b.txt", "2\n")
    for at in ("", "0" * 40):
        with pytest.raises(Conflict):
            picks.write_branch("hotfix/1.0.1", second, push=True, over=at)
    picks.write_branch("hotfix/1.0.1", second, push=True, over=first)
    assert picks.look_branch("hotfix/1.0.1", push=True) == second
    for at in (first, second):
        picks.write_branch("here", at, push=False, over=first)
    assert picks.look_branch("here", push=False) == second


def test_the_author_stays_and_the_message_says_where_it_comes_from(repo, remote, picks):
    base = repo.git("rev-parse", "HEAD")
    fix = repo.commit("fix: two\n\nRefs SHOP-9\n", "b.txt", "two\n")
    made = picks.pick(Line("v1", base), [Wanted(fix)], keep=True).commit
    shown = repo.git("log", "-1", "--format=%an|%aI|%cn|%B", made)
    same = repo.git("log", "-1", "--format=%an|%aI", fix)
    assert shown.startswith(f"{same}|Gare|fix: two\n\nRefs SHOP-9\n")
    assert f"(cherry picked from commit {fix})" in shown


def test_a_file_that_is_no_text_is_picked_and_has_the_patch_id_of_git(repo, remote, picks):
    base = repo.git("rev-parse", "HEAD")
    (repo.folder / "b.bin").write_bytes(bytes(range(256)) * 3)
    (repo.folder / "latin.txt").write_bytes("été\n".encode("latin-1"))
    repo.git("add", "-A")
    repo.git("commit", "-qm", "fix: files")
    fix = repo.git("rev-parse", "HEAD")
    [pick] = picks.pick(Line("v1", base), [Wanted(fix)], keep=True).picks
    wanted = repo.git(
        "-c", "alias.pid=!git show --full-index $1 | git patch-id --stable; :", "pid", fix
    )
    assert pick.patch == wanted.split()[0]


def test_a_branch_is_published_once_and_nobody_elses_is_taken(repo, remote, picks):
    commit = repo.commit("fix: two", "b.txt", "two\n")
    assert picks.look_branch("hotfix/1.0.1", push=True) == ""
    picks.write_branch("hotfix/1.0.1", commit, push=True)
    assert picks.look_branch("hotfix/1.0.1", push=True) == commit
    assert "hotfix" not in repo.git("branch"), "only the remote's"
    other = repo.commit("fix: three", "b.txt", "three\n")
    repo.git("branch", "aside", f"{commit}^")
    with pytest.raises(Conflict):
        picks.write_branch("hotfix/1.0.1", repo.git("rev-parse", "aside"), push=True)
    assert picks.look_branch("hotfix/1.0.1", push=True) != other


def test_without_a_remote_the_branch_is_made_here(repo, remote, tmp_path):
    shutil.rmtree(remote)
    picks = Git(GitSettings(path=str(repo.folder), remote=""), Path(), tmp_path / "state").picks
    commit = repo.git("rev-parse", "HEAD")
    picks.write_branch("hotfix/1.0.1", commit, push=True)
    assert picks.look_branch("hotfix/1.0.1", push=True) == commit
    later = repo.commit("feat: more")
    with pytest.raises(Conflict, match=r"Branch hotfix/1\.0\.1 exists at"):
        picks.write_branch("hotfix/1.0.1", later, push=True)
    with pytest.raises(NotFound):
        picks.find_commit("0123456")
