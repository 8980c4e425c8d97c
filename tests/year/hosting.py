"""The company's GitLab and Jira: an in-process sandbox on the year's clock, with a failure armed now and then.

Every request is checked against the vendors' descriptions where they are there; one that is not valid is a problem.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from sandbox import Served, sandboxed
from world import PERIODS, TOKEN, ZONE, Repository, path_of

from gare.clock import now
from gare.sandbox.clock import Clock

WORKFLOW_END = "Done"
TUESDAYS = {"start": "0 9 * * 2", "end": "0 16 * * 2", "zone": ZONE}
TROUBLES = (
    {"kind": "status", "method": "GET", "status": 503},
    {"kind": "cut", "method": "GET"},
    {"kind": "lost reply", "method": "POST"},
    {"kind": "cut", "method": "POST"},
    {"kind": "lost reply", "method": "PUT"},
    {"kind": "rate limit", "method": "POST", "retry_after_s": 120},
    {"kind": "truncated", "method": "POST"},
    {"kind": "login page", "method": "GET"},
)
"""Answers that do not come, or are none."""


@contextmanager
def vendors(repositories: dict[str, Repository], chance: Random) -> Iterator["Vendors"]:
    """Serve the vendors of the projects that are connected."""
    hosted = {name: own for name, own in repositories.items() if own.key}
    gitlab = {
        "tokens": {TOKEN: {"user": "gare"}},
        "projects": {
            path_of(name): {
                "repository": str(own.folder),
                "members": {"gare": "maintainer"},
                "environments": {"production": {"tier": "production"}},
                "pipeline": {"jobs": {"unit": {"takes_s": 600, "tests": {"passed": 12}}}},
                "freeze_periods": [TUESDAYS] if name in PERIODS else [],
            }
            for name, own in hosted.items()
        },
    }
    jira = {
        "deployment": "cloud",
        "users": [{"name": "gare", "email": "gare@example.org", "token": TOKEN}],
        "projects": {own.key: {"name": name} for name, own in hosted.items()},
    }
    with sandboxed({"gitlab": gitlab, "jira": jira}, clock=Clock(now), is_counted=False) as served:
        yield Vendors(served, chance)


class Vendors:
    """What people do in GitLab and Jira, and what the vendors were asked."""

    def __init__(self, served: Served, chance: Random) -> None:
        self.url = served.url
        self.is_checked = bool(served.sandbox.contracts)
        self.told: Counter[str] = Counter()
        self._served, self._chance = served, chance
        self._gitlab = served.sandbox.vendors["gitlab"]
        self._jira = served.sandbox.vendors["jira"]
        self._operations: set[str] = set()

    def ticket(self, key: str, summary: str) -> str:
        """Write a ticket; return its key. Somebody has mostly finished it."""
        issue = self._jira.state.add_issue(
            key, {"kind": "Task", "summary": summary, "status": "To Do"}, now()
        )
        if self._chance.random() < 0.8:
            issue.status = WORKFLOW_END
        return issue.key

    def open_merge_request(self, name: str) -> str:
        """Return the branch of the oldest merge request that is open; empty without one."""
        found = self._gitlab.merge_requests_of(self._gitlab.named(path_of(name)))
        return next((one.source for one in found.values() if one.state == "opened"), "")

    def note_merged(self, name: str, branch: str) -> None:
        """Let GitLab see that a branch has arrived."""
        for one in self._gitlab.merge_requests_of(self._gitlab.named(path_of(name))).values():
            if one.source == branch and one.state == "opened":
                one.state, one.merged_at, one.updated_at = "merged", now(), now()

    def trouble(self) -> None:
        """Arm a failure."""
        fault = self._chance.choice(TROUBLES)
        self._served.fail(**fault)
        self.told[f"failures armed: {fault['kind']} on {fault['method']}"] += 1

    def look(self) -> list[str]:
        """Judge the requests since the last look; return what is not valid about them."""
        journal = self._served.sandbox.journal
        wrong = []
        for entry in journal.entries():
            self.told["requests"] += 1
            self.told["failures met"] += bool(entry.fault)
            self._operations.add(f"{entry.vendor} {entry.method} {entry.template}")
            if entry.wrong or (entry.status == 500 and not entry.fault):
                wrong.append(
                    f"{entry.vendor} {entry.method} {entry.path}: {entry.status} {entry.wrong}"
                )
        journal.clear()
        self.told["invalid requests"] += len(wrong)
        self.told["operations"] = len(self._operations)
        return wrong
