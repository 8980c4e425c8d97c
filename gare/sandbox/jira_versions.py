"""The simulated Jira's versions: unique by name, in the project's order, released and archived."""

from typing import Any

from gare.sandbox import jira_replies as replies
from gare.sandbox.jira_agile import JiraAgile
from gare.sandbox.jira_base import api
from gare.sandbox.jira_replies import refused
from gare.sandbox.jira_state import Project, Version
from gare.sandbox.vendor import Reply, Request

_LONGEST_NAME = 255


class JiraVersions(JiraAgile):
    """Routes of versions."""

    @api("GET", "project/{key}/versions")
    def versions(self, request: Request) -> Reply:
        """List the versions of a project in their order."""
        project, base = self.project(request, request.parts["key"]), self.base(request)
        return Reply(200, [replies.version(v, project, base) for v in project.versions])

    @api("POST", "version")
    def create_version(self, request: Request) -> Reply:
        """Create a version."""
        fields = request.fields
        project = self._administered(request, str(fields.get("projectId") or fields.get("project")))
        name = str(fields.get("name", "")).strip()
        self._check_name(project, name)
        version = Version(str(self.state.number()), name)
        self._set_version(version, fields)
        project.versions.append(version)
        return Reply(201, replies.version(version, project, self.base(request)))

    @api("GET", "version/{id}")
    def one_version(self, request: Request) -> Reply:
        """Return a version."""
        project, version = self._version(request)
        return Reply(200, replies.version(version, project, self.base(request)))

    @api("PUT", "version/{id}")
    def update_version(self, request: Request) -> Reply:
        """Change, release or archive a version."""
        project, version = self._version(request)
        self._administered(request, project.key)
        fields = request.fields
        if "name" in fields and fields["name"] != version.name:
            self._check_name(project, str(fields["name"]))
        if version.archived and fields.get("archived", True):
            raise refused(400, f"Version {version.name} is archived.")
        if fields.get("released") and not version.released:
            self._move_unfixed(version, str(fields.get("moveUnfixedIssuesTo", "")))
        self._set_version(version, fields)
        return Reply(200, replies.version(version, project, self.base(request)))

    @api("POST", "version/{id}/move")
    def move_version(self, request: Request) -> Reply:
        """Move a version in the project's order."""
        project, version = self._version(request)
        self._administered(request, project.key)
        order, fields = project.versions, request.fields
        here = order.index(version)
        if "after" in fields:
            after = self.state.version(str(fields["after"]).rpartition("/")[2])
            if after is None or after[0] is not project:
                raise refused(404, "The version to move after does not exist.")
            order.remove(version)
            order.insert(order.index(after[1]) + 1, version)
        else:
            last = len(order) - 1
            places = {
                "First": 0,
                "Last": last,
                "Earlier": max(here - 1, 0),
                "Later": min(here + 1, last),
            }
            if fields.get("position") not in places:
                raise refused(400, "One of after and position is needed.")
            order.insert(places[fields["position"]], order.pop(here))
        return Reply(200, replies.version(version, project, self.base(request)))

    @api("GET", "version/{id}/unresolvedIssueCount")
    def unresolved(self, request: Request) -> Reply:
        """Count what is left of a version."""
        _, version = self._version(request)
        issues = [i for i in self.state.issues.values() if version.name in i.versions]
        left = sum(self.state.category(issue) != "done" for issue in issues)
        told = {"issuesUnresolvedCount": left, "issuesCount": len(issues)}
        return Reply(200, {"self": f"{self.base(request)}/version/{version.id}", **told})

    def _version(self, request: Request) -> tuple[Project, Version]:
        found = self.state.version(request.parts["id"])
        if found is None or not self.may(request, "BROWSE_PROJECTS"):
            raise refused(404, f"Could not find version for id '{request.parts['id']}'")
        return found

    def _administered(self, request: Request, key: str) -> Project:
        project = self.project(request, key)
        if not self.may(request, "ADMINISTER_PROJECTS"):
            told = "either does not exist or you do not have permission to create versions in it."
            raise refused(404, f"Project with key '{key}' {told}")
        return project

    def _check_name(self, project: Project, name: str) -> None:
        if not name or len(name) > _LONGEST_NAME:
            raise refused(400, name="You must specify a valid version name.")
        if any(version.name == name for version in project.versions):
            raise refused(400, name="A version with this name already exists in this project.")

    def _set_version(self, version: Version, fields: dict[str, Any]) -> None:
        version.name = str(fields.get("name", version.name)).strip()
        version.description = str(fields.get("description", version.description))
        version.released = bool(fields.get("released", version.released))
        version.archived = bool(fields.get("archived", version.archived))
        version.release_date = str(fields.get("releaseDate", version.release_date))
        version.start_date = str(fields.get("startDate", version.start_date))

    def _move_unfixed(self, version: Version, target: str) -> None:
        found = self.state.version(target.rpartition("/")[2]) if target else None
        if found is None:
            return
        for issue in self.state.issues.values():
            if version.name in issue.versions and self.state.category(issue) != "done":
                issue.versions[issue.versions.index(version.name)] = found[1].name
