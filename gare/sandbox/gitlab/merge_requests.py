"""Merge requests. Part of the simulated GitLab."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gare.sandbox.gitlab.base import (
    DEVELOPER,
    PROJECT,
    GitLabBase,
    Project,
    declined,
    instant,
    moment,
    paged,
    web,
)
from gare.sandbox.gitlab.repository import Commit, Failed
from gare.sandbox.vendor import Reply, Request, control, route

MERGE_REQUEST = PROJECT + "/merge_requests/{merge_request_iid}"
_CHECKS = (("preparing", 1.0), ("checking", 1.0))
"""What a new merge request passes before it can be said whether it is mergeable, each with its seconds."""


@dataclass
class MergeRequest:
    """One merge request."""

    id: int
    iid: int
    source: str
    target: str
    title: str
    description: str
    author: str
    created_at: datetime
    updated_at: datetime
    labels: list[str] = field(default_factory=list)
    state: str = "opened"
    merge_commit: str | None = None
    base: str = ""
    """Where the source branched off, noted when it was merged."""
    head: str = ""
    merged_at: datetime | None = None
    approvals: int = 0
    needed: int = 0


class MergeRequestRoutes(GitLabBase):
    """How changes reach a branch. The seed's `approvals: 1` of a project asks for a yes before a merge."""

    def merge_requests_of(self, project: Project) -> dict[int, MergeRequest]:
        """Return the merge requests, by number."""
        if "merge_requests" not in project.kept:
            project.kept["merge_requests"] = {}
            for said in project.seed.get("merge_requests", ()):
                self._seeded(project, said)
        found: dict[int, MergeRequest] = project.kept["merge_requests"]
        return found

    @route("GET", PROJECT + "/merge_requests")
    def merge_requests(self, request: Request) -> Reply:
        """List merge requests, newest first."""
        project = self.project_of(request)
        found = list(reversed(self.merge_requests_of(project).values()))
        for name, key in (("source_branch", "source"), ("target_branch", "target")):
            if wanted := request.asked(name):
                found = [one for one in found if getattr(one, key) == wanted]
        if (state := request.asked("state", "all")) != "all":
            found = [one for one in found if one.state == state]
        if labels := request.asked("labels"):
            found = [one for one in found if set(labels.split(",")) <= set(one.labels)]
        if since := moment(request, "updated_after"):
            found = [one for one in found if one.updated_at >= since]
        return paged(request, [self._shown_merge_request(request, project, one) for one in found])

    @route("POST", PROJECT + "/merge_requests")
    def open_merge_request(self, request: Request) -> Reply:
        """Open a merge request; 409 when one is open for the same branches."""
        project, fields = self.project_of(request, DEVELOPER), request.fields
        for branch in (fields["source_branch"], fields["target_branch"]):
            if not project.repository.resolve(f"refs/heads/{branch}"):
                raise declined(400, [f"Branch {branch} does not exist"])
        for one in self.merge_requests_of(project).values():
            same = (one.source, one.target) == (fields["source_branch"], fields["target_branch"])
            if same and one.state == "opened":
                text = (
                    f"Another open merge request already exists for this source branch: !{one.iid}"
                )
                raise declined(409, [text])
        made = self._add(
            project,
            fields["source_branch"],
            fields["target_branch"],
            fields["title"],
            fields.get("description") or "",
            self.who(request),
        )
        made.labels = [label for label in (fields.get("labels") or "").split(",") if label]
        return Reply(201, self._shown_merge_request(request, project, made))

    @route("GET", MERGE_REQUEST)
    def merge_request(self, request: Request) -> Reply:
        """Show a merge request."""
        project = self.project_of(request)
        return Reply(
            200, self._shown_merge_request(request, project, self._merge_request(project, request))
        )

    @route("PUT", MERGE_REQUEST)
    def change_merge_request(self, request: Request) -> Reply:
        """Change a merge request; `state_event` closes or opens it."""
        project = self.project_of(request, DEVELOPER)
        found, fields = self._merge_request(project, request), request.fields
        found.title = fields.get("title", found.title)
        found.description = fields.get("description", found.description)
        event = fields.get("state_event")
        if event and found.state != "merged":
            found.state = {"close": "closed", "reopen": "opened"}[event]
        found.updated_at = self.clock.now()
        return Reply(200, self._shown_merge_request(request, project, found))

    @route("GET", MERGE_REQUEST + "/commits")
    def merge_request_commits(self, request: Request) -> Reply:
        """List the commits of a merge request, newest first."""
        project = self.project_of(request)
        found = self._commits(project, self._merge_request(project, request))
        return paged(request, [commit.as_json() for commit in found])

    @route("GET", PROJECT + "/repository/commits/{sha}/merge_requests")
    def of_commit(self, request: Request) -> Reply:
        """List the merge requests that brought a commit."""
        project = self.project_of(request)
        id = project.repository.resolve(request.parts["sha"])
        found = [
            one
            for one in self.merge_requests_of(project).values()
            if id in (one.merge_commit, *(commit.id for commit in self._commits(project, one)))
        ]
        return paged(request, [self._shown_merge_request(request, project, one) for one in found])

    @route("PUT", MERGE_REQUEST + "/merge")
    def merge_merge_request(self, request: Request) -> Reply:
        """Merge, when it can be: 405 otherwise, 409 when the head has moved, 401 without the right."""
        project = self.project_of(request)
        found, fields = self._merge_request(project, request), request.fields
        if not self.has(project, request, self._merge_level(project, found.target)):
            raise declined(401, "401 Unauthorized")
        if (sha := fields.get("sha")) and sha != self._head(project, found):
            raise declined(
                409, "SHA does not match HEAD of source branch: " + self._head(project, found)
            )
        if self._readiness(project, found) != "mergeable":
            raise declined(405, "405 Method Not Allowed")
        self._merge(project, found)
        return Reply(200, self._shown_merge_request(request, project, found))

    @control("approve_merge_request", "project", "iid")
    def approve_merge_request_by_hand(self, fields: dict[str, Any]) -> Any:
        """Let a person approve: `project`, `iid`."""
        project = self.named(fields["project"])
        found = self.merge_requests_of(project)[int(fields["iid"])]
        found.approvals += 1
        return {"approvals": found.approvals}

    @control("merge", "project", "iid")
    def merge_by_hand(self, fields: dict[str, Any]) -> Any:
        """Let a person merge: `project`, `iid`."""
        project = self.named(fields["project"])
        found = self.merge_requests_of(project)[int(fields["iid"])]
        self._merge(project, found)
        return {"merge_commit_sha": found.merge_commit}

    def _merge(self, project: Project, found: MergeRequest) -> None:
        repository = project.repository
        found.head = repository.resolve(f"refs/heads/{found.source}")
        found.base = repository.merge_base(found.head, repository.resolve(found.target))
        message = f"Merge branch '{found.source}' into '{found.target}'\n\n{found.title}\n"
        try:
            found.merge_commit = repository.merge(found.head, found.target, message)
        except Failed as failed:
            raise declined(422, "Branch cannot be merged") from failed
        found.state, found.merged_at = "merged", self.clock.now()
        found.updated_at = self.clock.now()

    def _seeded(self, project: Project, said: dict[str, Any]) -> None:
        made = self._add(
            project,
            said["source"],
            said.get("target", project.repository.default_branch),
            said["title"],
            said.get("description", ""),
            said.get("author", "root"),
            said.get("iid"),
        )
        made.labels = list(said.get("labels", ()))
        made.state = said.get("state", "opened")
        commit = project.repository.resolve(said.get("commit", ""))
        # A branch that was only moved on has no commit of its own for the merge.
        made.merge_commit = None if said.get("fast_forward") else commit or None
        made.head = commit

    def _add(
        self,
        project: Project,
        source: str,
        target: str,
        title: str,
        description: str,
        author: str,
        iid: int | None = None,
    ) -> MergeRequest:
        found: dict[int, MergeRequest] = project.kept.setdefault("merge_requests", {})
        now = self.clock.now()
        number = iid or max(found, default=0) + 1
        made = MergeRequest(
            self.number(), number, source, target, title, description, author, now, now
        )
        made.needed = int(project.seed.get("approvals", 0))
        found[number] = made
        return made

    def _merge_request(self, project: Project, request: Request) -> MergeRequest:
        number = request.parts["merge_request_iid"]
        found = self.merge_requests_of(project).get(int(number) if number.isdigit() else 0)
        if found is None:
            raise declined(404, "404 Not found")
        return found

    def _merge_level(self, project: Project, branch: str) -> int:
        for rule in project.seed.get("protected_branches", ()):
            if rule["name"] == branch:
                return project.level(rule.get("merge"))
        return DEVELOPER

    def _head(self, project: Project, one: MergeRequest) -> str:
        return one.head or project.repository.resolve(f"refs/heads/{one.source}")

    def _commits(self, project: Project, one: MergeRequest) -> list[Commit]:
        head = self._head(project, one)
        if not head:
            return []
        if one.state == "merged" and not one.base:
            return [project.repository.commit(head)]
        base = one.base or project.repository.resolve(f"refs/heads/{one.target}")
        return project.repository.commits(f"{base}..{head}")

    def _readiness(self, project: Project, one: MergeRequest) -> str:
        """Return `detailed_merge_status`: first it is checked, then it is what stands in the way."""
        if one.state != "opened":
            return "not_open"
        passed = self.clock.now() - one.created_at
        for status, seconds in _CHECKS:
            if passed < timedelta(seconds=seconds):
                return status
            passed -= timedelta(seconds=seconds)
        if one.title.lower().startswith("draft:"):
            return "draft_status"
        if one.approvals < one.needed:
            return "not_approved"
        target = project.repository.resolve(f"refs/heads/{one.target}")
        return (
            "conflict"
            if project.repository.has_conflict(self._head(project, one), target)
            else "mergeable"
        )

    def _shown_merge_request(
        self, request: Request, project: Project, one: MergeRequest
    ) -> dict[str, Any]:
        readiness = self._readiness(project, one)
        return {
            "id": one.id,
            "iid": one.iid,
            "project_id": project.id,
            "title": one.title,
            "description": one.description,
            "state": one.state,
            "draft": one.title.lower().startswith("draft:"),
            "source_branch": one.source,
            "target_branch": one.target,
            "sha": self._head(project, one),
            "merge_commit_sha": one.merge_commit,
            "squash_commit_sha": None,
            "detailed_merge_status": readiness,
            "has_conflicts": readiness == "conflict",
            "labels": one.labels,
            "author": self.user(one.author),
            "merged_at": instant(one.merged_at),
            "created_at": instant(one.created_at),
            "updated_at": instant(one.updated_at),
            "web_url": web(request, project, "merge_requests", one.iid),
        }
