import os
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from gare.connectors.git import Git, GitSettings
from gare.connectors.git_command import Done, translated
from gare.errors import (
    AuthenticationFailed,
    ConfigError,
    Conflict,
    ConnectorError,
    GareError,
    NotFound,
    PermissionDenied,
    Refused,
    Unavailable,
)


@pytest.fixture
def bare(tmp_path, new_repo):
    """The published repository."""
    return new_repo(tmp_path / "origin.git", "--bare")


@pytest.fixture
def work(repo, bare):
    """A working copy with two commits and a version, all published."""
    repo.commit("feat: one")
    repo.git("tag", "-a", "-m", "First", "v0.1.0")
    repo.commit("fix: two")
    repo.git("remote", "add", "origin", str(bare.folder))
    repo.git("push", "-q", "-u", "origin", "main", "--tags")
    return repo


@pytest.fixture
def source(tmp_path):
    def make(folder: Path, **settings) -> Git:
        return Git(GitSettings(path=str(folder), **settings), tmp_path, tmp_path / "state")

    return make


def text(error: pytest.ExceptionInfo[GareError]) -> str:
    return str(error.value)


# Checking


def test_a_clean_published_repository_passes_without_warnings(work, source):
    assert source(work.folder).check() == []


def test_untracked_files_are_not_dirty(work, source):
    (work.folder / "new.txt").write_text("x")
    assert source(work.folder).check() == []


def test_checking_changes_nothing(work, source):
    os.utime(work.folder / "a.txt", (1, 1))  # git status would refresh the index
    before = work.snapshot()
    source(work.folder).check()
    source(work.folder).tags(work.git("rev-parse", "HEAD"))
    source(work.folder).remote_tag("v0.1.0")
    assert work.snapshot() == before


def test_changed_tracked_files_are_refused_unless_allowed(work, source):
    for name in ("a.txt", "b.txt", "c.txt", "ü d.txt"):
        work.commit("more", name)
    work.git("push", "-q")
    for name in ("a.txt", "b.txt", "c.txt", "ü d.txt"):
        (work.folder / name).write_text("changed")
    work.git("add", "b.txt")
    with pytest.raises(Refused) as error:
        source(work.folder).check()
    assert text(error) == (
        "Tracked files have changes that are in no commit: a.txt, b.txt, c.txt and 1 more. "
        f"(repository {work.folder}) "
        "Commit or stash them, or pass `--allow-dirty` to release without them."
    )
    assert source(work.folder).check(allow_dirty=True) == []


def test_changes_on_another_branch_do_not_matter(work, source):
    work.git("switch", "-q", "-c", "other")
    (work.folder / "a.txt").write_text("changed")
    assert source(work.folder, branch="main").check() == []


def make_nothing(work, tmp_path):
    (tmp_path / "nothing").mkdir()
    return tmp_path / "nothing"


def make_absent(work, tmp_path):
    return tmp_path / "absent"


def make_empty(work, tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path / "empty")], check=True)
    return tmp_path / "empty"


def make_shallow(work, tmp_path):
    address = f"file://{tmp_path / 'origin.git'}"
    subprocess.run(
        ["git", "clone", "-q", "--depth=1", address, str(tmp_path / "shallow")], check=True
    )
    return tmp_path / "shallow"


def make_detached(work, tmp_path):
    work.git("checkout", "-q", "--detach")
    return work.folder


def make_lonely(work, tmp_path):
    work.git("remote", "remove", "origin")
    return work.folder


def as_is(work, tmp_path):
    return work.folder


