"""A station with one project whose tickets live in a simulated Jira."""

import subprocess
from pathlib import Path

from gare.config.loader import load_station
from gare.domain.plan import Plan
from gare.requests import ReleaseRequest
from gare.wiring import Gare

SEED = {
    "users": [{"name": "gare", "token": "secret-token-1"}],
    "deployment": "data-center",
    "projects": {
        "SHOP": {
            "versions": [{"name": "1.0.0", "released": True}, "1.1.0"],
            "issues": [
                {"key": "SHOP-1", "title": "Pay by card", "status": "Done", "versions": ["1.1.0"]},
                {"key": "SHOP-2", "title": "Gift cards", "versions": ["1.1.0"]},
                {
                    "key": "SHOP-3",
                    "title": "Wrong total",
                    "versions": ["1.0.0"],
                    "history": [{"from": "Done", "to": "To Do", "days_ago": 0}],
                },
            ],
        }
    },
}
TICKETS = """
tickets:
  tracker: {type: jira, connection: tracker, project: SHOP}
  on_release: {transition: done, comment: 'Out with {version}', link: 'https://shop.example.org/{tag}'}
  change: {type: Change, phases: {deploying: doing, released: done, stopped: done}}
"""


GARE_YAML = f"""
name: shop
source: {{type: git, branch: main, remote: ''}}
{TICKETS}
environments: {{production: {{target: {{type: directory, path: ../production}}}}}}
"""


class Repository:
    """A station with one project, whose tickets live in Jira."""

    def __init__(self, root: Path, jira: str) -> None:
        self.root, self.work = root, root / "shop"
        self.work.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Erin")
        self.git("config", "user.email", "erin@example.org")
        (root / "token").write_text("secret-token-1\n")
        (root / "station.yaml").write_text(
            "repositories: [shop]\n"
            f"connections: {{tracker: {{type: jira, url: '{jira}', token: 'file:token'}}}}\n"
        )
        self.file.write_text(GARE_YAML)
        self.commit("feat: first")
        self.git("tag", "v1.0.0")
        self.commit("feat: pay by card SHOP-1")
        self.commit("fix: rounding SHOP-77")

    @property
    def file(self) -> Path:
        return self.work / "gare.yaml"

    def git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self.work, check=True, capture_output=True)

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message, "--allow-empty")

    def gare(self) -> Gare:
        return Gare(load_station(self.root))

    def plan(self) -> tuple[str, Plan]:
        return self.gare().drafting.make(ReleaseRequest(project="shop"))
