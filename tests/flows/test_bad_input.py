"""Whatever is wrong with what people give: one clear error, its exit code, no traceback, and nothing changed.

The first half needs no engine: each case is a copy of one small station. The second half shares the real station.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from gare.cli import app

STATION = """\
people:
  - {name: alice, email: alice@example.org, groups: [qa]}
environments:
  production: {approval: {groups: {qa: 1}}}
repositories: [shop]
"""
PROJECT = """\
name: shop
source: {type: git, branch: main}
build: {commands: [make], artifacts: ["dist/*"]}
test: {commands: [make test], junit: [report.xml]}
environments:
  production: {target: {type: directory, path: ../production}}
"""
PLAN = ("plan", "shop")


@dataclass(frozen=True)
class Place:
    """A station with one project at version 1.0.0 and one fix since; its remote is beside it."""

    root: Path

    @property
    def work(self) -> Path:
        return self.root / "shop"

    def git(self, *words: str, folder: str = "shop") -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.root / folder, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def source(self, text: str) -> None:
        """Give the project another `source`, committed."""
        self.project(PROJECT.replace("{type: git, branch: main}", text))

    def project(self, text: str) -> None:
        (self.work / "gare.yaml").write_text(text)
        self.git("commit", "-qam", "chore: configuration")
        self.git("push", "-q", "origin", "main")

    def all_of_it(self) -> dict[str, str]:
        """Return everything that could be changed: files, links, refs, rows of the ledger."""
        ledger = self.root / ".gare" / "ledger.db"
        found = {
            str(path.relative_to(self.root)): _content(path)
            for path in self.root.rglob("*")
            if not path.is_dir() and path.name not in ("ledger.db-wal", "ledger.db-shm")
            if path != ledger
        }
        found["ledger"] = _rows(ledger)
        return found


def _content(path: Path) -> str:
    if path.is_symlink():
        return os.readlink(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _rows(ledger: Path) -> str:
    connection = sqlite3.connect(ledger)
    try:
        return "\n".join(connection.iterdump())
    except sqlite3.DatabaseError as error:
        return str(error)
    finally:
        connection.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Make the station once, its ledger included; the cases work on copies."""
    place = Place(tmp_path_factory.mktemp("template"))
    place.work.mkdir()
    (place.root / "station.yaml").write_text(STATION)
    place.git("init", "-q", "--bare", "-b", "main", "remote.git", folder=".")
    place.git("init", "-q", "-b", "main")
    place.git("config", "user.name", "Erin")
    place.git("config", "user.email", "erin@example.org")
    place.git("remote", "add", "origin", "../remote.git")
    (place.work / "gare.yaml").write_text(PROJECT)
    (place.work / "app.py").write_text("1")
    place.git("add", "-A")
    place.git("commit", "-qm", "feat: first")
    place.git("tag", "v1.0.0")
    (place.work / "app.py").write_text("2")
    place.git("commit", "-qam", "fix: second")
    place.git("push", "-q", "origin", "main", "--tags")
    assert app.run(["--station", str(place.root), "status"]) == 0
    return place


