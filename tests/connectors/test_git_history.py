import os
import subprocess
import sys
from pathlib import Path

import pytest

from gare.connectors.git_history import last_tag, log, main, versions
from gare.errors import ConfigError, ConnectorError

ROOT = Path(__file__).parents[2]


def subjects(repo, since="", until="HEAD", paths=()) -> list[str]:
    return [commit.message.split("\n")[0] for commit in log(str(repo.folder), since, until, paths)]


def test_commits_come_newest_first_with_all_that_git_knows(repo):
    first = repo.commit("feat: one\n\nbody\n")
    second = repo.commit("fix: two\n")
    found = list(log(str(repo.folder), "", "HEAD"))
    assert [tuple(commit) for commit in found] == [
        (second, (first,), "Ada", "ada@example.org", "2026-03-01T08:02:00Z", "fix: two\n"),
        (first, (), "Ada", "ada@example.org", "2026-03-01T08:01:00Z", "feat: one\n\nbody\n"),
    ]


def test_a_range_starts_after_the_older_commit(repo):
    first = repo.commit("one")
    repo.commit("two")
    repo.commit("three")
    assert subjects(repo, first) == ["three", "two"]
    assert subjects(repo, "HEAD", "HEAD") == []


def test_merges_and_octopuses_keep_their_parents(repo):
    repo.commit("root")
    for name in ("x", "y"):
        repo.git("switch", "-q", "-c", name, "main")
        repo.commit(f"on {name}", f"{name}.txt")
    repo.git("switch", "-q", "main")
    repo.commit("on main", "m.txt")
    repo.merge("x", "y", message="both")
    newest = next(iter(log(str(repo.folder), "", "HEAD")))
    assert len(newest.parents) == 3


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("", ""),
        ("\n\n", "\n\n"),
        ("feat: größer ✨\n", "feat: größer ✨\n"),
        ("# looks like a comment\n", "# looks like a comment\n"),
        ("-n 1\n", "-n 1\n"),
        ("%H %x00 $(id) `id`\n", "%H %x00 $(id) `id`\n"),
        ("crlf\r\nbody\r\n", "crlf\r\nbody\r\n"),
        ("long\n\n" + "x" * 300_000 + "\n", "long\n\n" + "x" * 300_000 + "\n"),
    ],
    ids=["empty", "blank", "unicode", "hash", "option", "format", "crlf", "long"],
)
def test_any_message_survives(repo, message, expected):
    repo.commit("before")
    repo.commit(message)
    repo.commit("after")
    found = list(log(str(repo.folder), "", "HEAD"))
    assert [commit.message for commit in found] == ["after", expected, "before"]


def test_bytes_that_are_no_text_are_marked(repo):
    parent = repo.commit("before")
    person = "Ada <ada@example.org> 1772359200 +0000"
    head = f"tree {repo.git('rev-parse', 'HEAD^{tree}')}\nparent {parent}\nauthor {person}\ncommitter {person}\n\n"
    raw = head.encode() + b"fix: bad \xff\xfe bytes\0 and more\n"
    odd = repo.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=raw)
    found = list(log(str(repo.folder), "", odd))
    assert [commit.message for commit in found] == ["fix: bad \ufffd\ufffd bytes", "before"]


def test_a_message_in_another_encoding_is_read_as_text(repo):
    repo.git("config", "i18n.commitEncoding", "ISO-8859-1")
    repo.commit("fix: caf\xe9\n".encode("latin-1"))
    assert subjects(repo) == ["fix: café"]


def test_characters_split_by_a_read_are_put_together(repo, monkeypatch):
    monkeypatch.setattr("gare.connectors.git_history._CHUNK", 1)
    repo.commit("fix: größer ✨")
    repo.commit("fix: noch größer ✨✨")
    assert subjects(repo) == ["fix: noch größer ✨✨", "fix: größer ✨"]


