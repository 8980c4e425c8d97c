"""Every read of every vendor port, each beside the bare SDK calls that give the same: what bench.vendors measures."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from gare.connectors.gitlab import GitLab
from gare.connectors.gitlab_issues import GitLabIssues
from gare.connectors.gitlab_settings import (
    GitLabConnection,
    GitLabProject,
    GitLabTrackerSettings,
)
from gare.connectors.jira import Jira
from gare.connectors.jira_boards import JiraBoards
from gare.connectors.jira_foresight import JiraForesight
from gare.connectors.jira_release import JiraRelease
from gare.connectors.jira_settings import JiraConnection, JiraTrackerSettings

GITLAB_TOKEN, JIRA_TOKEN = "GARE_BENCH_TOKEN", "GARE_BENCH_JIRA"
"""Environment variables that hold the tokens."""
PROJECT, VERSION, SPRINT = "shop/app", "1.0.0", "Sprint"
KEYS = [f"SHOP-{number}" for number in range(1, 101)]
RIGHTS = ["BROWSE_PROJECTS", "EDIT_ISSUES"]
_FIELDS = "summary,issuetype,status,fixVersions"

Ask = Callable[[], object]


class Read(NamedTuple):
    """One read: our port's way, and the bare SDK's."""

    ours: Ask
    bare: Ask


def seed() -> Mapping[str, object]:
    """Return a GitLab project and two Jiras with a page of everything."""
    issues = [{"title": f"Issue {number}", "milestone": VERSION} for number in range(100)]
    jobs = {
        "unit": {
            "takes_s": 0,
            "tests": {"passed": 100},
            "log": "line\n" * 2000,
            "artifacts": {"app.txt": "x" * 10_000},
        },
        "ship": {"takes_s": 0, "environment": "live"},
    }
    merged = [
        {"source": f"f{n}", "title": f"Closes #{n}", "state": "merged", "commit": "main"}
        for n in range(50)
    ]
    project = {
        "members": {"gare": "maintainer"},
        "commits": [{"subject": "feat: a", "tag": "v1.0.0"}],
        "protected_tags": [{"name": "v*"}],
        "protected_branches": [{"name": "main"}],
        "freeze_periods": [{"start": "0 15 * * 5", "end": "0 7 * * 1"}],
        "issues": issues,
        "merge_requests": [*merged, {"source": "open", "title": "Open"}],
        "pipeline": {"jobs": jobs},
    }  # fmt: skip
    tickets = [{"key": key, "title": "One", "versions": [VERSION]} for key in KEYS]
    sprints = [{"name": SPRINT, "state": "active", "issues": KEYS}]
    jira = {
        "type": "jira",
        "projects": {
            "SHOP": {
                "versions": [VERSION],
                "issues": tickets,
                "boards": [{"name": "Board", "sprints": sprints}],
            }
        },
    }
    token = os.environ[GITLAB_TOKEN]
    gitlab = {"tokens": {token: {"user": "gare"}}, "projects": {PROJECT: project}}
    return {"gitlab": gitlab, "cloud": jira, "center": jira | {"deployment": "data-center"}}


def gitlab_reads(url: str, file: Path) -> dict[str, Read]:
    """Return the reads of GitLab's ports; `file` is a file to be found in the package registry."""
    import gitlab

    connection = GitLabConnection(type="gitlab", url=f"{url}/gitlab", token=f"${GITLAB_TOKEN}")
    ours = GitLab(connection, GitLabProject(connection="x", project=PROJECT), Path())
    bare = gitlab.Gitlab(
        f"{url}/gitlab", oauth_token=os.environ[GITLAB_TOKEN], keep_base_url=True, per_page=100
    )
    project = bare.projects.get(PROJECT, lazy=True)
    tracker = GitLabIssues(GitLabTrackerSettings(type="gitlab"), ours.site)
    sha = project.branches.get("main").commit["id"]
    pipeline = ours.ci.start("main", sha, "R-1 ci", {}).id
    time.sleep(1.5)  # each job of it waits a second
    jobs = {job.name: job.id for job in ours.ci.jobs(pipeline)}
    job, ship = jobs["unit"], jobs["ship"]
    project.releases.create({"tag_name": "v1.0.0", "name": "One", "description": "Notes"})
    record = ours.environments.record("staging", sha, "main", is_tag=False, status="success").id
    project.generic_packages.upload("app", VERSION, file.name, path=str(file))
    own, archive = project.pipelines.get(pipeline, lazy=True), file.with_name("made.zip")

    def find_file() -> None:
        packages = project.packages.list(
            package_name="app", package_version=VERSION, package_type="generic", get_all=False
        )
        packages[0].package_files.list(get_all=True)

    def find_pipeline() -> None:
        found = project.pipelines.list(ref="main", sha=sha, source="api", get_all=False)
        found[0].variables.list(get_all=True)

    def who() -> None:
        bare.http_get("/user")
        project_id = PROJECT.replace("/", "%2F")
        bare.http_get(f"/projects/{project_id}")
        bare.http_get("/personal_access_tokens/self")

    def of_job() -> None:
        newest = {"order_by": "id", "sort": "desc", "per_page": 100}
        project.deployments.list(get_all=False, query_parameters=newest)
        project.deployments.get(record)

    listed = {"order_by": "id", "sort": "desc", "per_page": 100, "environment": "staging"}
    period = f"/projects/{PROJECT.replace('/', '%2F')}/freeze_periods"
    merged = {"state": "merged", "target_branch": "main", "per_page": 100, "get_all": True}
    return {
        "ci find": Read(lambda: ours.ci.find("main", sha, "R-1 ci"), find_pipeline),
        "ci pipeline": Read(lambda: ours.ci.pipeline(pipeline), lambda: project.pipelines.get(pipeline)),
        "ci jobs": Read(lambda: ours.ci.jobs(pipeline), lambda: own.jobs.list(get_all=True)),
        "ci log": Read(lambda: ours.ci.log_tail(job, 40), lambda: project.jobs.get(job, lazy=True).trace()),
        "ci tests": Read(lambda: ours.ci.test_cases(pipeline), lambda: own.test_report.get()),
        "ci artifacts": Read(
            lambda: ours.ci.artifacts(job, archive),
            lambda: archive.write_bytes(project.jobs.get(job, lazy=True).artifacts()),
        ),
        "merge requests find": Read(
            lambda: ours.merge_requests.find("open", "main"),
            lambda: project.mergerequests.list(source_branch="open", target_branch="main", get_all=True),
        ),
        "merge requests get": Read(lambda: ours.merge_requests.get(51), lambda: project.mergerequests.get(51)),
        "merge requests merged": Read(
            lambda: ours.merge_requests.merged("main", None), lambda: project.mergerequests.list(**merged)
        ),
        "merge requests commits": Read(
            lambda: ours.merge_requests.commits(1),
            lambda: list(project.mergerequests.get(1, lazy=True).commits(get_all=True)),
        ),
        "release page": Read(lambda: ours.release_page.look("v1.0.0"), lambda: project.releases.get("v1.0.0")),
        "environments look": Read(
            lambda: ours.environments.look("staging", sha, "main"),
            lambda: project.deployments.list(get_all=False, query_parameters=listed),
        ),
        "environments get": Read(lambda: ours.environments.get(record), lambda: project.deployments.get(record)),
        "environments of job": Read(lambda: ours.environments.of_job(ship), of_job),
        "environments user": Read(lambda: ours.environments.user, lambda: bare.http_get("/user")),
        "packages": Read(lambda: ours.packages.look("app", VERSION, file.name), find_file),
        "freezes": Read(ours.freezes.freeze_periods, lambda: bare.http_list(period, get_all=True)),
        "issues": Read(
            lambda: tracker.tickets([], VERSION),
            lambda: project.issues.list(milestone=VERSION, per_page=100, get_all=True),
        ),
        "access": Read(lambda: ours.access.lacking(), who),
        "access tag": Read(
            lambda: ours.access.refused_tag("nightly"), lambda: project.protectedtags.list(get_all=True)
        ),
        "access branch": Read(
            lambda: ours.access.refused_push("side"), lambda: project.protectedbranches.list(get_all=True)
        ),
    }  # fmt: skip