WRONG = [
    (
        make_absent,
        {},
        ConfigError,
        "The folder PLACE does not exist. (source: path) Correct the path of the Git repository.",
    ),
    (
        make_nothing,
        {},
        ConfigError,
        "PLACE is no Git repository. (source: path) Correct the path, or make it one with `git init`.",
    ),
    (
        make_empty,
        {},
        Refused,
        "The repository has no commit yet. (repository PLACE) Commit something, then plan again.",
    ),
    (
        make_shallow,
        {},
        Refused,
        "The repository is a shallow clone: its history is cut off. (repository PLACE) "
        "Run `git fetch --unshallow --tags` there (in CI: fetch depth 0).",
    ),
    (
        make_detached,
        {},
        Refused,
        "HEAD is detached: no branch is checked out to release from. (repository PLACE) "
        "Check a branch out, or write `branch:` under `source:`.",
    ),
    (
        as_is,
        {"branch": "release/9"},
        ConfigError,
        "Branch release/9 does not exist. (source: branch, repository PLACE) Correct its name, or fetch it.",
    ),
    (
        make_lonely,
        {},
        ConfigError,
        "There is no Git remote origin. (source: remote, repository PLACE) "
        'Add it (`git remote add origin ADDRESS`), or write `remote: ""` to release locally only.',
    ),
]


@pytest.mark.parametrize(("make", "settings", "kind", "message"), WRONG)
def test_what_cannot_be_planned_gets_one_clear_error(
    work, tmp_path, source, make, settings, kind, message
):
    folder = make(work, tmp_path)
    with pytest.raises(kind) as error:
        source(folder, **settings).check()
    assert text(error) == message.replace("PLACE", str(folder))


def test_a_detached_head_is_fine_with_a_configured_branch(work, source):
    work.git("checkout", "-q", "--detach", "v0.1.0")
    made = source(work.folder, branch="main")
    assert made.check() == []
    assert made.head() == ("main", work.git("rev-parse", "main"))


def test_a_local_repository_needs_no_remote(repo, source):
    repo.commit("one")
    assert source(repo.folder, remote="").check() == []


def test_a_commit_that_is_not_published_is_a_warning(work, source):
    new = work.commit("fix: three")
    assert source(work.folder).check() == [
        f"Commit {new[:7]} of main is not on origin yet: `git push`."
    ]


def test_a_branch_that_is_not_published_is_a_warning(work, source):
    work.git("switch", "-q", "-c", "new")
    assert source(work.folder).check() == ["Branch new is not on origin yet."]


def test_what_the_remote_has_more_is_a_warning(work, bare, tmp_path, source):
    old = work.git("rev-parse", "HEAD")
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "-q", str(bare.folder), str(other)], check=True)
    for words in (
        ["commit", "-q", "--allow-empty", "-m", "theirs"],
        ["tag", "v0.2.0"],
        ["tag", "nightly"],
        ["tag", "vague"],
        ["push", "-q", "origin", "main", "--tags"],
    ):
        subprocess.run(["git", *words], cwd=other, check=True)
    new = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=other, capture_output=True, text=True
    ).stdout[:7]
    assert source(work.folder).check() == [
        f"main on origin has newer commits ({new}) that are not here: `git pull`.",
        "Tags on origin that are not here: v0.2.0: `git fetch --tags`.",
    ]
    work.git("fetch", "-q", "--tags")
    assert source(work.folder).check() == [
        f"main on origin is at {new}, this one at {old[:7]}: `git pull`."
    ]


def test_a_remote_that_cannot_be_asked_is_a_warning_when_planning(work, bare, tmp_path, source):
    work.git("remote", "set-url", "origin", str(tmp_path / "gone.git"))
    (warning,) = source(work.folder).check()
    assert warning.startswith("Remote origin could not be asked, so nothing was compared with it: ")


def test_a_variable_that_leads_git_astray_is_refused(work, source, monkeypatch):
    monkeypatch.setenv("GIT_INDEX_FILE", "/elsewhere")
    with pytest.raises(ConfigError) as error:
        source(work.folder).check()
    assert text(error) == (
        "GIT_INDEX_FILE is set, so Git would look into another repository than the configured one. "
        "(environment variable GIT_INDEX_FILE) Unset it (`unset GIT_INDEX_FILE`); Git sets it inside its hooks."
    )


# Kinds of repositories


def test_bare_repositories_and_worktrees_and_subfolders_work(work, bare, tmp_path, source):
    head = work.git("rev-parse", "HEAD")
    work.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "tree"))
    (work.folder / "services").mkdir()
    places = {bare.folder: "main", tmp_path / "tree": "side", work.folder / "services": "main"}
    for number, (folder, branch) in enumerate(places.items()):
        made = source(folder, remote="")
        assert made.check() == []
        assert made.head() == (branch, head)
        assert [tag.name for tag in made.tags()] == ["v0.1.0"]
        assert len(list(made.commits("", head))) == 2
        assert made.read_file(head, "a.txt") == "2\n"
        made.checkout(head, tmp_path / f"out{number}")
        assert (tmp_path / f"out{number}" / "a.txt").read_text() == "2\n"


