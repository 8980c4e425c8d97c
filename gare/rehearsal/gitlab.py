"""A real GitLab project -> a section of the sandbox's seed. Reads only, a request per hundred of a kind.

The repository behind it is the throw-away remote, which gets the branches and tags that its copy lacks.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gare.connectors.gitlab_settings import GitLabTrackerSettings
from gare.connectors.gitlab_site import GitLabSite, level_of
from gare.domain.plan import Plan
from gare.rehearsal.job_artifacts import last_made, made_up, played, taken
from gare.rehearsal.reading import Reading
from gare.rehearsal.repository import add_refs
from gare.sandbox.gitlab.base import ROLES

Row = Mapping[str, Any]

_ISSUES_A_PAGE = 100
_SOMEBODY = ("user_id", "group_id", "deploy_key_id")
_JOB_S = 1
"""How long a rehearsed job takes."""


def read_gitlab(
    site: GitLabSite,
    plan: Plan,
    *,
    token: str,
    remote: Path,
    tracker: GitLabTrackerSettings | None = None,
) -> Reading:
    """Read a project. `token` is the one that the sandbox knows, `remote` the throw-away repository.

    REST v4: user, project, members, refs and their protection, merge requests, environments, pipelines, issues.
    """
    with site.asking("read the project for a rehearsal"):
        project = site.one()
        myself: Any = site.client.http_get("/user")
    user = myself["username"]
    reading = Reading({"type": "gitlab", "tokens": {token: {"user": user}}})
    reader = _Reader(site, reading, myself)
    _copy_refs(reader, remote)
    said = {
        "repository": str(remote),
        "default_branch": project.get("default_branch") or plan.branch,
        "members": {**reader.members(), user: _role(level_of(project))},
        "protected_tags": reader.protected_tags(),
        "protected_branches": reader.protected_branches(),
        "environments": reader.environments(),
        "merge_requests": reader.merged(plan),
        "issues": reader.issues(plan, tracker) if tracker else [],
        "pipeline": {"jobs": reader.jobs(plan)},
    }
    reading.seed["tokens"][token] |= reader.scopes()
    reading.seed["projects"] = {project["path_with_namespace"]: said}
    return reading


class _Reader:
    """Reads the parts of one project."""

    def __init__(self, site: GitLabSite, reading: Reading, myself: Row) -> None:
        self._site, self._reading = site, reading
        self._user, self._id = str(myself["username"]), myself["id"]

    def rows(self, what: str, path: str, query: Row | None = None) -> list[dict[str, Any]]:
        """Return every row of a list; none where it may not be read."""

        def read() -> Iterator[dict[str, Any]]:
            with self._site.asking(f"read {what}"):
                yield from self._site.rows(path, query)

        return self._reading.allowed(f"GitLab: {what}", read)

    def scopes(self) -> dict[str, Any]:
        """Return what the real token may do: a rehearsal shall miss what the release would."""

        def read() -> list[Any]:
            with self._site.asking("read what the token may do"):
                token: Any = self._site.client.http_get("/personal_access_tokens/self")
                return list(token.get("scopes") or ())

        found = self._reading.allowed("GitLab: the token's scopes", read)
        return {"scopes": found} if found else {}

    def members(self) -> dict[str, str]:
        """Return the members' roles by user."""
        found = self.rows("the members", "members/all")
        return {one["username"]: _role(one["access_level"]) for one in found}

    def protected_tags(self) -> list[dict[str, Any]]:
        """Return which tags take which role."""
        found = self.rows("the protected tags", "protected_tags")
        return [
            {
                "name": one["name"],
                "create": _lowest(one["create_access_levels"]),
                "users": [self._user] if _names(one["create_access_levels"], self._id) else [],
            }
            for one in found
        ]

    def protected_branches(self) -> list[dict[str, str]]:
        """Return which branches take which role."""
        return [
            {
                "name": one["name"],
                "push": _lowest(one["push_access_levels"]),
                "merge": _lowest(one["merge_access_levels"]),
            }
            for one in self.rows("the protected branches", "protected_branches")
        ]

    def environments(self) -> dict[str, dict[str, Any]]:
        """Return the environments, with the approvals that they ask for."""
        found = {
            one["name"]: {"tier": one.get("tier") or "other"}
            for one in self.rows("the environments", "environments")
        }
        for one in self.rows("the protected environments", "protected_environments"):
            if one["name"] in found:
                found[one["name"]]["approvals"] = _approvals(one)
        return found

    def merged(self, plan: Plan) -> list[dict[str, Any]]:
        """Return the merge requests that were merged into the branch since the oldest commit of the plan."""
        since = min(commit.date for commit in plan.commits)
        query = {"state": "merged", "target_branch": plan.branch, "updated_after": since}
        return [
            {
                "iid": one["iid"],
                "source": one["source_branch"],
                "target": one["target_branch"],
                "title": one["title"],
                "description": one.get("description") or "",
                "labels": list(one.get("labels") or ()),
                "author": (one.get("author") or {}).get("username") or "root",
                "state": "merged",
                "commit": one.get("merge_commit_sha") or one.get("sha") or "",
            }
            for one in reversed(self.rows("the merge requests", "merge_requests", query))
        ]

    def issues(self, plan: Plan, tracker: GitLabTrackerSettings) -> list[dict[str, Any]]:
        """Return the issues in the plan's scope."""
        prefix = tracker.prefix
        numbers = [ticket.key.removeprefix(prefix) for ticket in plan.tickets]
        known = [number for number in numbers if number.isdigit()]
        found = []
        for start in range(0, len(known), _ISSUES_A_PAGE):
            query = {"iids[]": known[start : start + _ISSUES_A_PAGE]}
            found += self.rows("the issues", "issues", query)
        return [_issue(one) for one in sorted(found, key=lambda one: int(one["iid"]))]

    def jobs(self, plan: Plan) -> dict[str, dict[str, Any]]:
        """Return the jobs of the branch's last pipeline, and those that the release names besides; all of them succeed.

        Those whose artifacts the release takes make what they made the last time.
        """
        real, found = self._last_jobs(plan.branch)
        notes, wanted = self._reading.notes, taken(plan)
        for name in dict.fromkeys([*wanted, *played(plan)]):
            if name not in found:
                found[name] = {"takes_s": _JOB_S}
                notes.append(f"GitLab: no pipeline of {plan.branch} has had job {name}: made up")
        for name in played(plan):
            found[name]["when"] = "manual"
        for name, patterns in wanted.items():
            files = last_made(self._site, real[name]) if name in real else {}
            whose = "those of the last pipeline" if files else "made up"
            notes.append(f"GitLab: the artifacts of job {name} are {whose}")
            found[name]["artifacts"] = files or made_up(patterns)
        return found

    def _last_jobs(self, branch: str) -> tuple[dict[str, Row], dict[str, dict[str, Any]]]:
        """Return the real jobs of the last pipeline by name, and as the sandbox's seed."""
        with self._site.asking("read the last pipeline"):
            last = next(self._site.rows("pipelines", {"ref": branch, "per_page": 1}), None)
        if last is None:
            self._reading.notes.append(f"GitLab: {branch} has had no pipeline, so one is made up")
            return {}, {"build": {"takes_s": _JOB_S}, "test": {"takes_s": _JOB_S}}
        path = f"pipelines/{last['id']}"
        jobs = sorted(self.rows("the jobs", f"{path}/jobs"), key=lambda job: int(job["id"]))
        with self._site.asking("read the last test report"):
            report = self._site.one(f"{path}/test_report")
        tests = {suite["name"]: suite for suite in report.get("test_suites") or ()}
        seed = {job["name"]: _job(job, tests.get(job["name"])) for job in jobs}
        return {job["name"]: job for job in jobs}, seed

    def refs(self, kind: str) -> dict[str, str]:
        """Return the commits of `branches` or `tags` by name."""
        found = self.rows(f"the {kind}", f"repository/{kind}")
        return {one["name"]: one["commit"]["id"] for one in found}


