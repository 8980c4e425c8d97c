"""The releases that are killed: what each project does, as its gare.yaml, and its template on disk; and a train.

Together they pass every kind of boundary. Commands are trivial on purpose: hundreds of releases are made.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vendors import key_of

from gare.connectors.directory import Directory, DirectorySettings
from gare.domain.plan import Kind
from gare.ports.target import Shipment
from gare.strategies.rollout import rollout

BEFORE, VERSION = "1.0.0", "1.1.0"

_HEAD = """\
name: {name}
title: shop
source: {{type: git, path: ../p/{name}/work, branch: main}}
build: {{commands: [[sh, make.sh, build, "{folder}/commands"]], artifacts: ["out/*"], sbom: none}}
test: {{commands: [[sh, make.sh, test, "{folder}/commands"]]}}
"""
_TARGET = """\
    target:
      type: directory
      path: ../p/{{name}}/{0}
      unpack: false
      start: [sh, -c, 'echo "start $GARE_VERSION" >> "$GARE_PATH/record"']
      stop: [sh, -c, 'echo "stop $GARE_VERSION" >> "$GARE_PATH/record"']
      health: {{{{command: [test, -e, version.txt], timeout: 300ms, interval: 50ms}}}}
      version: {{{{command: [cat, {1}], timeout: 300ms, interval: 50ms}}}}
"""
_NO_VALIDATE = "  - {{id: validate, type: validate, skip: true}}\n"
_MAKE_SH = """\
echo "$GARE_STEP" >> "$2"
case "$1" in
build) mkdir out && printf %s "$GARE_VERSION" > out/version.txt && printf 1.0.0 > out/broken.txt ;;
flaky) test -e tried || { touch tried; exit 1; } ;;
run) case "$GARE_PROJECT" in *-bad) exit 1 ;; esac ;;
esac
"""


def _environment(name: str, approval: str = "", version_file: str = "version.txt") -> str:
    rule = f"    approval: {{{{groups: {{{{{approval}}}}}}}}}\n" if approval else ""
    return f"  {name}:\n{rule}{_TARGET.format(name, version_file)}"


def _run(step: str, needs: str, *, before: str = "", more: str = "") -> str:
    word = "flaky" if more else "run"
    tail = f", before: [{before}]" if before else ""
    return (
        f"  - {{{{id: {step}, type: run, needs: [{needs}]{tail}{more}, "
        f'command: [sh, make.sh, {word}, "{{folder}}/commands"]}}}}\n'
    )


def _undone(step: str, needs: str, *, before: str) -> str:
    command = '[sh, make.sh, run, "{folder}/commands"]'
    return (
        f"  - {{{{id: {step}, type: run, environment: production, needs: [{needs}], before: [{before}], "
        f"command: {command}, undo: {command}}}}}\n"
    )


_HOSTED = """\
gitlab: {{connection: gitlab, project: crash/{name}}}
publish: {{gitlab_release: true, gitlab_packages: true, links: {{Site: 'https://shop.example.org'}}}}
tickets:
  tracker: {{type: jira, connection: jira, project: {key}}}
  on_release: {{transition: Done, comment: 'Out with {{version}}', link: 'https://shop.example.org/{{tag}}'}}
  change: {{type: Change, phases: {{deploying: doing, released: done, stopped: Done}}}}