def test_a_remote_only_repository_is_mirrored_and_kept_up_to_date(work, bare, tmp_path, source):
    made = source(tmp_path / "unused", url=str(bare.folder))
    assert made.check() == []
    assert made.head().branch == "main"
    assert [tag.name for tag in made.tags()] == ["v0.1.0"]
    new = work.commit("fix: three")
    work.git("push", "-q")
    assert made.read_file(new, "a.txt") == "3\n"  # a commit that is not here yet is fetched
    again = source(tmp_path / "unused", url=str(bare.folder))
    again.check()
    assert again.head().commit == new
    made.write_tag("v0.2.0", new, "Second\n", push=True)
    assert bare.git("rev-parse", "v0.2.0^{commit}") == new
    assert [
        path.name
        for path in (tmp_path / "state" / "git").iterdir()
        if path.name.startswith("mirror-")
    ] == []


def test_a_remote_only_repository_that_is_not_there_leaves_no_half_mirror(
    tmp_path, git_home, source
):
    made = source(tmp_path, url=str(tmp_path / "gone.git"))
    with pytest.raises(NotFound, match=r"does not (appear to be a git repository|exist)"):
        made.check()
    assert list((tmp_path / "state" / "git").iterdir()) == []


# Reading


def test_head_takes_branches_tags_and_full_ids_but_nothing_else(work, source):
    made, head = source(work.folder), work.git("rev-parse", "HEAD")
    first = work.git("rev-parse", "v0.1.0^{commit}")
    work.git("branch", "release/1.x", first)
    assert made.head() == ("main", head)
    assert made.head("release/1.x") == ("release/1.x", first)
    assert made.head("v0.1.0") == ("main", first)
    assert made.head(first) == ("main", first)
    for ref in (
        "nope",
        "HEAD~1",
        "--help",
        "-n",
        ":/fix",
        "main..main",
        "@{1}",
        first[:7],
        "f" * 40,
        "a b",
    ):
        with pytest.raises(NotFound) as error:
            made.head(ref)
        assert text(error) == (
            f"{ref!r} is no branch, tag or full commit id. (repository {work.folder}) "
            "Fetch it, or correct the name (`git branch --all`, `git tag`)."
        )


def test_a_branch_that_is_only_on_the_remote_is_found(work, source):
    head = work.git("rev-parse", "HEAD")
    work.git("push", "-q", "origin", "main:next")
    assert source(work.folder, branch="next").head() == ("next", head)


def test_tags_are_those_of_the_prefix_with_the_commit_they_finally_point_to(work, source):
    first, head = work.git("rev-parse", "v0.1.0^{commit}"), work.git("rev-parse", "HEAD")
    work.git("tag", "v0.2.0")
    work.git("tag", "-a", "-m", "a tag of a tag", "v0.3.0", "v0.1.0")
    work.git("tag", "vtree", "HEAD^{tree}")
    work.git("tag", "api-v1.0.0")
    work.git("tag", "api/v2.0.0")
    assert sorted(source(work.folder).tags()) == [
        ("v0.1.0", first),
        ("v0.2.0", head),
        ("v0.3.0", first),
    ]
    assert sorted(tag.name for tag in source(work.folder).tags(first)) == ["v0.1.0", "v0.3.0"]
    assert [tag.name for tag in source(work.folder, tag_prefix="api-v").tags()] == ["api-v1.0.0"]
    assert [tag.name for tag in source(work.folder, tag_prefix="api/v").tags()] == ["api/v2.0.0"]
    assert len(source(work.folder, tag_prefix="").tags()) >= 4


def test_ancestry_is_told(work, source):
    first, head = work.git("rev-parse", "v0.1.0^{commit}"), work.git("rev-parse", "HEAD")
    made = source(work.folder)
    assert made.is_ancestor(first, head)
    assert made.is_ancestor(head, head)
    assert not made.is_ancestor(head, first)
    with pytest.raises(NotFound):
        made.is_ancestor("f" * 40, head)