def _copy_refs(reader: _Reader, remote: Path) -> None:
    add_refs(remote, "heads", reader.refs("branches"))
    add_refs(remote, "tags", reader.refs("tags"))


def _job(said: Row, suite: Row | None) -> dict[str, Any]:
    job: dict[str, Any] = {
        "stage": said["stage"],
        "takes_s": _JOB_S,
        "allow_failure": bool(said.get("allow_failure")),
    }
    if said["status"] == "manual":
        job["when"] = "manual"
    if suite is not None:
        passed = int(suite.get("total_count") or 0) - int(suite.get("skipped_count") or 0)
        job["tests"] = {"passed": passed, "skipped": int(suite.get("skipped_count") or 0)}
    return job


def _approvals(said: Row) -> int:
    """Return how many must agree: newer GitLabs say it by rules."""
    rules = said.get("approval_rules") or ()
    by_rules = sum(rule.get("required_approvals") or 0 for rule in rules)
    return max(int(said.get("required_approval_count") or 0), int(by_rules))


def _issue(said: Row) -> dict[str, Any]:
    return {
        "iid": said["iid"],
        "title": said["title"],
        "state": said["state"],
        "labels": list(said.get("labels") or ()),
        "milestone": (said.get("milestone") or {}).get("title"),
    }


def _lowest(levels: Sequence[Row]) -> str:
    """Return the lowest role that is enough; nobody where none is. What is about somebody says nothing of roles."""
    roles = (one["access_level"] for one in levels if not any(one.get(key) for key in _SOMEBODY))
    return _role(min((level for level in roles if level), default=0))


def _names(levels: Sequence[Row], user: int) -> bool:
    return any(one.get("user_id") == user for one in levels)


def _role(level: int) -> str:
    """Return the highest role that is not above a level: GitLab has some in between."""
    return max((known, name) for name, known in ROLES.items() if known <= level)[1]
