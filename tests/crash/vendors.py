"""GitLab and Jira as the matrix's projects have them: one sandbox, a project of its own for each run, and what it saw.

Every request with a side effect is told, and where it left its project; a read is not.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from comparing import Outcome

sys.path.append(str(Path(__file__).parents[1] / "shared"))
from sandbox import Served, sandboxed

from gare.sandbox.clock import Clock
from gare.sandbox.journal import Entry

TOKEN = "sandbox-token-of-the-matrix"
CONNECTIONS = """\
connections:
  gitlab: {{type: gitlab, url: '{url}/gitlab', token: 'file:vendors.token'}}
  jira: {{type: jira, url: '{url}/jira', token: 'file:vendors.token'}}
"""
_SEED = {
    "gitlab": {"tokens": {TOKEN: {"user": "gare"}}, "projects": {}},
    "jira": {"deployment": "data-center", "users": [{"name": "gare", "token": TOKEN}]},
}
_PIPELINE = {"jobs": {"unit": {"takes_s": 1, "tests": {"passed": 2}}}}


def key_of(name: str) -> str:
    """Return the key of a run's Jira project: capital letters and digits."""
    return name.upper().replace("-", "")


class Vendors:
    """The sandbox that is up."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._gitlab = served.sandbox.vendors["gitlab"]
        self._jira = served.sandbox.vendors["jira"].state

    def connections(self) -> str:
        """Return the lines of station.yaml."""
        return CONNECTIONS.format(url=self._served.url)

    def add(self, name: str, remote: Path) -> None:
        """Make the run's projects; called again, it changes nothing."""
        if key_of(name) in self._jira.projects:
            return
        project = {"repository": str(remote), "members": {"gare": "maintainer"}}
        self._by_hand("gitlab", {"path": f"crash/{name}", "pipeline": _PIPELINE, **project})
        issue = {"key": f"{key_of(name)}-1", "title": "The second thing"}
        self._by_hand("jira", {"key": key_of(name), "issues": [issue]})

    def outcome(self, name: str) -> Outcome:
        """Return what was asked of both for a run, and what came of it."""
        return {
            "requests": [self._plain(name, entry) for entry in self._writes(name)],
            "refused requests": [
                entry.wrong for entry in self._served.sandbox.journal.entries() if entry.wrong
            ],
            **self._in_gitlab(name),
            **self._in_jira(name),
        }

    def _by_hand(self, vendor: str, fields: dict[str, Any]) -> None:
        address = f"{self._served.url}/_sandbox/vendors/{vendor}/project"
        urlopen(Request(address, json.dumps(fields).encode(), method="POST"), timeout=30).close()

    def _writes(self, name: str) -> Iterator[Entry]:
        """Yield the requests about a run's projects that changed something, the oldest first."""
        numbers = {version.id for version in self._jira.projects[key_of(name)].versions}
        for entry in self._served.sandbox.journal.entries():
            if entry.method == "GET" or entry.path.endswith("/search"):
                continue
            is_named = name in entry.path or key_of(name) in f"{entry.path} {entry.body}"
            parts = entry.path.split("/")
            if is_named or ("version" in parts and numbers & set(parts)):
                yield entry

    @staticmethod
    def _plain(name: str, entry: Entry) -> str:
        path = entry.path.rpartition("/packages/")[2] if "/packages/" in entry.path else ""
        shown = path.replace(name, "@")
        return f"{entry.method} {entry.template} {shown} {entry.status}"

    def _in_gitlab(self, name: str) -> dict[str, list[str]]:
        kept = self._gitlab.named(f"crash/{name}").kept
        return {
            "pipelines": [one.ref for one in kept.get("pipelines", {}).values()],
            "releases in GitLab": [
                f"{one['tag_name']} {sorted(link['name'] for link in one['links'])}"
                for one in kept.get("releases", {}).values()
            ],
            "packages": [
                " ".join(sorted(one["parts"].values())).replace(name, "@")
                for one in kept.get("files", ())
            ],
            "deployments": [
                f"{one.environment} {one.status}" for one in kept.get("deployments", ())
            ],
        }

    def _in_jira(self, name: str) -> dict[str, list[str]]:
        key = key_of(name)
        issues = [one for one in self._jira.issues.values() if one.project == key]
        return {
            "versions": [f"{one.name} {one.released}" for one in self._jira.projects[key].versions],
            "tickets": [f"{one.kind} {one.status} {one.versions}" for one in issues],
            "moves": [f"{one.kind} to {step.to}" for one in issues for step in one.history],
            "comments": [one.kind for one in issues for _ in one.comments],
            "links": [str(link["object"]["url"]) for one in issues for link in one.links],
        }


@contextmanager
def vendors_served() -> Iterator[Vendors]:
    """Serve both for the block, on a free port of this machine; requests are checked where the descriptions are."""
    with sandboxed(_SEED, clock=Clock(), is_counted=False) as served:
        yield Vendors(served)