def test_commits_are_those_of_the_projects_paths(work, source):
    start = work.git("rev-parse", "HEAD")
    work.commit("shop", "services/shop/a.txt")
    work.commit("pay", "services/pay/a.txt")
    head = work.git("rev-parse", "HEAD")
    made = source(work.folder, paths=("services/shop",))
    assert [commit.message for commit in made.commits(start, head)] == ["shop"]
    assert [commit.message for commit in made.commits(start, head, ["services/pay"])] == ["pay"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "", "C:/x"])
def test_paths_outside_the_repository_are_refused(work, source, path):
    with pytest.raises(
        ConfigError, match="write a path inside the repository, such as services/shop"
    ):
        source(work.folder).read_file(work.git("rev-parse", "HEAD"), path)


def test_a_missing_file_is_not_found(work, source):
    head = work.git("rev-parse", "HEAD")
    with pytest.raises(NotFound) as error:
        source(work.folder).read_file(head, "tickets.yaml")
    assert text(error) == (
        f"There is no file tickets.yaml at commit {head[:7]}. (repository {work.folder}) "
        "Commit it, or correct its name in the configuration."
    )


# Checkouts


def test_a_checkout_is_the_commit_with_its_tags_and_leaves_nothing_behind(work, tmp_path, source):
    hook = work.folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    (work.folder / "a.txt").write_text("not committed")
    before, first = work.snapshot(), work.git("rev-parse", "v0.1.0^{commit}")
    source(work.folder).checkout(first, tmp_path / "out")

    def out(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=tmp_path / "out", capture_output=True, text=True, check=True
        ).stdout.strip()

    assert (tmp_path / "out" / "a.txt").read_text() == "1\n"
    assert out("describe", "--tags") == "v0.1.0"
    assert out("status", "--porcelain") == ""
    assert out("rev-parse", "HEAD") == first
    assert out("remote", "get-url", "origin") == str(tmp_path / "origin.git")
    assert work.snapshot() == before
    assert not (tmp_path / "hooked").exists()


