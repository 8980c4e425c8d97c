"""What the simulated Jira tells of itself: who asks and may do what, projects, statuses, kinds of issues."""

from typing import Any

from gare.sandbox import jira_replies as replies
from gare.sandbox.jira_base import RIGHTS, api
from gare.sandbox.jira_replies import refused
from gare.sandbox.jira_versions import JiraVersions
from gare.sandbox.vendor import Reply, Request

_FIELDS = {
    "summary": "Summary",
    "status": "Status",
    "issuetype": "Issue Type",
    "fixVersions": "Fix versions",
    "labels": "Labels",
    "resolution": "Resolution",
}
_ALWAYS_ASKED = ("project", "issuetype", "summary")


class JiraPlaces(JiraVersions):
    """Routes about the site and its projects."""

    @api("GET", "serverInfo")
    def server_info(self, request: Request) -> Reply:
        """Tell the deployment."""
        kind, version = ("Cloud", "1001.0.0") if self.is_cloud else ("Server", "9.12.0")
        told = {"baseUrl": request.base_url, "version": version, "deploymentType": kind}
        numbers = [int(part) for part in version.split(".")]
        return Reply(200, told | {"versionNumbers": numbers, "serverTitle": "Sandbox"})

    @api("GET", "myself")
    def myself(self, request: Request) -> Reply:
        """Tell who asks."""
        user = self.user(request)
        name = {"accountId": user.name} if self.is_cloud else {"name": user.name, "key": user.name}
        return Reply(
            200, {**name, "displayName": user.name, "emailAddress": user.email, "active": True}
        )

    @api("GET", "field")
    def all_fields(self, request: Request) -> Reply:
        """List the fields that issues have here."""
        return Reply(200, [{"id": key, "key": key, "name": name} for key, name in _FIELDS.items()])

    @api("GET", "mypermissions")
    def rights(self, request: Request) -> Reply:
        """Tell which of the named rights the user has in a project."""
        if key := request.asked("projectKey"):
            self.project(request, key)
        wanted = [right for said in request.every("permissions") for right in said.split(",")]
        if unknown := [right for right in wanted if right not in RIGHTS]:
            raise refused(400, f"Unrecognized permission: {', '.join(unknown)}")
        found = {
            right: {
                "id": str(place),
                "key": right,
                "name": name,
                "havePermission": self.may(request, right),
            }
            for place, (right, name) in enumerate(RIGHTS.items(), 1)
            if right in wanted
        }
        return Reply(200, {"permissions": found})

    @api("GET", "project/{key}")
    def one_project(self, request: Request) -> Reply:
        """Return a project."""
        project, base = self.project(request, request.parts["key"]), self.base(request)
        told = {"id": project.id, "key": project.key, "name": project.name}
        return Reply(200, {"self": f"{base}/project/{project.id}", **told})

    @api("GET", "issue/createmeta/{key}/issuetypes")
    def kinds(self, request: Request) -> Reply:
        """List the kinds of issues that can be made in a project."""
        project = self.project(request, request.parts["key"])
        found = [
            {"id": str(i), "name": kind, "subtask": False}
            for i, kind in enumerate(project.kinds, 1)
        ]
        return Reply(200, self._listed("issueTypes", found))

    @api("GET", "issue/createmeta/{key}/issuetypes/{id}")
    def kind_fields(self, request: Request) -> Reply:
        """List the fields of a new issue of a kind."""
        project, number = self.project(request, request.parts["key"]), request.parts["id"]
        if not (number.isdigit() and 0 < int(number) <= len(project.kinds)):
            raise refused(404, "The issue type does not exist.")
        asked = project.asks.get(project.kinds[int(number) - 1], ())
        return Reply(
            200, self._listed("fields", [_new_field(name) for name in (*_ALWAYS_ASKED, *asked)])
        )

    def _listed(self, name: str, found: list[Any]) -> dict[str, Any]:
        told = {"maxResults": 50, "startAt": 0, "total": len(found)}
        return {**told, (name if self.is_cloud else "values"): found}

    @api("GET", "status")
    def all_statuses(self, request: Request) -> Reply:
        """List the statuses of all workflows."""
        base, projects = self.base(request), self.state.projects.values()
        found = {name: kind for project in projects for name, kind in project.statuses.items()}
        return Reply(200, [replies.status(name, kind, base) for name, kind in found.items()])

    @api("GET", "project/{key}/statuses")
    def statuses(self, request: Request) -> Reply:
        """List the statuses of each kind of issue."""
        project, base = self.project(request, request.parts["key"]), self.base(request)
        found = [replies.status(name, kind, base) for name, kind in project.statuses.items()]
        told = [
            {"self": f"{base}/issuetype/{i}", "id": str(i), "name": kind, "subtask": False, "statuses": found}
            for i, kind in enumerate(project.kinds, 1)
        ]  # fmt: skip
        return Reply(200, told)


def _new_field(name: str) -> dict[str, Any]:
    return {
        "fieldId": name,
        "key": name,
        "name": name.capitalize(),
        "required": True,
        "hasDefaultValue": False,
        "operations": ["set"],
        "schema": {"type": "string"},
    }