def jira_reads(url: str, name: str) -> dict[str, Read]:
    """Return the reads of one Jira's ports. What the SDK has no call for is asked through its session."""
    from jira import JIRA

    is_cloud = name == "cloud"
    user, token = ("gare@example.org" if is_cloud else ""), os.environ[JIRA_TOKEN]
    connection = JiraConnection(
        type="jira",
        url=f"{url}/{name}",
        token=f"${JIRA_TOKEN}",
        user=user,
        deployment="cloud" if is_cloud else "data-center",
    )
    settings = JiraTrackerSettings(type="jira", connection="x", project="SHOP")
    parts = settings, connection, Path()
    tracker, release, boards = Jira(*parts), JiraRelease(*parts), JiraBoards(*parts)
    foresight = JiraForesight(*parts)
    bare = JIRA(
        options={"server": f"{url}/{name}", "rest_api_version": "3" if is_cloud else "2"},
        basic_auth=(user, token) if user else None,
        token_auth=None if user else token,
    )
    search = bare.enhanced_search_issues if is_cloud else bare.search_issues
    board, sprint = bare.boards()[0].id, boards.sprints("Board")[0].id
    planned = f'project = SHOP AND fixVersion in ("{VERSION}")'
    label = 'labels = "gare-app-R-1"'

    def get(path: str, **query: object) -> object:
        return bare._session.get(bare._get_url(path), params=query).json()

    def types() -> None:
        found = get("issue/createmeta/SHOP/issuetypes")
        rows = found.get("values") or found["issueTypes"]  # type: ignore[attr-defined]
        get(f"issue/createmeta/SHOP/issuetypes/{rows[0]['id']}")

    return {
        "tickets": Read(
            lambda: tracker.tickets([], VERSION), lambda: search(planned, maxResults=100, fields=_FIELDS)
        ),
        "versions": Read(release.versions.versions, lambda: bare.project_versions("SHOP")),
        "version": Read(lambda: release.versions.version(VERSION), lambda: bare.project_versions("SHOP")),
        "stands": Read(
            lambda: release.stands(KEYS), lambda: search(f"key in ({','.join(KEYS)})", maxResults=100, fields=_FIELDS)
        ),
        "stand": Read(
            lambda: release.stand("SHOP-1"), lambda: bare.issue("SHOP-1", fields="status,fixVersions")
        ),
        "comment": Read(lambda: release.has_comment("SHOP-1", "x"), lambda: bare.comments("SHOP-1")),
        "link": Read(lambda: release.has_link("SHOP-1", "x"), lambda: bare.remote_links("SHOP-1")),
        "change ticket": Read(
            lambda: release.find_change("gare-app-R-1"), lambda: search(label, maxResults=100, fields="status")
        ),
        "account": Read(foresight.account, bare.myself),
        "rights": Read(
            lambda: foresight.lacking(RIGHTS),
            lambda: bare.my_permissions(projectKey="SHOP", permissions=",".join(RIGHTS)),
        ),
        "move": Read(
            lambda: foresight.refused_move("SHOP-1", "Done", {}),
            lambda: bare.transitions("SHOP-1", expand="transitions.fields"),
        ),
        "statuses": Read(lambda: foresight.unknown_status("Done"), lambda: get("project/SHOP/statuses")),
        "types": Read(lambda: foresight.refused_change("", "Task"), types),
        "sprints": Read(lambda: boards.sprints("Board"), lambda: bare.sprints(board, state="active")),
        "sprint": Read(
            lambda: boards.sprint_tickets(sprint),
            lambda: search(f"sprint = {sprint}", maxResults=100, fields=_FIELDS),
        ),
    }  # fmt: skip