def test_a_checkout_into_a_folder_with_files_is_refused(work, tmp_path, source):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(ConnectorError, match="not an empty directory"):
        source(work.folder).checkout(work.git("rev-parse", "HEAD"), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_checkout_of_an_unknown_commit_makes_no_folder(work, tmp_path, source):
    for commit in ("f" * 40, "--help", "main"):
        with pytest.raises(NotFound):
            source(work.folder).checkout(commit, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_passwords_of_the_remote_do_not_reach_the_checkout(work, tmp_path, source):
    work.git("remote", "set-url", "origin", "https://ada:secret@host.invalid/x.git")
    source(work.folder).checkout(work.git("rev-parse", "HEAD"), tmp_path / "out")
    config = (tmp_path / "out" / ".git" / "config").read_text()
    assert "https://host.invalid/x.git" in config
    assert "secret" not in config


def test_submodules_are_filled_in_where_they_can_be_reached(
    work, tmp_path, new_repo, source, git_home, caplog
):
    part = new_repo(tmp_path / "part")
    part.commit("part", "p.txt")
    git_home.write_text(git_home.read_text() + '[protocol "file"]\n\tallow = always\n')
    work.git("submodule", "--quiet", "add", str(part.folder), "part")
    head = work.commit("with a part", "b.txt")
    source(work.folder).checkout(head, tmp_path / "out")
    assert (tmp_path / "out" / "part" / "p.txt").read_text() == "1\n"
    part.folder.rename(tmp_path / "moved")
    source(work.folder).checkout(head, tmp_path / "out2")
    assert (tmp_path / "out2" / "b.txt").exists()
    assert "are left out" in caplog.text


# Tags


def test_a_tag_is_written_and_published_and_can_be_looked_up(work, bare, source):
    made, head = source(work.folder), work.git("rev-parse", "HEAD")
    assert made.look_tag("v0.2.0") == ("", "")
    message = "Shop 0.2.0\n\n# not a comment\nGare-Release: R-1\n"
    tag = made.write_tag("v0.2.0", head, message, push=True)
    assert bare.git("rev-parse", "refs/tags/v0.2.0") == tag
    assert bare.git("cat-file", "-t", tag) == "tag"
    assert made.look_tag("v0.2.0") == (head, message.rstrip("\n"))
    assert made.remote_tag("v0.2.0") == head


def test_writing_the_same_tag_again_changes_nothing(work, bare, source):
    made, head = source(work.folder), work.git("rev-parse", "HEAD")
    tag = made.write_tag("v0.2.0", head, "x\n\nGare-Release: R-1\n", push=True)
    again = made.write_tag("v0.2.0", head, "y\n\nGare-Release: R-1\n", push=True)
    assert again == tag


def test_a_tag_left_by_an_interrupted_attempt_is_published(work, bare, source):
    made, head = source(work.folder), work.git("rev-parse", "HEAD")
    tag = made.write_tag("v0.2.0", head, "x\n\nGare-Release: R-1\n", push=False)
    assert made.remote_tag("v0.2.0") == ""
    assert made.write_tag("v0.2.0", head, "x\n\nGare-Release: R-1\n", push=True) == tag
    assert made.remote_tag("v0.2.0") == head


def test_nothing_but_the_tag_is_pushed(work, bare, source):
    work.git("config", "push.followTags", "true")
    head = work.commit("fix: not pushed")
    work.git("tag", "-a", "-m", "x", "v9.0.0")
    before = bare.git("rev-parse", "main")
    source(work.folder).write_tag("v0.2.0", head, "x\n", push=True)
    assert bare.git("tag").split() == ["v0.1.0", "v0.2.0"]
    assert bare.git("rev-parse", "main") == before


def lightweight(work):
    work.git("tag", "v0.2.0")


def elsewhere(work):
    work.git("tag", "-a", "-m", "x", "v0.2.0", "v0.1.0^{commit}")


def another_release(work):
    work.git("tag", "-a", "-m", "x\n\nGare-Release: R-7", "v0.2.0")


@pytest.mark.parametrize(
    ("make", "difference"),
    [
        (lightweight, "is not annotated"),
        (elsewhere, "points to OLD, not to NEW"),
        (another_release, "was not made for this release"),
    ],
)
def test_a_tag_that_differs_is_a_conflict(work, bare, source, make, difference):
    make(work)
    head = work.git("rev-parse", "HEAD")
    difference = difference.replace("OLD", work.git("rev-parse", "v0.1.0^{commit}")[:7])
    with pytest.raises(Conflict) as error:
        source(work.folder).write_tag("v0.2.0", head, "x\n\nGare-Release: R-1\n", push=True)
    assert text(error) == (
        f"Tag v0.2.0 exists and {difference.replace('NEW', head[:7])}. (repository {work.folder}) "
        "Delete it if it was never published (`git tag -d v0.2.0`), or release another version."
    )
    assert bare.git("tag") == "v0.1.0"


def test_a_tag_published_by_somebody_else_is_a_conflict(work, bare, source):
    bare.git("tag", "v0.2.0", "main~1")
    with pytest.raises(Conflict) as error:
        source(work.folder).write_tag("v0.2.0", work.git("rev-parse", "HEAD"), "x\n", push=True)
    assert "already exists" in text(error)


def test_a_lightweight_published_tag_has_no_message(work, bare, source):
    bare.git("tag", "v0.2.0", "main")
    assert source(work.folder).look_tag("v0.2.0") == (work.git("rev-parse", "HEAD"), "")


def test_without_an_identity_gare_signs_with_its_own(work, git_home, source):
    git_home.write_text("")
    source(work.folder).write_tag("v0.2.0", work.git("rev-parse", "HEAD"), "x\n", push=False)
    assert "tagger Gare <gare@localhost>" in work.git("cat-file", "tag", "v0.2.0")


def test_the_users_identity_is_used(work, source):
    source(work.folder).write_tag("v0.2.0", work.git("rev-parse", "HEAD"), "x\n", push=False)
    assert "tagger Ada <ada@example.org>" in work.git("cat-file", "tag", "v0.2.0")


@pytest.mark.parametrize("name", ["-d", "v 1", "v1..2", "v~1", "v1.lock", "refs//x", "v1\n"])
def test_a_name_that_git_refuses_is_a_configuration_error(work, source, name):
    with pytest.raises(ConfigError) as error:
        source(work.folder).write_tag(name, work.git("rev-parse", "HEAD"), "x\n", push=False)
    assert text(error) == f"{name!r} cannot be the name of a tag. Correct `source: tag_prefix`."


def test_without_a_remote_tags_are_looked_up_here(repo, source):
    head = repo.commit("one")
    made = source(repo.folder, remote="")
    assert made.look_tag("v1.0.0") == ("", "")
    made.write_tag("v1.0.0", head, "x\n", push=True)
    assert made.look_tag("v1.0.0") == (head, "x")


def test_a_hook_of_the_host_that_declines_is_a_missing_permission(work, bare, source):
    hook = bare.folder / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'tags are protected'\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(PermissionDenied) as error:
        source(work.folder).write_tag("v0.2.0", work.git("rev-parse", "HEAD"), "x\n", push=True)
    assert "remote: tags are protected" in text(error)
    assert text(error).endswith("Let the account that runs Gare push this there.")


# Files


def test_a_file_is_committed_on_the_remote_branch_and_the_working_copy_is_left_alone(
    work, bare, source
):
    (work.folder / "a.txt").write_text("not committed")
    head, files = work.git("rev-parse", "HEAD"), work.git("status", "--porcelain")
    made = source(work.folder)
    assert made.look_file("docs/CHANGELOG.md") == ""
    commit = made.write_file(
        "docs/CHANGELOG.md", "# ü\n", "docs: notes\n\nGare-Release: R-1\n", push=True
    )
    assert bare.git("rev-parse", "main") == commit
    assert bare.git("rev-parse", "main~1") == head
    assert bare.git("diff", "--name-only", "main~1", "main") == "docs/CHANGELOG.md"
    assert (
        bare.git("log", "-1", "--format=%B%an", "main") == "docs: notes\n\nGare-Release: R-1\nAda"
    )
    assert (work.git("rev-parse", "HEAD"), work.git("status", "--porcelain", "-uno")) == (
        head,
        files,
    )
    assert made.look_file("docs/CHANGELOG.md") == "# ü\n"
    assert made.write_file("docs/CHANGELOG.md", "# ü\n", "again", push=True) == commit


def test_a_file_goes_on_top_of_what_others_pushed(work, bare, tmp_path, source):
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "-q", str(bare.folder), str(other)], check=True)
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "theirs"], cwd=other, check=True)
    subprocess.run(["git", "push", "-q"], cwd=other, check=True)
    source(work.folder).write_file("CHANGELOG.md", "x\n", "docs: notes\n", push=True)
    assert bare.git("log", "--format=%s", "-3", "main").split("\n") == [
        "docs: notes",
        "theirs",
        "fix: two",
    ]