def test_only_commits_that_touch_the_paths_are_read_and_paths_are_literal(repo):
    repo.commit("shop", "services/shop/a.txt")
    repo.commit("pay", "services/pay/a.txt")
    repo.commit("odd", ":(top)*/a.txt")
    assert subjects(repo, paths=["services/shop"]) == ["shop"]
    assert subjects(repo, paths=["services/shop", "services/pay"]) == ["pay", "shop"]
    assert subjects(repo, paths=[":(top)*"]) == ["odd"]
    assert subjects(repo, paths=["*"]) == []
    assert subjects(repo, paths=["--all"]) == []


def test_nobodys_git_configuration_changes_what_is_read(repo, git_home):
    repo.commit("one", "a.txt")
    repo.commit("two", "b.txt")
    repo.git("notes", "add", "-m", "a note")
    repo.git("tag", "v1.0.0")
    before = list(log(str(repo.folder), "", "HEAD", ["a.txt"]))
    tags = [tag for tag, _ in versions(str(repo.folder), "HEAD", "v")]
    (repo.folder / ".mailmap").write_text("Eve <eve@example.org> <ada@example.org>\n")
    with git_home.open("a") as config:
        config.write(
            "[log]\n\tshowSignature = true\n\tfollow = true\n\tdate = relative\n\tmailmap = true\n"
            "\tdecorate = full\n\texcludeDecoration = refs/tags/*\n\tshowRoot = true\n"
            "[color]\n\tui = always\n[format]\n\tpretty = oneline\n\tnotes = true\n"
            "[i18n]\n\tlogOutputEncoding = UTF-16\n[core]\n\tpager = false\n"
            "[diff]\n\trenames = copies\n[notes]\n\tdisplayRef = *\n"
        )
    assert list(log(str(repo.folder), "", "HEAD", ["a.txt"])) == before
    assert [tag for tag, _ in versions(str(repo.folder), "HEAD", "v")] == tags


def test_variables_of_a_git_hook_do_not_lead_astray(repo, new_repo, tmp_path, monkeypatch):
    other = new_repo(tmp_path / "other")
    other.commit("not this one")
    repo.commit("this one")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    assert subjects(repo) == ["this one"]


def test_stopping_early_leaves_no_process(repo):
    for number in range(30):
        repo.commit(f"commit {number}\n\n" + "x" * 100_000)
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    before = children.read_text().split() if children.exists() else []
    reader = log(str(repo.folder), "", "HEAD")
    next(reader)
    reader.close()
    if children.exists():
        assert children.read_text().split() == before


def test_reading_leaves_no_file_open(repo):
    repo.commit("one")
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    for _ in range(5):
        subjects(repo)
        with pytest.raises(ConnectorError):
            subjects(repo, until="refs/heads/nope")
    after = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    assert after == before


def test_gits_own_complaint_is_told(tmp_path, repo):
    repo.commit("one")
    with pytest.raises(ConnectorError) as error:
        subjects(repo, until="refs/heads/nope")
    assert str(error.value) == (
        f"Git cannot read the history: bad revision 'refs/heads/nope'. (repository {repo.folder})"
    )
    with pytest.raises(ConnectorError, match="not a git repository"):
        list(log(str(tmp_path), "", "HEAD"))


def test_a_revision_never_becomes_an_option(repo, tmp_path):
    repo.commit("one")
    with pytest.raises(ConnectorError):
        subjects(repo, until=f"--output={tmp_path / 'x'}")
    assert not (tmp_path / "x").exists()


def test_a_missing_git_is_a_configuration_error(repo, monkeypatch):
    monkeypatch.setenv("PATH", str(repo.folder))
    with pytest.raises(ConfigError) as error:
        list(log(str(repo.folder), "", "HEAD"))
    assert str(error.value) == (
        "The program git is not on the PATH. Install Git 2.30 or newer (https://git-scm.com)."
    )


def groups(repo, prefix="v") -> list[tuple[str, list[str]]]:
    return [
        (tag, [commit.message.strip() for commit in commits])
        for tag, commits in versions(str(repo.folder), "HEAD", prefix)
    ]


