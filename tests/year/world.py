"""The company of the simulation: its station, thirty projects in real repositories, two trains, its calendar.

What happens in it is drawn from a seed, so a year can be told again.
"""

import os
import subprocess
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random

PROJECTS = 30
CONNECTED = 3
"""Each third project lives in GitLab and has its tickets in Jira."""
PIPELINED = 9
"""Each ninth lets GitLab run a pipeline too."""
ALLOWED = ("p04", "p05", "p19")
"""They are changed in the hours of the office alone, as an allow window says."""
MONTHLY = ("p07", "p22")
"""They rest over the last weekend of a month, as a rule says."""
PERIODS = ("p03",)
"""GitLab keeps a freeze period for them, over the departure of their train."""
MAINTENANCE = "maintenance"
TOKEN = "token-of-the-year"
ZONE = "Europe/Paris"
STATION = """\
name: year
gateway: false
plans_at_once: 1
rights: {override: [managers]}
people:
  - {name: alice, email: alice@example.org, groups: [managers]}
  - {name: bob, email: bob@example.org, groups: [operations]}
environments:
  production:
    approval: {groups: {managers: 1}, expires_after: 5d}
connections:
  gitlab: {type: gitlab, url: "URL/gitlab", token: "file:vendors.token"}
  jira: {type: jira, url: "URL/jira", user: gare@example.org, token: "file:vendors.token", deployment: cloud}
freezes:
  - {name: weekend, days: [friday], after: "15:00", owner: operations}
  - {name: holidays, holidays: FR, owner: operations}
  - {name: year-end, start: 2026-12-18 18:00, end: 2027-01-04 08:00, owner: management}
  - {name: office, kind: allow, days: [monday, tuesday, wednesday, thursday, friday], after: "07:00", before: "19:00",
     projects: [ALLOWED]}
  - {name: accounts, rrule: FREQ=MONTHLY;BYDAY=-1FR, start: 2026-01-30 18:00, lasts: 2d12h, projects: [MONTHLY]}
"""
PROJECT = """\
name: {name}
source: {{path: ../repositories/{name}, branch: main, remote: ''}}
gates: []
build: {{commands: ["test ! -e no-build"], artifacts: [app.txt], sbom: none}}
hotfix: {{approval: {{groups: {{operations: 1}}}}, lines: [maintenance/*]}}
environments:
  production:
    target:
      type: directory
      path: ../live/{name}
      health: {{command: [sh, -c, "! grep -q broken app.txt"], timeout: 1s}}
steps:
  - {{id: test, type: test, skip: true}}
  - {{id: validate, type: validate, skip: true}}
"""
HOSTED = """\
gitlab: {connection: gitlab, project: PATH}
publish: {gitlab_release: true}
tickets:
  tracker: {type: jira, connection: jira, project: KEY}
  on_release: {transition: done, comment: 'Out with {version}'}
  change: {type: Change, phases: {deploying: doing, released: done, stopped: done}}
"""
PIPELINE = "  - {id: ci, type: pipeline, needs: [plan], before: [validate]}\n"
TRAIN = """\
name: {name}
schedule: {{rrule: "FREQ=WEEKLY;INTERVAL=2", start: {start}, zone: Europe/Paris}}
cut_off: 2h
members: [{members}]
needs: {{{needs}}}
go: {{groups: {{managers: 1}}, expires_after: 3d}}
on_failure: {on_failure}
limit: 4
"""
TRAINS = {"web": ("2026-12-08T10:00", "drop"), "core": ("2026-12-10T10:00", "hold")}


