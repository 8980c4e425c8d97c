"""Issues and milestones. Part of the simulated GitLab."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gare.sandbox.gitlab.base import (
    PROJECT,
    REPORTER,
    GitLabBase,
    Project,
    declined,
    instant,
    moment,
    paged,
    web,
)
from gare.sandbox.vendor import Reply, Request, control, route

ISSUE = PROJECT + "/issues/{issue_iid}"


class IssueRoutes(GitLabBase):
    """The issues of a project. Seeded by `issues:` (title, state, labels, milestone)."""

    def issues_of(self, project: Project) -> dict[int, dict[str, Any]]:
        """Return the issues, by number."""
        if "issues" not in project.kept:
            project.kept["issues"] = {}
            for said in project.seed.get("issues", ()):
                self._add_issue(project.kept["issues"], said)
        found: dict[int, dict[str, Any]] = project.kept["issues"]
        return found

    @route("GET", PROJECT + "/issues")
    def issues(self, request: Request) -> Reply:
        """List issues, newest first: by numbers, milestone, state, labels."""
        project = self.project_of(request)
        found = list(reversed(self.issues_of(project).values()))
        if numbers := request.every("iids[]"):
            found = [one for one in found if str(one["iid"]) in numbers]
        if title := request.asked("milestone"):
            found = [one for one in found if one["milestone"] == title]
        if (state := request.asked("state", "all")) != "all":
            found = [one for one in found if one["state"] == state]
        if labels := request.asked("labels"):
            found = [one for one in found if set(labels.split(",")) <= set(one["labels"])]
        if since := moment(request, "updated_after"):
            found = [one for one in found if datetime.fromisoformat(one["updated_at"]) >= since]
        return paged(request, [self._shown_issue(request, project, one) for one in found])

    @route("POST", PROJECT + "/issues")
    def make_issue(self, request: Request) -> Reply:
        """Open an issue."""
        project, fields = self.project_of(request, REPORTER), request.fields
        labels = fields.get("labels") or ""
        said = {
            **fields,
            "title": fields["title"],
            "labels": [one for one in labels.split(",") if one],
        }
        made = self._add_issue(self.issues_of(project), said)
        return Reply(201, self._shown_issue(request, project, made))

    @route("GET", ISSUE)
    def issue(self, request: Request) -> Reply:
        """Show an issue."""
        project = self.project_of(request)
        return Reply(200, self._shown_issue(request, project, self._issue(project, request)))

    @route("PUT", ISSUE)
    def change_issue(self, request: Request) -> Reply:
        """Change an issue; `state_event` closes or reopens it."""
        project = self.project_of(request, REPORTER)
        found, fields = self._issue(project, request), request.fields
        found["title"] = fields.get("title", found["title"])
        added = [label for label in (fields.get("add_labels") or "").split(",") if label]
        found["labels"] = list(dict.fromkeys([*found["labels"], *added]))
        if event := fields.get("state_event"):
            found["state"] = {"close": "closed", "reopen": "opened"}[event]
        found["updated_at"] = instant(self.clock.now())
        return Reply(200, self._shown_issue(request, project, found))

    @route("GET", PROJECT + "/milestones")
    def milestones(self, request: Request) -> Reply:
        """List the milestones that issues name."""
        project = self.project_of(request)
        titles = dict.fromkeys(one["milestone"] for one in self.issues_of(project).values())
        wanted = request.asked("title")
        return paged(
            request,
            [
                {"id": number, "iid": number, "title": title, "state": "active"}
                for number, title in enumerate(filter(None, titles), 1)
                if wanted in ("", title)
            ],
        )

    @control("reopen_issue", "project", "iid")
    def reopen_by_hand(self, fields: dict[str, Any]) -> Any:
        """Let a person open a closed issue again: `project`, `iid`."""
        project = self.named(fields["project"])
        found = self.issues_of(project)[int(fields["iid"])]
        found |= {"state": "opened", "updated_at": instant(self.clock.now())}
        return {"state": found["state"]}

    def _add_issue(
        self, found: dict[int, dict[str, Any]], said: Mapping[str, Any]
    ) -> dict[str, Any]:
        number = said.get("iid") or max(found, default=0) + 1
        now = instant(self.clock.now())
        made = {
            "id": self.number(),
            "iid": number,
            "title": said["title"],
            "description": said.get("description") or "",
            "state": said.get("state", "opened"),
            "labels": list(said.get("labels") or ()),
            "milestone": said.get("milestone"),
            "issue_type": said.get("kind", "issue"),
            "closed_at": said.get("closed_at"),
            "created_at": now,
            "updated_at": now,
        }
        found[number] = made
        return made

    def _issue(self, project: Project, request: Request) -> dict[str, Any]:
        number = request.parts["issue_iid"]
        found = self.issues_of(project).get(int(number) if number.isdigit() else 0)
        if found is None:
            raise declined(404, "404 Issue Not Found")
        return found

    def _shown_issue(
        self, request: Request, project: Project, one: dict[str, Any]
    ) -> dict[str, Any]:
        title = one["milestone"]
        return {
            **one,
            "project_id": project.id,
            "milestone": {"id": 1, "title": title, "state": "active"} if title else None,
            "web_url": web(request, project, "issues", one["iid"]),
        }