@pytest.fixture
def place(template, tmp_path, monkeypatch):
    root = tmp_path / "s"
    shutil.copytree(template.root, root, symlinks=True)
    monkeypatch.chdir(root)
    for name in ("GARE_STATION", "GARE_TOKEN", "GARE_DEBUG", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    # `--station` is handed on in the environment; here it must not leak into the next test.
    monkeypatch.setenv("GARE_STATION", str(root))
    return Place(root)


def shallow(place):
    shutil.rmtree(place.work)
    place.git("clone", "-q", "--depth=1", f"file://{place.root}/remote.git", "shop", folder=".")


def detached(place):
    place.source("{type: git}")
    place.git("checkout", "-q", "--detach")


def no_commit(place):
    shutil.rmtree(place.work / ".git")
    place.git("init", "-q", "-b", "main")


def no_ledger(place):
    for file in (place.root / ".gare").glob("ledger.db*"):
        file.unlink()
    (place.root / ".gare" / "ledger.db").write_bytes(b"no database at all" * 99)


def changed(place):
    (place.work / "app.py").write_text("3")


CASES = {
    "wrong YAML": (
        lambda place: place.project("name: [shop\nsource: {type: git}\n"), PLAN, 2,
        "gare: error: shop/gare.yaml:2: a bracket is opened and not closed.\n"
        "  hint: Write `[a, b]` or `{key: value}`.\n",
    ),
    "an unknown key": (
        lambda place: place.project(PROJECT + "titel: Shop\n"), PLAN, 2,
        "gare: error: shop/gare.yaml:7: titel: this key is not known.\n"
        "  hint: Did you mean `title`? Keys of this file are `name`, `title`, `labels`, `source`, `gitlab`, "
        "`version`, `tickets`, `env`, `build`, `test`, `gates`, `rights`, `environments`, `publish`, `announce`, "
        "`announce_in_train`, `steps`, `hotfix` and `freezes`.\n",
    ),
    "an unknown project": (
        None, ("plan", "shopp"), 2,
        "gare: error: There is no project `shopp`.\n  where: station.yaml\n"
        "  hint: Did you mean `shop`? Projects are `shop`.\n",
    ),
    "a remote that is missing": (
        lambda place: place.git("remote", "remove", "origin"), PLAN, 2,
        "gare: error: There is no Git remote origin.\n  where: source: remote, repository ROOT/shop\n"
        '  hint: Add it (`git remote add origin ADDRESS`), or write `remote: ""` to release locally only.\n',
    ),
    "a remote that is gone": (
        lambda place: shutil.rmtree(place.root / "remote.git"), ("release", "shop"), 4, None,
    ),
    "a branch that is missing": (
        lambda place: place.source("{type: git, branch: next}"), PLAN, 2,
        "gare: error: Branch next does not exist.\n  where: source: branch, repository ROOT/shop\n"
        "  hint: Correct its name, or fetch it.\n",
    ),
    "a tag that is missing": (
        None, (*PLAN, "--ref", "v9.9.9"), 4,
        "gare: error: 'v9.9.9' is no branch, tag or full commit id.\n  where: repository ROOT/shop\n"
        "  hint: Fetch it, or correct the name (`git branch --all`, `git tag`).\n",
    ),
    "a tag that only the remote has": (
        lambda place: place.git("push", "-q", "origin", "HEAD:refs/tags/v1.0.1"), PLAN, 3, None,
    ),
    "a dirty working copy": (
        changed, ("release", "shop"), 3,
        "gare: error: Tracked files have changes that are in no commit: app.py.\n  where: repository ROOT/shop\n"
        "  hint: Commit or stash them, or pass `--allow-dirty` to release without them.\n",
    ),
    "a shallow clone": (
        shallow, PLAN, 3,
        "gare: error: The repository is a shallow clone: its history is cut off.\n  where: repository ROOT/shop\n"
        "  hint: Run `git fetch --unshallow --tags` there (in CI: fetch depth 0).\n",
    ),
    "a detached HEAD": (
        detached, PLAN, 3,
        "gare: error: HEAD is detached: no branch is checked out to release from.\n  where: repository ROOT/shop\n"
        "  hint: Check a branch out, or write `branch:` under `source:`.\n",
    ),
    "a repository without a commit": (
        no_commit, PLAN, 3,
        "gare: error: The repository has no commit yet.\n  where: repository ROOT/shop\n"
        "  hint: Commit something, then plan again.\n",
    ),
    "no repository": (
        lambda place: shutil.rmtree(place.work / ".git"), PLAN, 2,
        "gare: error: ROOT/shop is no Git repository.\n  where: source: path\n"
        "  hint: Correct the path, or make it one with `git init`.\n",
    ),
    "nothing to release": (
        lambda place: place.git("tag", "v1.0.1"), ("release", "shop"), 3, None,
    ),
    "a version that exists": (
        None, ("release", "shop", "--version", "1.0.0"), 3, None,
    ),
    "a version that only another branch has": (
        lambda place: place.git("tag", "v1.0.1", place.git("commit-tree", "-m", "aside", "HEAD^{tree}")), PLAN, 3, None,
    ),
    "a version below the last one": (
        None, (*PLAN, "--version", "0.9.0"), 3, None,
    ),
    "a version with its prefix": (
        None, (*PLAN, "--version", "v1.4.0"), 2,
        "gare: error: --version 'v1.4.0' cannot be used.\n  where: release of shop\n"
        "  hint: Write MAJOR.MINOR.PATCH without the tag's prefix, such as 1.4.0 (semver.org).\n",
    ),
    "a version that no tag can have": (
        None, (*PLAN, "--version", "1.4.0-a.lock"), 2,
        "gare: error: 'v1.4.0-a.lock' cannot be the name of a tag.\n  where: shop\n"
        "  hint: Correct `source: tag_prefix`, or choose another version.\n",
    ),
    "a plan that is none": (
        None, ("release", "shop", "--plan", "sha256:0"), 2,
        "gare: error: --plan 'sha256:0' cannot be used.\n  where: release of shop\n"
        "  hint: Write the whole digest that `gare plan` printed, such as sha256:0c2b….\n",
    ),
    "a release that does not exist": (
        None, ("why", "R-99"), 2,
        "gare: error: There is no release R-99.\n  where: ledger\n  hint: `gare status` lists the releases.\n",
    ),
    "no personal token": (
        None, ("approve", "R-1"), 4,
        "gare: error: This needs your name, and there is no personal token.\n  where: GARE_TOKEN\n"
        "  hint: Set GARE_TOKEN to the token that `gare token create NAME` printed.\n",
    ),
    "a token for nobody": (
        None, ("token", "create", "bob"), 2,
        "gare: error: 'bob' is not among the people of this station.\n  where: station.yaml: people\n"
        "  hint: Known: alice.\n",
    ),
    "a token that nobody has": (
        None, ("token", "revoke", "alicia"), 2,
        "gare: error: 'alicia' has no valid token, so none was revoked.\n  where: ledger\n"
        "  hint: People with a token: nobody.\n",
    ),
    "an init where there is a gare.yaml": (
        None, ("init", "shop"), 3,
        "gare: error: shop/gare.yaml exists already; nothing was written.\n  where: ROOT/shop/gare.yaml\n"
        "  hint: Edit it, move it away, or print a new one with `gare init --stdout`.\n",
    ),
    "a ledger that is no database": (
        no_ledger, PLAN, 2, None,
    ),
    "evidence that is no bundle": (
        None, ("evidence", "verify", "station.yaml"), 3, None,
    ),
}  # fmt: skip
SAID = {
    "a remote that is gone": "does not appear to be a git repository",
    "a tag that only the remote has": "Tag v1.0.1 exists already where it is published, at ",
    "nothing to release": "Nothing to release: there is no commit since 1.0.1.",
    "a version that exists": "Version 1.0.0 exists already: tag v1.0.0 at ",
    "a version that only another branch has": ", which is not in this history.\n",
    "a version below the last one": "Version 0.9.0 is not greater than 1.0.0, the last one in this history.",
    "a ledger that is no database": "The ledger is no database that can be read",
    "evidence that is no bundle": "The evidence does not hold",
}
"""What messages with a commit id in them say."""


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_gets_one_clear_error_and_changes_nothing(place, capfd, name):
    spoil, words, code, said = CASES[name]
    if spoil:
        spoil(place)
    before = place.all_of_it()
    assert app.run(list(words)) == code
    error = capfd.readouterr().err.replace(str(place.root), "ROOT")
    if said is None:
        assert SAID[name] in error
        assert error.count("gare: error: ") == 1
    else:
        assert error == said
    assert "Traceback" not in error
    assert place.all_of_it() == before


HARMFUL_NAMES = ("--upload-pack=touch pwned", "-x", "ext::sh -c touch% pwned")
NO_NAMES = ("a b", "a\nb", "\x1b[31m")


@pytest.mark.parametrize(
    ("key", "value"),
    [(key, value) for key in ("branch", "remote", "tag_prefix") for value in HARMFUL_NAMES + NO_NAMES]
    + [("url", value) for value in HARMFUL_NAMES],
)  # fmt: skip
def test_a_name_that_could_do_harm_is_refused_with_its_line(place, capfd, key, value):
    place.source(f"{{type: git, {key}: {json.dumps(value)}}}")
    before = place.all_of_it()
    assert app.run(list(PLAN)) == 2
    error = capfd.readouterr().err
    assert f"shop/gare.yaml:2: source.{key}: " in error
    assert "\x1b" not in error
    assert not list(place.root.rglob("*pwned*"))
    assert place.all_of_it() == before


@pytest.mark.parametrize("option", ["--version", "--ref", "--prerelease"])
@pytest.mark.parametrize(
    "value", ["--upload-pack=touch pwned", "-x", "$(touch pwned)", "`touch pwned`", "1.2.0;x", "a\nb", "\x1b[31m", "é"]
)  # fmt: skip
def test_an_option_that_could_do_harm_is_refused(place, capfd, option, value):
    before = place.all_of_it()
    assert app.run([*PLAN, f"{option}={value}"]) == 2
    error = capfd.readouterr().err
    assert error.startswith(f"gare: error: {option} ")
    assert "\x1b" not in error
    assert not list(place.root.rglob("*pwned*"))
    assert place.all_of_it() == before


@pytest.mark.parametrize("project", ["--upload-pack=x", "$(touch pwned)", "\x1b[31m"])
def test_a_project_that_could_do_harm_is_not_known(place, capfd, project):
    assert app.run(["plan", "--", project]) == 2
    assert "There is no project" in (error := capfd.readouterr().err)
    assert "\x1b" not in error


HARMFUL = (
    "feat(<b>): \x1b[31mred $(touch pwned) `touch pwned` <script>alert(1)</script> {{ 7*7 }} | **b**\n\n"
    "<!--\n## 9.9.9\n```\n--upload-pack=touch pwned",
    "--upload-pack=touch pwned",
    "fix: \u202egnp.exe\u2066 \r\t\x07 [link](javascript:alert(1))",
)
BRANCH = "rel;$(touch${IFS}pwned)`x`|&<é"


def test_what_others_wrote_reaches_neither_a_shell_nor_the_terminal_nor_the_layout(place, capfd):
    place.git("checkout", "-q", "-b", BRANCH)
    for number, message in enumerate(HARMFUL):
        (place.work / f"-f\n{number} é $(touch pwned).txt").write_text("")
        place.git("add", "-A")
        place.git("commit", "-qm", message)
    place.git("tag", "--", "v$(touch${IFS}pwned)")
    place.git("tag", "v1.0.0;x")
    (place.work / "gare.yaml").write_text(PROJECT.replace(", branch: main", ""))
    place.git("commit", "-qam", "chore: any branch")
    place.git("push", "-q", "origin", "HEAD")
    assert app.run(list(PLAN)) == 0
    out = capfd.readouterr().out
    assert not [letter for letter in "\x1b\r\x07\u202e\u2066" if letter in out]
    for spelled in (
        "- **&lt;b&gt;:** ",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        r"\*\*b\*\*",
        r"- \--upload-pack=touch pwned",
        r"\[link\](javascript:alert(1))",
        BRANCH,
    ):
        assert spelled in out
    assert "9.9.9" not in out
    assert not list(place.root.rglob("pwned*"))
    assert app.run([*PLAN, "--json"]) == 0
    assert "\x1b" not in capfd.readouterr().out