@dataclass
class Repository:
    """A project's repository, and what is wrong with its branch at the moment."""

    folder: Path
    key: str = ""
    """Its project in Jira; empty: it lives on this machine alone."""
    number: int = 0
    trouble: str = ""
    fixes: list[str] = field(default_factory=list)
    """Branches with a fix that is not on every line yet."""

    def git(self, *words: str, at: datetime) -> str:
        """Run git with its clock at an instant."""
        stamp = f"{int(at.timestamp())} +0000"
        env = {
            **os.environ,
            **{f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in
               (("NAME", "Dev"), ("EMAIL", "dev@example.org"), ("DATE", stamp))},
        }  # fmt: skip
        done = subprocess.run(
            ["git", "-C", self.folder, *words], env=env, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, message: str, files: dict[str, str], at: datetime) -> str:
        """Write files (an empty text takes one away) and commit them; return the commit."""
        for name, text in files.items():
            file = self.folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text) if text else file.unlink(missing_ok=True)
        self.git("add", "-A", at=at)
        self.git("commit", "-q", "--allow-empty", "-m", message, at=at)
        return self.git("rev-parse", "HEAD", at=at)

    def work(self, chance: Random, at: datetime, ticket: str = "") -> None:
        """Do a day's work: mostly a change, now and then one that does not build or does not run; it is mended next."""
        self.number += 1
        if self.trouble:
            self.trouble, files = "", {"no-build": "", "app.txt": f"{self.number}\n"}
            self.commit("fix: mend it", files, at)
            return
        files = {
            f"src/{chance.randrange(6)}.txt": f"{self.number}\n",
            "app.txt": f"{self.number}\n",
        }
        self.trouble = chance.choices(["", "no-build", "broken"], [94, 3, 3])[0]
        if self.trouble == "no-build":
            files["no-build"] = "1\n"
        if self.trouble == "broken":
            files["app.txt"] = f"{self.number} broken\n"
        kind = chance.choice(["feat", "fix", "fix", "docs"])
        self.commit(f"{kind}: change {self.number} {ticket}".rstrip(), files, at)

    def fix(self, version: str, at: datetime) -> str:
        """Fix a released version on a branch of its own; return the commit."""
        self.number += 1
        branch = f"fix-{self.number}"
        self.git("switch", "-q", "-c", branch, f"v{version}", at=at)
        made = self.commit(f"fix: urgent {self.number}", {f"fixes/{self.number}": "1\n"}, at)
        self.git("switch", "-q", "main", at=at)
        self.fixes.append(branch)
        return made

    def merge(self, branch: str, at: datetime, *, into: str = "main") -> None:
        """Merge a branch into a line."""
        self.git("switch", "-q", into, at=at)
        self.git("merge", "-q", "--no-ff", "-m", f"Merge {branch}", branch, at=at)
        self.git("switch", "-q", "main", at=at)

    def maintain(self, version: str, at: datetime) -> None:
        """Begin a line that goes on from a released version."""
        self.git("branch", f"{MAINTENANCE}/{version}", f"v{version}", at=at)

    def versions(self, at: datetime) -> list[str]:
        """Return what is released, the newest first."""
        tags = self.git("tag", "--list", "v*", "--sort=-v:refname", at=at).split()
        return [tag.removeprefix("v") for tag in tags]


def path_of(name: str) -> str:
    """Return where a project is in GitLab."""
    return f"year/{name}"


def build(root: Path, start: datetime) -> dict[str, Repository]:
    """Make the projects with their repositories, and the trains; return the repositories by project."""
    for name in ("projects", "trains", "repositories"):
        (root / name).mkdir(parents=True)
    made = {}
    for number in range(1, PROJECTS + 1):
        name, key = f"p{number:02}", "" if number % CONNECTED else f"P{number:02}"
        text = PROJECT.format(name=name)
        if key:
            text = text.replace(
                "  production:\n", "  production:\n    gitlab_environment: production\n"
            )
            text += PIPELINE if number % PIPELINED == 0 else ""
            hosted = HOSTED.replace("PATH", path_of(name)).replace("KEY", key)
            if name in PERIODS:
                hosted = hosted.replace(
                    f"{path_of(name)}}}", f"{path_of(name)}, freeze_periods: true}}"
                )
            text += hosted
        (root / "projects" / f"{name}.yaml").write_text(text)
        folder = root / "repositories" / name
        subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
        made[name] = Repository(folder, key)
        made[name].commit("feat: first", {"app.txt": "0\n"}, start)
    _write_trains(root, list(made))
    return made


def write_station(root: Path, url: str) -> None:
    """Write the station, connected to the vendors at an address."""
    (root / "vendors.token").write_text(f"{TOKEN}\n")
    said = STATION.replace("URL", url).replace("ALLOWED", ", ".join(ALLOWED))
    (root / "station.yaml").write_text(said.replace("MONTHLY]", f"{', '.join(MONTHLY)}]"))


def _write_trains(root: Path, names: list[str]) -> None:
    half = PROJECTS // 2
    for train, members in zip(TRAINS, (names[:half], names[half:]), strict=True):
        first, on_failure = TRAINS[train]
        # Each third member needs the one before it.
        needs = ", ".join(f"{members[at]}: [{members[at - 1]}]" for at in range(2, half, 3))
        text = TRAIN.format(
            name=train, start=first, members=", ".join(members), needs=needs, on_failure=on_failure
        )
        (root / "trains" / f"{train}.yaml").write_text(text)