def test_every_version_has_the_commits_it_brought(repo):
    repo.commit("a")
    repo.commit("b")
    repo.git("tag", "v0.1.0")
    repo.git("tag", "nightly")
    repo.git("tag", "v1")
    repo.commit("c")
    repo.git("tag", "-a", "-m", "x", "v0.2.0-rc.1")
    repo.git("tag", "-a", "-m", "x", "v0.2.0")
    repo.commit("d")
    assert groups(repo) == [("", ["d"]), ("v0.2.0", ["c"]), ("v0.1.0", ["b", "a"])]


def test_a_branch_merged_after_a_version_belongs_to_the_next_one(repo):
    repo.commit("root")
    repo.git("tag", "v0.1.0")
    repo.git("switch", "-q", "-c", "side")
    repo.commit("side 1", "s.txt")
    repo.git("switch", "-q", "main")
    repo.commit("main 1", "m.txt")
    repo.git("tag", "v0.2.0")
    repo.git("switch", "-q", "side")
    repo.commit("side 2", "s.txt")
    repo.git("switch", "-q", "main")
    repo.merge("side", message="merge")
    repo.git("tag", "v0.3.0")
    assert groups(repo) == [
        ("", []),
        ("v0.3.0", ["merge", "side 2", "side 1"]),
        ("v0.2.0", ["main 1"]),
        ("v0.1.0", ["root"]),
    ]


def test_no_commit_is_lost_where_clocks_went_backwards(repo):
    for number in range(6):
        at = f"2026-03-01T{20 - number}:00:00Z"
        repo.git("commit", "-q", "--allow-empty", "-m", f"{number}", GIT_COMMITTER_DATE=at)
        if number in (1, 3):
            repo.git("tag", f"v0.{number}.0")
    told = sorted(message.strip() for _, messages in groups(repo) for message in messages)
    assert told == ["0", "1", "2", "3", "4", "5"]


def test_the_last_tag_is_the_nearest_that_is_a_version(repo):
    repo.commit("a")
    assert last_tag(str(repo.folder), "v") == ""
    repo.git("tag", "v1.0.0")
    repo.git("tag", "api-v9.0.0")
    repo.commit("b")
    repo.git("tag", "v2")
    repo.git("tag", "v01.2.3")
    repo.commit("c")
    assert last_tag(str(repo.folder), "v") == "v1.0.0"
    assert last_tag(str(repo.folder), "api-v") == "api-v9.0.0"
    assert last_tag(str(repo.folder), "web-v") == ""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gare.connectors.git_history", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_as_a_program_it_prints_notes(repo):
    first = repo.commit("feat: one SHOP-1")
    repo.git("tag", "v0.1.0")
    second = repo.commit("fix: <two>")
    assert run(str(repo.folder)).stdout == (
        f"## Since v0.1.0\n\n### Fixes\n\n- &lt;two&gt; ({second[:7]})\n"
    )
    assert run(str(repo.folder), "--full").stdout == (
        f"## Unreleased\n\n### Fixes\n\n- &lt;two&gt; ({second[:7]})\n\n"
        f"## 0.1.0 (2026-03-01)\n\n### Features\n\n- one SHOP-1 (SHOP-1, {first[:7]})\n\n"
    )


@pytest.mark.parametrize("words", [[], ["--nope", "."], [".", ".."]])
def test_as_a_program_it_says_how_to_use_it(words, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("usage: ")


def test_as_a_program_it_ends_with_the_errors_exit_code(tmp_path):
    done = run(str(tmp_path))
    assert done.returncode == 4
    assert "not a git repository" in done.stderr


def test_the_program_imports_next_to_nothing(repo):
    repo.commit("one")
    code = (
        "import sys, gare.connectors.git_history as g\n"
        f"g.main([{str(repo.folder)!r}])\n"
        "heavy = {'dataclasses', 'inspect', 'argparse', 'subprocess', 'tempfile', 'git', 'pydantic', 'semver'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == "[]\n"
