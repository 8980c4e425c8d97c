"""A real repository of a project that was released, and whose main branch went on."""

import os
import subprocess
from pathlib import Path

from gare.config.loader import load_station
from gare.domain.plan import Plan
from gare.requests import HotfixRequest
from gare.wiring import Gare

GARE_YAML = """
name: shop
source: {{type: git, branch: main, remote: ''}}
environments:
  staging: {{target: {{type: directory, path: ../staging}}}}
  production: {{target: {{type: directory, path: ../production}}}}
{more}
"""
STATION_YAML = """
repositories: [shop]
people: [{name: alice, email: alice@example.org, groups: [managers]}]
environments: {staging: {}, production: {}}
"""


class ReleasedProject:
    """A project at 1.4.0 whose main branch went on: a feature, then a fix of another file."""

    def __init__(self, root: Path, more: str = "") -> None:
        self.root, self.work = root, root / "shop"
        self.work.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Erin")
        self.git("config", "user.email", "erin@example.org")
        (root / "station.yaml").write_text(STATION_YAML)
        self.configure(more)
        self.commit("feat: first", "pay.py", "one\ntwo\nthree\n")
        self.commit("feat: basket", "basket.py", "empty\n")
        self.git("tag", "v1.4.0")
        self.feature = self.commit("feat: gift cards", "pay.py", "one\ntwo\ngift\n")
        self.fix = self.commit("fix: total\n\nRefs SHOP-9", "basket.py", "full\n")

    def configure(self, more: str = "") -> None:
        (self.work / "gare.yaml").write_text(GARE_YAML.format(more=more))

    def git(self, *words: str, **env: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.work, check=True, capture_output=True, text=True, env={**os.environ, **env}
        )  # fmt: skip
        return done.stdout.strip()

    def commit(self, message: str, name: str, text: str) -> str:
        (self.work / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")

    def gare(self) -> Gare:
        """Open the station afresh, as a command does."""
        return Gare(load_station(self.root))

    def plan(self, *commits: str, **request: object) -> tuple[str, Plan]:
        """Plan a hotfix."""
        return self.gare().drafting.make(HotfixRequest(project="shop", commits=commits, **request))

    def seen(self) -> list[str]:
        """Return all that a person sees of the repository."""
        return [
            self.git("status", "--porcelain"),
            self.git("for-each-ref"),
            self.git("worktree", "list"),
            self.git("stash", "list"),
            *sorted(path.name for path in (self.work / ".git").iterdir()),
        ]