def test_an_executable_file_stays_one(work, bare, source):
    work.commit("tool", "tool.sh", "x\n")
    work.git("update-index", "--chmod=+x", "tool.sh")
    work.git("commit", "-q", "-m", "mode")
    work.git("push", "-q")
    source(work.folder).write_file("tool.sh", "y\n", "m\n", push=True)
    assert bare.git("ls-tree", "main", "tool.sh").startswith("100755 ")


def test_a_symbolic_link_is_not_overwritten(work, source):
    (work.folder / "CHANGELOG.md").symlink_to("a.txt")
    work.git("add", "CHANGELOG.md")
    work.git("commit", "-q", "-m", "link")
    work.git("push", "-q")
    with pytest.raises(Conflict, match=r"CHANGELOG\.md is no ordinary file in"):
        source(work.folder).write_file("CHANGELOG.md", "y\n", "m\n", push=True)


def test_without_a_push_the_checked_out_branch_moves_with_its_file(work, bare, source):
    (work.folder / "a.txt").write_text("not committed")
    before = bare.git("rev-parse", "main")
    commit = source(work.folder).write_file("CHANGELOG.md", "x\n", "m\n", push=False)
    assert work.git("rev-parse", "main") == commit
    assert (work.folder / "CHANGELOG.md").read_text() == "x\n"
    assert work.git("status", "--porcelain") == "M a.txt"
    assert bare.git("rev-parse", "main") == before
    assert source(work.folder).write_file("CHANGELOG.md", "x\n", "m\n", push=False) == commit