"""
_TOLD = "announce: [{{type: file, path: '../p/{name}/announced.md'}}]\n"
_TRAIN = (
    "name: {name}\nmembers: [{name}-api, {name}-app]\n"
    "needs: {{{name}-app: [{name}-api]}}\ngo: {{groups: {{qa: 1}}}}\n" + _TOLD
)
_DROPPING = "name: {name}\nmembers: [{name}-api, {name}-bad]\non_failure: drop\n" + _TOLD
_TURNING_BACK = (
    "name: {name}\nmembers: [{name}-api, {name}-app, {name}-bad]\non_failure: roll back\n"
    "needs: {{{name}-app: [{name}-api], {name}-bad: [{name}-app]}}\n" + _TOLD
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A release to make. `text` is its gare.yaml with {name}, {folder} and {hook} to fill in.

    A train has `members`, each a project of this text called after the run and the member, and a file of its own; what
    the one that is called bad runs fails.
    One that `is_hosted` has its repository in GitLab and its ticket, {key}-1, in Jira.
    """

    name: str
    text: str
    environments: tuple[str, ...] = ()
    kind: Kind = Kind.RELEASE
    members: tuple[str, ...] = ()
    train: str = ""
    is_hosted: bool = False
    before: tuple[str, ...] = ()
    """Versions that the ledger knows as verified good in each project's environments."""

    def projects(self, name: str) -> tuple[str, ...]:
        """Return the projects of one run."""
        return tuple(f"{name}-{member}" for member in self.members) or (name,)

    def subjects(self, name: str) -> tuple[str, ...]:
        """Return what has a release of its own in one run; what is asked for comes first."""
        return (f"train:{name}", *self.projects(name)) if self.members else (name,)

    def gare_yaml(self, name: str, folder: Path, hook: str) -> str:
        """Return the file of one project."""
        return self.text.format(name=name, folder=folder, hook=hook, key=key_of(name))


SCENARIOS = (
    Scenario(
        "released",
        _HEAD
        + "environments:\n"
        + _environment("staging", "qa: 1")
        + _environment("production", "qa: 1, operations: 1")
        + "publish: {{changelog: CHANGELOG.md, notes_file: '../p/{name}/notes/{{version}}.md'}}\n"
        + "announce:\n  - {{type: file, path: '../p/{name}/announced.md'}}\n"
        + "  - {{type: webhook, url: '{hook}'}}\nsteps:\n"
        + _NO_VALIDATE
        + "  - {{id: smoke, type: manual, instructions: look at it, needs: [verify-staging], "
        + "before: [approve-production]}}\n",
        ("staging", "production"),
    ),
    Scenario(
        "rolled back",
        _HEAD
        + "environments:\n"
        + _environment("production", "qa: 1", "broken.txt")
        + "announce:\n  - {{type: file, path: '../p/{name}/announced.md'}}\nsteps:\n"
        + _NO_VALIDATE,
        ("production",),
    ),
    Scenario(
        "side by side",
        _HEAD
        + "publish: {{notes_file: '../p/{name}/notes/{{version}}.md'}}\n"
        + "announce:\n  - {{type: file, path: '../p/{name}/announced.md'}}\nsteps:\n"
        + _NO_VALIDATE
        + _run("lint", "plan", before="test")
        + _run("docs", "plan")
        + _run("licences", "build", before="publish")
        + _run("images", "build", before="publish")
        + _run("flaky", "build", before="publish", more=", retries: 2, backoff: 100ms"),
    ),
    Scenario(
        "two environments",
        _HEAD
        + "environments:\n"
        + _environment("staging")
        + _environment("production")
        + "publish: {{push: true}}\nsteps:\n"
        + _NO_VALIDATE,
        ("staging", "production"),
    ),
    Scenario(
        "taken back",
        _HEAD
        + "environments:\n"
        + _environment("production")
        + "announce:\n  - {{type: file, path: '../p/{name}/announced.md'}}\nsteps:\n"
        + _NO_VALIDATE
        + _undone("migrate", "validate", before="deploy-production")
        + _undone("warm", "verify-production", before="publish"),
        ("production",),
        Kind.ROLLBACK,
        before=(BEFORE, VERSION),
    ),
    Scenario(
        "fixed",
        _HEAD
        + "environments:\n"
        + _environment("staging")
        + _environment("production")
        + "hotfix:\n  approval: {{groups: {{qa: 1}}}}\n"
        + "  skip: [{{step: deploy-staging, later: look at it there}}]\nsteps:\n"
        + _NO_VALIDATE,
        ("production",),
        Kind.HOTFIX,
    ),
    Scenario(
        "departed",
        _HEAD + "environments:\n" + _environment("production") + "steps:\n" + _NO_VALIDATE,
        ("production",),
        Kind.TRAIN,
        members=("api", "app"),
        train=_TRAIN,
    ),
    Scenario(
        "dropped",
        _HEAD
        + "environments:\n"
        + _environment("production")
        + "steps:\n"
        + _NO_VALIDATE
        + _run("check", "build", before="deploy-production"),
        ("production",),
        Kind.TRAIN,
        members=("api", "bad"),
        train=_DROPPING,
    ),
    Scenario(
        "turned back",
        _HEAD
        + "environments:\n"
        + _environment("production")
        + "steps:\n"
        + _NO_VALIDATE
        + _run("check", "build", before="deploy-production"),
        ("production",),
        Kind.TRAIN,
        members=("api", "app", "bad"),
        train=_TURNING_BACK,
        before=(BEFORE,),
    ),
    Scenario(
        "hosted",
        _HEAD
        + "environments:\n"
        + _environment("production")
        + "    gitlab_environment: live\n"
        + _HOSTED
        + "steps:\n"
        + _NO_VALIDATE
        + "  - {{id: ci, type: pipeline, needs: [plan], before: [validate], every: 1s}}\n",
        ("production",),
        is_hosted=True,
    ),
    Scenario(
        "gated",
        _HEAD
        + "gates: [{{name: changes, suite: changes}}, {{name: artifacts, suite: artifacts}}]\npublish: {{tag: true}}\n",
    ),
)


