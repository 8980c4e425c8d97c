"""Measures what Gare's connectors add to the vendors' SDKs: the same reads on the same sandbox, in another process.

GitLab: one pipeline, and a page of a hundred issues, as ports give them. Jira: a page of a hundred issues by JQL, Cloud
and Data Center. The yardstick is the bare SDK call with a session of its own.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import compare, medians
from gare.connectors.gitlab import GitLab
from gare.connectors.gitlab_issues import GitLabIssues
from gare.connectors.gitlab_settings import (
    GitLabConnection,
    GitLabProject,
    GitLabTrackerSettings,
)
from gare.connectors.jira_settings import JiraConnection
from gare.connectors.jira_site import Site

ROUNDS, GOAL, ISSUES = 41, 1.15, 100
TOKEN = "bench-token"
FIELDS = ["summary", "status"]


def seed() -> str:
    """Spell a GitLab project and two Jiras with a page of issues each."""
    import json

    issues = [{"title": f"Issue {number}", "milestone": "1.0.0"} for number in range(ISSUES)]
    project = {"members": {"gare": "maintainer"}, "issues": issues}
    tickets = [{"key": f"SHOP-{number}", "title": "One"} for number in range(1, ISSUES + 1)]
    jira = {"type": "jira", "projects": {"SHOP": {"issues": tickets}}}
    vendors = {
        "gitlab": {
            "type": "gitlab",
            "tokens": {TOKEN: {"user": "gare"}},
            "projects": {"shop/app": project},
        },
        "cloud": jira,
        "center": jira | {"deployment": "data-center"},
    }
    return json.dumps({"vendors": vendors})


@contextmanager
def sandbox() -> Iterator[str]:
    """Have a sandbox in a process of its own; give its address."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "seed.yaml"
        file.write_text(seed())
        words = [sys.executable, "-m", "gare", "sandbox", "up", "--port", "0", "--seed", str(file)]
        environment = {key: value for key, value in os.environ.items() if key != "GARE_CONTRACTS"}
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            yield first.split()[-1].rpartition("/")[0]
        finally:
            process.terminate()
            process.wait()


def timed(act: Callable[[], object]) -> Callable[[], float]:
    """Make a run of an act."""

    def run() -> float:
        started = time.perf_counter()
        act()
        return time.perf_counter() - started

    return run


def measure(name: str, ours: Callable[[], object], bare: Callable[[], object]) -> bool:
    """Compare two ways to read the same; tell whether the goal holds."""
    found = medians({"ours": timed(ours), "bare": timed(bare)}, ROUNDS, warm_up=5)
    return compare(f"vendors {name}", found["ours"], found["bare"], GOAL)


def gitlab_reads(url: str) -> bool:
    """Measure GitLab."""
    import gitlab

    connection = GitLabConnection(type="gitlab", url=f"{url}/gitlab", token="$GARE_BENCH_TOKEN")
    ours = GitLab(connection, GitLabProject(connection="x", project="shop/app"), Path())
    bare = gitlab.Gitlab(f"{url}/gitlab", oauth_token=TOKEN, keep_base_url=True)
    project = bare.projects.get("shop/app", lazy=True)
    pipeline = project.pipelines.create({"ref": "main"}).id
    tracker = GitLabIssues(GitLabTrackerSettings(type="gitlab"), ours.site)
    return measure(
        "gitlab pipeline",
        lambda: ours.ci.pipeline(pipeline),
        lambda: project.pipelines.get(pipeline),
    ) & measure(
        "gitlab issues",
        lambda: tracker.tickets([], "1.0.0"),
        lambda: project.issues.list(milestone="1.0.0", per_page=ISSUES, get_all=True),
    )


def jira_reads(url: str, name: str) -> bool:
    """Measure one Jira."""
    from jira import JIRA

    deployment = "cloud" if name == "cloud" else "data-center"
    user = "gare@example.org" if name == "cloud" else ""
    connection = JiraConnection(
        type="jira", url=f"{url}/{name}", token="$GARE_BENCH_JIRA", user=user, deployment=deployment
    )
    site = Site(connection, Path(), "SHOP")
    token = os.environ["GARE_BENCH_JIRA"]
    bare = JIRA(
        options={"server": f"{url}/{name}", "rest_api_version": "3" if user else "2"},
        basic_auth=(user, token) if user else None,
        token_auth=None if user else token,
    )
    jql, fields = "project = SHOP", ",".join(FIELDS)
    ask = bare.enhanced_search_issues if user else bare.search_issues
    return measure(
        f"jira {name}",
        lambda: list(site.search(jql, FIELDS)),
        lambda: ask(jql, maxResults=ISSUES, fields=fields),
    )


def main() -> int:
    """Print the lines of this measurement; 1 when a goal is missed."""
    os.environ["GARE_BENCH_TOKEN"] = TOKEN
    os.environ["GARE_BENCH_JIRA"] = "sandbox-token"
    with sandbox() as url:
        is_met = gitlab_reads(url) & jira_reads(url, "cloud") & jira_reads(url, "center")
    return 0 if is_met else 1


if __name__ == "__main__":
    raise SystemExit(main())
