"""Releases with links and evidence, and the generic package registry. Part of the simulated GitLab."""

import hashlib
from datetime import datetime
from typing import Any

from gare.sandbox.gitlab.base import (
    DEVELOPER,
    PROJECT,
    Project,
    declined,
    instant,
    paged,
    web,
)
from gare.sandbox.gitlab.source import SourceRoutes
from gare.sandbox.vendor import Reply, Request, route

RELEASE = PROJECT + "/releases/{tag_name}"
LINK = RELEASE + "/assets/links"
FILE = PROJECT + "/packages/generic/{package_name}/{package_version}/{file_name}"
_LINK_TYPES = ("other", "runbook", "image", "package")


class ReleaseRoutes(SourceRoutes):
    """What is published."""

    def releases_of(self, project: Project) -> dict[str, dict[str, Any]]:
        """Return the releases, by tag."""
        found: dict[str, dict[str, Any]] = project.kept.setdefault("releases", {})
        return found

    @route("GET", PROJECT + "/releases")
    def releases(self, request: Request) -> Reply:
        """List releases, newest first."""
        project = self.project_of(request)
        found = reversed(self.releases_of(project).values())
        return paged(request, [self._shown_release(request, project, one) for one in found])

    @route("POST", PROJECT + "/releases")
    def make_release(self, request: Request) -> Reply:
        """Make the release of a tag; without the tag, `ref` makes it. 409 when there is one."""
        project, fields = self.project_of(request, DEVELOPER), request.fields
        tag = str(fields["tag_name"])
        if tag in self.releases_of(project):
            raise declined(409, "Release already exists")
        # A protected tag keeps its release too.
        self.refuse_protected(request, project, tag)
        if not project.repository.resolve(f"refs/tags/{tag}"):
            self._tag_first(project, tag, fields)
        made: dict[str, Any] = {
            "tag_name": tag,
            "name": fields.get("name") or tag,
            "description": fields.get("description") or "",
            "created_at": instant(self.clock.now()),
            "released_at": fields.get("released_at") or instant(self.clock.now()),
            "milestones": [],
            "author": self.user(self.who(request)),
            "links": [],
            "evidences": [],
        }
        for link in (fields.get("assets") or {}).get("links", ()):
            self._add_link(made, link)
        self.releases_of(project)[tag] = made
        return Reply(201, self._shown_release(request, project, made))

    def _tag_first(self, project: Project, tag: str, fields: dict[str, Any]) -> None:
        if not fields.get("ref"):
            raise declined(422, "Ref is not specified")
        commit = project.repository.resolve(str(fields["ref"]))
        if not commit:
            raise declined(422, "Target " + str(fields["ref"]) + " is invalid")
        project.repository.make_tag(tag, commit, str(fields.get("tag_message") or ""))

    @route("GET", PROJECT + "/releases/permalink/latest")
    def latest(self, request: Request) -> Reply:
        """Lead to the newest release."""
        project = self.project_of(request)
        found = list(self.releases_of(project).values())
        if not found:
            raise declined(404, "404 Not Found")
        here = request.path.removesuffix("permalink/latest")
        return Reply(302, None, {"Location": f"{request.base_url}{here}{found[-1]['tag_name']}"})

    @route("GET", RELEASE)
    def release(self, request: Request) -> Reply:
        """Show the release of a tag."""
        project = self.project_of(request)
        return Reply(200, self._shown_release(request, project, self._release(project, request)))

    @route("PUT", RELEASE)
    def change_release(self, request: Request) -> Reply:
        """Change a release."""
        project = self.project_of(request, DEVELOPER)
        found = self._release(project, request)
        found |= {
            key: request.fields[key] for key in ("name", "description") if key in request.fields
        }
        return Reply(200, self._shown_release(request, project, found))

    @route("POST", RELEASE + "/evidence")
    def collect_evidence(self, request: Request) -> Reply:
        """Note down what the release is made of."""
        project = self.project_of(request, DEVELOPER)
        found = self._release(project, request)
        told = hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()
        found["evidences"].append({"sha": told, "collected_at": instant(self.clock.now())})
        return Reply(201)

    @route("GET", LINK)
    def links(self, request: Request) -> Reply:
        """List the links of a release."""
        return paged(request, self._release(self.project_of(request), request)["links"])

    @route("POST", LINK)
    def make_link(self, request: Request) -> Reply:
        """Add a link; its name and address are unique in the release."""
        found = self._release(self.project_of(request, DEVELOPER), request)
        return Reply(201, self._add_link(found, request.fields))

    def _add_link(self, release: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
        for key in ("name", "url"):
            if any(link[key] == fields[key] for link in release["links"]):
                raise declined(400, {key: ["has already been taken"]})
        kind = fields.get("link_type") or "other"
        if kind not in _LINK_TYPES:
            raise declined(400, "link_type does not have a valid value", key="error")
        made = {
            "id": self.number(),
            "name": fields["name"],
            "url": fields["url"],
            "direct_asset_url": fields["url"],
            "link_type": kind,
        }
        release["links"].append(made)
        return made

    def _release(self, project: Project, request: Request) -> dict[str, Any]:
        found = self.releases_of(project).get(request.parts["tag_name"])
        if found is None:
            raise declined(404, "404 Not Found")
        return found

    def _shown_release(
        self, request: Request, project: Project, one: dict[str, Any]
    ) -> dict[str, Any]:
        shown = {key: value for key, value in one.items() if key != "links"}
        commit = project.repository.resolve(f"refs/tags/{one['tag_name']}")
        at = datetime.fromisoformat(one["released_at"])
        return {
            **shown,
            "commit": project.repository.commit(commit).as_json() if commit else None,
            "upcoming_release": at > self.clock.now(),
            "assets": {"count": len(one["links"]), "sources": [], "links": one["links"]},
            "_links": {"self": web(request, project, "releases", one["tag_name"])},
        }

    def files_of(self, project: Project) -> list[dict[str, Any]]:
        """Return the files of the package registry, oldest first."""
        found: list[dict[str, Any]] = project.kept.setdefault("files", [])
        return found

    @route("PUT", FILE)
    def upload(self, request: Request) -> Reply:
        """Take a file; a second one of the same name stands beside the first, unless the seed forbids it."""
        project = self.project_of(request, DEVELOPER)
        parts = {
            key: request.parts[key] for key in ("package_name", "package_version", "file_name")
        }
        again = any(one["parts"] == parts for one in self.files_of(project))
        if again and project.seed.get("unique_package_files"):
            raise declined(403, "Duplicate package is not allowed")
        made = {
            "id": self.number(),
            "parts": parts,
            "data": request.body,
            "sha256": hashlib.sha256(request.body).hexdigest(),
            "created_at": instant(self.clock.now()),
        }
        self.files_of(project).append(made)
        if request.asked("select") != "package_file":
            return Reply(201, {"message": "201 Created"})
        return Reply(201, _shown_file(made, self._package_id(project, parts)))

    @route("GET", FILE)
    def download(self, request: Request) -> Reply:
        """Give the newest file of a name."""
        project = self.project_of(request)
        parts = {key: value for key, value in request.parts.items() if key != "id"}
        for one in reversed(self.files_of(project)):
            if one["parts"] == parts:
                return Reply(200, one["data"])
        raise declined(404, "404 Not Found")

    @route("GET", PROJECT + "/packages")
    def packages(self, request: Request) -> Reply:
        """List packages."""
        project = self.project_of(request)
        wanted = request.asked("package_name")
        names = dict.fromkeys(_package(one["parts"]) for one in self.files_of(project))
        numbered = list(enumerate(names, 1))
        if request.asked("sort") == "desc":
            numbered.reverse()
        return paged(
            request,
            [
                {
                    "id": number,
                    "name": name,
                    "version": version,
                    "package_type": "generic",
                    "status": "default",
                }
                for number, (name, version) in numbered
                if wanted in name
            ],
        )

    @route("GET", PROJECT + "/packages/{package_id}/package_files")
    def package_files(self, request: Request) -> Reply:
        """List the files of a package."""
        project = self.project_of(request)
        number = request.parts["package_id"]
        shown = [
            _shown_file(one, self._package_id(project, one["parts"]))
            for one in self.files_of(project)
        ]
        return paged(request, [one for one in shown if str(one["package_id"]) == number])

    def _package_id(self, project: Project, parts: dict[str, str]) -> int:
        names = list(dict.fromkeys(_package(one["parts"]) for one in self.files_of(project)))
        return names.index(_package(parts)) + 1


def _package(parts: dict[str, str]) -> tuple[str, str]:
    return parts["package_name"], parts["package_version"]


def _shown_file(one: dict[str, Any], package_id: int) -> dict[str, Any]:
    return {
        "id": one["id"],
        "package_id": package_id,
        "file_name": one["parts"]["file_name"],
        "size": len(one["data"]),
        "file_sha256": one["sha256"],
        "created_at": one["created_at"],
    }