def make_template(scenario: Scenario, folder: Path) -> None:
    """Make the repository, its remote and the targets with the version before: what each run begins with."""
    work, remote = folder / "work", folder / "remote.git"
    _git(folder, "init", "-q", "--bare", "-b", "main", "--template=", str(remote))
    _git(folder, "init", "-q", "-b", "main", "--template=", str(work))
    for key, value in {
        "user.name": "Erin", "user.email": "erin@example.org", "commit.gpgsign": "false",
        "gc.auto": "0", "maintenance.auto": "false",
    }.items():  # fmt: skip
        _git(work, "config", key, value)
    _git(work, "remote", "add", "origin", str(remote))
    (work / "make.sh").write_text(_MAKE_SH)
    (work / ".gitignore").write_text("out/\ntried\n")
    _commit(work, "feat: first")
    _git(work, "tag", f"v{BEFORE}")
    (work / "app.txt").write_text("two\n")
    _commit(work, "feat(app): add the second thing")
    _git(work, "push", "-q", "origin", "main", "--tags")
    versions = (BEFORE, VERSION) if scenario.kind is Kind.ROLLBACK else (BEFORE,)
    for environment in scenario.environments:
        for version in versions:
            _deploy_before(folder, environment, version)


def copy_template(template: Path, folder: Path) -> None:
    """Make a project's folder of its template; the repository's remote is the copy beside it."""
    shutil.copytree(template, folder, symlinks=True)
    config = folder / "work" / ".git" / "config"
    config.write_text(config.read_text().replace(str(template), str(folder)))


def head_of(folder: Path) -> str:
    """Return the newest commit of a project's main branch: the second thing, which a hotfix brings first."""
    words = ["git", "-C", str(folder / "work"), "rev-parse", "main"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def name_ticket(folder: Path, ticket: str) -> None:
    """Commit something for a ticket; called again, it changes nothing."""
    work = folder / "work"
    if not (work / "ticket.txt").exists():
        (work / "ticket.txt").write_text(ticket)
        _commit(work, f"feat: the third thing ({ticket})")
    _git(work, "push", "-q", "origin", "main")


def _deploy_before(folder: Path, environment: str, version: str) -> None:
    """Let the target run a version before, put there by the target's own code."""
    files = {"version.txt": version, "broken.txt": version}
    made = folder / "before"
    made.mkdir(exist_ok=True)
    for name, text in files.items():
        (made / name).write_text(text)
    note = ["sh", "-c", 'echo "start $GARE_VERSION" >> "$GARE_PATH/record"']
    settings = DirectorySettings.model_validate(
        {"path": str(folder / environment), "unpack": False, "start": note}
    )
    target = Directory(settings, folder, log_folder=made)
    shipment = Shipment(
        project="shop", environment=environment, release="R-0", version=version, commit="0" * 40,
        files={name: made / name for name in files},
    )  # fmt: skip
    rollout(target, shipment, lambda _line: None)


def _commit(work: Path, message: str) -> None:
    _git(work, "add", "-A")
    _git(work, "commit", "-qm", message)


def _git(folder: Path, *words: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