def test_without_a_push_somebodys_changes_are_not_overwritten(work, source):
    head = work.git("rev-parse", "HEAD")
    (work.folder / "CHANGELOG.md").write_text("mine\n")
    with pytest.raises(Refused) as error:
        source(work.folder).write_file("CHANGELOG.md", "x\n", "m\n", push=False)
    assert text(error).startswith("Branch main cannot be moved to ")
    assert (work.folder / "CHANGELOG.md").read_text() == "mine\n"
    assert work.git("rev-parse", "HEAD") == head


def test_a_branch_that_is_not_checked_out_just_moves(work, source):
    work.git("branch", "release/1.x")
    made = source(work.folder, branch="release/1.x", remote="")
    commit = made.write_file("CHANGELOG.md", "x\n", "m\n", push=True)
    assert work.git("rev-parse", "release/1.x") == commit
    assert not (work.folder / "CHANGELOG.md").exists()


def test_a_branch_that_was_never_pushed_is_not_found(work, source):
    work.git("switch", "-q", "-c", "new")
    with pytest.raises(NotFound) as error:
        source(work.folder).write_file("CHANGELOG.md", "x\n", "m\n", push=True)
    assert text(error) == (
        f"Branch new is not on origin. (repository {work.folder}) Push it first (`git push origin new`)."
    )


# Settings and errors


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"branch": "--all"}, "write the name of a branch, such as main or release/1.x"),
        ({"branch": "a..b"}, "write the name of a branch, such as main or release/1.x"),
        ({"url": "--upload-pack=x"}, "write an address such as"),
        ({"url": "ext::sh -c x"}, "write an address such as"),
        ({"url": "https://ada:secret@host/x.git"}, "leave the password out of the address"),
        ({"remote": "-x"}, "String should match pattern"),
        ({"tag_prefix": "-v"}, "String should match pattern"),
        ({"tag_prefix": "v*"}, "String should match pattern"),
        ({"paths": ["../x"]}, "write a path inside the repository"),
        ({"paths": ["/x"]}, "write a path inside the repository"),
        ({"depth": 1}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_could_do_harm_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        GitSettings(**settings)


@pytest.mark.parametrize(
    ("complaint", "kind"),
    [
        ("fatal: Authentication failed for 'https://host/x.git/'", AuthenticationFailed),
        (
            "fatal: could not read Username for 'https://host': terminal prompts disabled",
            AuthenticationFailed,
        ),
        (
            "git@host: Permission denied (publickey).\nfatal: Could not read from remote repository.",
            AuthenticationFailed,
        ),
        (
            "Host key verification failed.\nfatal: Could not read from remote repository.",
            AuthenticationFailed,
        ),
        (
            "fatal: unable to access 'https://host/': The requested URL returned error: 403",
            PermissionDenied,
        ),
        (
            "remote: GitLab: You are not allowed to create protected tags\n"
            " ! [remote rejected] v1 (pre-receive hook declined)",
            PermissionDenied,
        ),
        (" ! [rejected] main -> main (fetch first)\nerror: failed to push some refs", Conflict),
        ("fatal: repository 'https://host/x.git/' not found", NotFound),
        ("fatal: 'x' does not appear to be a git repository", NotFound),
        ("fatal: unable to access 'https://host/': Could not resolve host: host", Unavailable),
        (
            "ssh: connect to host h port 22: Connection refused\nfatal: Could not read from remote repository.",
            Unavailable,
        ),
        ("fatal: the remote end hung up unexpectedly", Unavailable),
        ("error: error in sideband demultiplexer", Unavailable),
        ("fatal: something new", ConnectorError),
    ],
)
def test_what_git_complains_about_becomes_the_right_kind_of_error(complaint, kind):
    error = translated("push", Done(1, b"", complaint), "here")
    assert type(error) is kind
    assert error.what.startswith("git push failed: ")
