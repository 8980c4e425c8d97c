"""A company whose real systems are sandboxes: a repository with a remote, GitLab, Jira, and a station."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from sandbox import Served, sandboxed

from gare.config.loader import load_station
from gare.sandbox.clock import Clock
from gare.wiring import Gare

STATION = """
name: company
server: {{port: 0}}
people:
  - {{name: alice, email: alice@example.org, groups: [qa]}}
  - {{name: bob, email: bob@example.org, groups: [qa, operations]}}
  - {{name: erin, email: erin@example.org, groups: [operations]}}
environments: {{production: {{approval: {{groups: {{qa: 1, operations: 1}}}}}}}}
freezes: [{{name: for-ever, start: 2020-01-01, end: 2099-01-01, environments: [production]}}]
connections:
  forge: {{type: gitlab, url: {url}/forge, token: 'file:forge.token'}}
  board: {{type: jira, url: {url}/board, token: 'file:board.token'}}
"""
SHOP = """
name: shop
source: {path: ../shop, branch: main}
gitlab: {connection: forge, project: shop/web/app}
tickets:
  tracker: {type: jira, connection: board, project: SHOP}
  on_release: {transition: done, comment: 'Out with {version}'}
  change: {type: Change}
build: {commands: ["cp app.py out.txt"], artifacts: [out.txt], sbom: none}
gates: []
environments:
  production:
    gitlab_environment: live
    soak: 1h
    target: {type: directory, path: ../production, start: "touch ../../started"}
publish: {gitlab_release: true, notes_file: "../notes-{version}.md"}
announce: [{type: webhook, url: "http://127.0.0.1:9/hook"}]
steps:
  - {id: test, type: test, skip: true}
  - {id: ci, type: pipeline, needs: [plan], before: [validate]}
  - {id: migrate, type: run, command: "touch ../migrated", needs: [validate], before: [deploy-production]}
  - {id: look, type: manual, instructions: Look at it., needs: [verify-production], before: [publish]}
"""


class Company:
    """One company. `served` plays its GitLab (`forge`) and its Jira (`board`)."""

    def __init__(self, root: Path, served: Served) -> None:
        self.root, self.served = root, served
        self.work, self.remote = root / "shop", root / "shop.git"

    @property
    def gare(self) -> Gare:
        return Gare(load_station(self.root))

    def git(self, *words: str, at: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *words], cwd=at or self.work, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, message: str) -> None:
        (self.work / "app.py").write_text(message)
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        self.git("push", "-q", "origin", "main", "--tags")

    def configure(self, **replaced: str) -> None:
        """Write the project's file with sections (by their key) replaced."""
        lines = SHOP.splitlines()
        for key, value in replaced.items():
            place = next(at for at, line in enumerate(lines) if line.startswith(f"{key}:"))
            rest = lines[place + 1 :]
            while rest and rest[0].startswith("  "):  # what stands below a key goes with it
                rest.pop(0)
            lines = [*lines[:place], f"{key}: {value}".rstrip(), *rest]
        (self.root / "projects" / "shop.yaml").write_text("\n".join(lines) + "\n")

    def writes(self) -> list[str]:
        """Return the requests that changed anything in GitLab or Jira, or tried to."""
        entries = self.served.sandbox.journal.entries()
        return [f"{one.method} {one.path}" for one in entries if one.method not in ("GET", "HEAD")]

    def everything(self) -> tuple[object, ...]:
        """Return all that a release would change."""
        forge, board = (self.served.sandbox.vendors[name] for name in ("forge", "board"))
        kept = forge.projects[0].kept
        return (
            self.git("for-each-ref"),
            self.git("for-each-ref", at=self.remote),
            self.git("status", "--short"),
            [repr(kept.get(part)) for part in ("releases", "files", "deployments")],
            len(forge.pipelines_of(forge.projects[0])),
            repr(board.state.issues),
            repr(board.state.projects),
            [release.id for release in self.gare.ledger.releases.find()],
            sorted(path.name for path in self.root.iterdir() if path.name != ".gare"),
        )


def _seed(remote: Path) -> dict[str, Any]:
    jobs = {
        "unit": {"stage": "test", "takes_s": 0, "tests": {"passed": 4, "skipped": 1}},
        "review": {"stage": "ship", "when": "manual", "allow_failure": False},
    }
    app = {
        "repository": str(remote),
        "members": {"gare": "maintainer", "alice": "developer"},
        "protected_tags": [{"name": "v*", "create": "maintainer"}],
        "protected_branches": [{"name": "main", "push": "nobody", "merge": "maintainer"}],
        "environments": {"live": {"tier": "production", "approvals": 2}},
        "merge_requests": [
            {"iid": 7, "source": "f", "target": "main", "title": "Cups", "state": "merged", "commit": "main"}
        ],
        "pipeline": {"jobs": jobs},
    }  # fmt: skip
    shop = {
        "versions": [{"name": "1.0.0", "released": True}],
        "issues": [
            {"key": "SHOP-1", "title": "Pay", "status": "Done"},
            {"key": "SHOP-2", "title": "Cups", "versions": ["1.0.0"], "labels": ["urgent"]},
        ],
        "boards": [{"name": "Shop board", "sprints": [{"name": "Sprint 1", "state": "active"}]}],
    }
    return {
        "forge": {
            "type": "gitlab",
            "tokens": {"glpat-real": {"user": "gare"}},
            "projects": {"shop/web/app": app},
        },
        "board": {
            "type": "jira",
            "deployment": "data-center",
            "users": [{"name": "gare", "token": "jira-real", "lacks": ["ADD_COMMENTS"]}],
            "projects": {"SHOP": shop},
        },
    }


@contextmanager
def company(root: Path, *, lacks: tuple[str, ...] = ()) -> Iterator[Company]:
    """Have a company with version 1.0.0 out, one commit since, and a pipeline that has run."""
    remote = root / "shop.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True)
    seed = _seed(remote)
    seed["board"]["users"][0]["lacks"] = list(lacks)
    with sandboxed(seed, clock=Clock()) as served:
        made = Company(root, served)
        subprocess.run(["git", "init", "-q", "-b", "main", str(made.work)], check=True)
        made.git("config", "user.name", "Erin")
        made.git("config", "user.email", "erin@example.org")
        made.git("remote", "add", "origin", str(remote))
        made.commit("feat: first")
        made.git("tag", "v1.0.0")
        made.commit("feat: cups SHOP-2")
        made.git("push", "-q", "origin", "HEAD:refs/heads/maintenance/1.0")
        (root / "station.yaml").write_text(STATION.format(url=served.url))
        (root / "forge.token").write_text("glpat-real\n")
        (root / "board.token").write_text("jira-real\n")
        (root / "projects").mkdir()
        made.configure()
        start = f"{served.url}/forge/api/v4/projects/shop%2Fweb%2Fapp/pipeline"
        httpx.post(
            start, json={"ref": "main"}, headers={"private-token": "glpat-real"}
        ).raise_for_status()
        served.sandbox.clock.advance(timedelta(minutes=1))
        served.sandbox.journal.clear()
        yield made
