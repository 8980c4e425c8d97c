"""The versions of a Jira project: made, put in their place, released, archived. Part of gare.connectors.jira."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from gare.connectors.jira_settings import JiraTrackerSettings
from gare.connectors.jira_site import Site
from gare.connectors.vendor_errors import understood
from gare.errors import Conflict, NotFound
from gare.ports.tracker import Receipt, TicketVersion

Json = Mapping[str, Any]


@understood("Jira")
class JiraVersions:
    """The versions of one project of a Jira. Implements `VersionWriter`."""

    def __init__(self, settings: JiraTrackerSettings, site: Site) -> None:
        """Take the settings, and the site as one user."""
        self._settings, self._site = settings, site

    @property
    def place(self) -> str:
        """Name the tracker and the project in it."""
        return f"Jira {self._settings.project}"

    @property
    def pattern(self) -> str:
        """Say how the project's own versions are called."""
        return self._settings.version

    def versions(self) -> list[TicketVersion]:
        """Return the versions of the project in its order (REST, GET /project/{key}/versions)."""
        return [_version_of(one) for one in self._all()]

    def version(self, name: str) -> TicketVersion | None:
        """Return a version of the project."""
        return next((one for one in self.versions() if one.name == name), None)

    def make_version(self, name: str, text: str) -> Receipt:
        """Create a version (REST, POST /version)."""
        project = self._site.get(f"project/{self._settings.project}")
        body = {"name": name, "projectId": int(project["id"]), "description": text}
        return _receipt(self._site.send("POST", "version", body, needs="ADMINISTER_PROJECTS"))

    def place_version(self, name: str, after: str) -> Receipt:
        """Put a version after another one in the project's order (REST, POST /version/{id}/move)."""
        path = f"version/{self._needed(name)['id']}/move"
        body = {"after": self._needed(after)["self"]}
        return _receipt(self._site.send("POST", path, body, needs="ADMINISTER_PROJECTS"))

    def release_version(self, name: str, on: date, open_to: str = "") -> Receipt:
        """Mark a version as released (REST, PUT /version/{id}), and move its tickets without a resolution."""
        body: dict[str, Any] = {"released": True, "releaseDate": on.isoformat()}
        if open_to:
            body["moveUnfixedIssuesTo"] = self._needed(open_to)["self"]
        return {**self._change(name, body), **({"open_to": open_to} if open_to else {})}

    def archive_version(self, name: str) -> Receipt:
        """Archive a version: nothing can be planned for it any more."""
        return self._change(name, {"archived": True})

    def _change(self, name: str, body: Json) -> Receipt:
        found = self._needed(name)
        if found.get("archived"):
            raise Conflict(
                f"Version {name} of {self.place} is archived, and archived versions cannot be changed.",
                where=self._site.address,
                hint="Unarchive it in Jira, or release another version.",
            )
        path = f"version/{found['id']}"
        return _receipt(self._site.send("PUT", path, body, needs="ADMINISTER_PROJECTS"))

    def _needed(self, name: str) -> Json:
        found = next((one for one in self._all() if one["name"] == name), None)
        if found is None:
            raise NotFound(
                f"{self.place} has no version {name}.",
                where=self._site.address,
                hint="It was renamed or removed since; make it again in Jira.",
            )
        return found

    def _all(self) -> list[Json]:
        found: list[Json] = self._site.get(f"project/{self._settings.project}/versions")
        return found


def _version_of(found: Json) -> TicketVersion:
    return TicketVersion(
        found["name"],
        is_released=bool(found.get("released")),
        is_archived=bool(found.get("archived")),
        released_on=found.get("releaseDate", ""),
    )


def _receipt(version: Json) -> Receipt:
    kept = ("id", "name", "released", "releaseDate", "archived")
    return {name: version[name] for name in kept if name in version}
