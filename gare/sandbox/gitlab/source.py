"""Tags, branches, commits, protected refs. Part of the simulated GitLab."""

from collections.abc import Mapping
from typing import Any

from gare.sandbox.gitlab.base import (
    DEVELOPER,
    MAINTAINER,
    PROJECT,
    GitLabBase,
    Project,
    covers,
    declined,
    moment,
    paged,
    web,
)
from gare.sandbox.gitlab.repository import Failed
from gare.sandbox.vendor import Reply, Request, route

REPOSITORY = PROJECT + "/repository"
_LEVEL_WORDS = {0: "No one", DEVELOPER: "Developers + Maintainers", MAINTAINER: "Maintainers"}


class SourceRoutes(GitLabBase):
    """The repository of a project."""

    @route("GET", REPOSITORY + "/tags")
    def tags(self, request: Request) -> Reply:
        """List tags, optionally those that contain a text (`^` at its beginning: begin with it)."""
        project = self.project_of(request)
        wanted = request.asked("search")
        names = [name for name, *_ in project.repository.refs("tags") if _found(wanted, name)]
        return paged(request, [self._tag(project, name) for name in reversed(names)])

    @route("GET", REPOSITORY + "/tags/{tag_name}")
    def tag(self, request: Request) -> Reply:
        """Show a tag."""
        project = self.project_of(request)
        return Reply(200, self._tag(project, request.parts["tag_name"]))

    @route("POST", REPOSITORY + "/tags")
    def make_tag(self, request: Request) -> Reply:
        """Create a tag; a protected name needs the role that it names."""
        project, fields = self.project_of(request, DEVELOPER), request.fields
        name = str(fields["tag_name"])
        self.refuse_protected(request, project, name)
        commit = project.repository.resolve(str(fields["ref"]))
        if not commit:
            raise declined(400, "Target " + str(fields["ref"]) + " is invalid")
        try:
            project.repository.make_tag(name, commit, str(fields.get("message") or ""))
        except Failed as failed:
            what = "already exists" if "already exists" in str(failed) else "is invalid"
            raise declined(400, f"Tag {name} {what}") from failed
        return Reply(201, self._tag(project, name))

    def refuse_protected(self, request: Request, project: Project, tag: str) -> None:
        """Refuse to make a protected tag without the role that its protection names."""
        for protected in project.seed.get("protected_tags", ()):
            level = project.level(protected.get("create"))
            is_named = self.who(request) in protected.get("users", ())
            may = is_named or (level and self.has(project, request, level))
            if covers(protected["name"], tag) and not may:
                raise declined(
                    403, "You do not have permission to create this tag: it is protected"
                )

    def _tag(self, project: Project, name: str) -> dict[str, Any]:
        for known, made, commit, message in project.repository.refs("tags"):
            if known == name:
                notes = project.kept.get("releases", {}).get(name)
                return {
                    "name": name,
                    "target": made,
                    "message": message,
                    "commit": project.repository.commit(commit).as_json(),
                    "release": notes and {"tag_name": name, "description": notes["description"]},
                    "protected": any(
                        covers(protected["name"], name)
                        for protected in project.seed.get("protected_tags", ())
                    ),
                }
        raise declined(404, "404 Tag Not Found")

    @route("GET", REPOSITORY + "/branches")
    def branches(self, request: Request) -> Reply:
        """List branches."""
        project = self.project_of(request)
        wanted = request.asked("search")
        names = [name for name, *_ in project.repository.refs("heads") if _found(wanted, name)]
        return paged(request, [self._branch(request, project, name) for name in names])

    @route("GET", REPOSITORY + "/branches/{branch}")
    def branch(self, request: Request) -> Reply:
        """Show a branch."""
        project = self.project_of(request)
        return Reply(200, self._branch(request, project, request.parts["branch"]))

    @route("POST", REPOSITORY + "/branches")
    def make_branch(self, request: Request) -> Reply:
        """Create a branch."""
        project, fields = self.project_of(request, DEVELOPER), request.fields
        commit = project.repository.resolve(str(fields["ref"]))
        if not commit:
            raise declined(400, f"Invalid reference name: {fields['ref']}")
        try:
            project.repository.make_branch(str(fields["branch"]), commit)
        except Failed as failed:
            what = "Branch already exists" if "exists" in str(failed) else "Invalid branch name"
            raise declined(400, what) from failed
        return Reply(201, self._branch(request, project, str(fields["branch"])))

    @route("DELETE", REPOSITORY + "/branches/{branch}")
    def delete_branch(self, request: Request) -> Reply:
        """Delete a branch that is not protected."""
        project = self.project_of(request, DEVELOPER)
        shown = self._branch(request, project, request.parts["branch"])
        if shown["protected"] or shown["default"]:
            raise declined(403, "Branch is protected")
        project.repository.delete(f"refs/heads/{shown['name']}")
        return Reply(204)

    def _branch(self, request: Request, project: Project, name: str) -> dict[str, Any]:
        for known, made, _commit, _message in project.repository.refs("heads"):
            if known == name:
                protected = self._protection(project, name)
                push = protected["push_access_levels"][0]["access_level"] if protected else 0
                return {
                    "name": name,
                    "commit": project.repository.commit(made).as_json(),
                    "merged": False,
                    "protected": protected is not None,
                    "default": name == project.repository.default_branch,
                    "developers_can_push": push == DEVELOPER,
                    "developers_can_merge": push == DEVELOPER,
                    "can_push": not protected or self.has(project, request, push),
                    "web_url": web(request, project, "tree", name),
                }
        raise declined(404, "404 Branch Not Found")

    def _protection(self, project: Project, name: str) -> dict[str, Any] | None:
        return next((one for one in _branch_rules(project) if covers(one["name"], name)), None)

    @route("GET", PROJECT + "/protected_branches")
    def protected_branches(self, request: Request) -> Reply:
        """List protected branches."""
        return paged(request, _branch_rules(self.project_of(request, DEVELOPER)))

    @route("GET", PROJECT + "/protected_tags")
    def protected_tags(self, request: Request) -> Reply:
        """List protected tags."""
        project = self.project_of(request, DEVELOPER)
        rules = project.seed.get("protected_tags", ())
        return paged(
            request,
            [
                {"name": one["name"], "create_access_levels": self._creators(project, one)}
                for one in rules
            ],
        )

    def _creators(self, project: Project, rule: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Spell who may make a tag: a role, or users by name whose level says nothing."""
        named = [
            {
                "access_level": MAINTAINER,
                "access_level_description": name,
                "user_id": self.users[name],
            }
            for name in rule.get("users", ())
        ]
        is_role = not named or project.level(rule.get("create"))
        return [*(_levels(project, rule.get("create")) if is_role else ()), *named]

    @route("GET", REPOSITORY + "/commits")
    def commits(self, request: Request) -> Reply:
        """List the commits of a ref, newest first."""
        project = self.project_of(request)
        ref = request.asked("ref_name") or project.repository.default_branch
        since, head = moment(request, "since"), project.repository.resolve(ref)
        if not head:
            raise declined(404, "404 Commit Not Found")
        words = [f"--since={since.isoformat()}"] if since else []
        found = project.repository.commits(*words, head, "--")
        return paged(request, [commit.as_json() for commit in found])

    @route("GET", REPOSITORY + "/commits/{sha}")
    def commit(self, request: Request) -> Reply:
        """Show a commit."""
        project = self.project_of(request)
        id = project.repository.resolve(request.parts["sha"])
        if not id:
            raise declined(404, "404 Commit Not Found")
        return Reply(200, project.repository.commit(id).as_json())

    @route("GET", REPOSITORY + "/compare")
    def compare(self, request: Request) -> Reply:
        """List what `to` has and `from` has not, oldest first."""
        project = self.project_of(request)
        ends = [project.repository.resolve(request.asked(name)) for name in ("from", "to")]
        if not all(ends):
            raise declined(404, "404 Ref Not Found")
        found = project.repository.commits("--reverse", f"{ends[0]}..{ends[1]}")
        commits = [commit.as_json() for commit in found]
        return Reply(
            200,
            {
                "commit": commits[-1] if commits else None,
                "commits": commits,
                "diffs": project.repository.diffs(*ends),
                "compare_timeout": False,
                "compare_same_ref": ends[0] == ends[1],
                "web_url": web(request, project, "compare", "...".join(ends)),
            },
        )

    @route("GET", REPOSITORY + "/merge_base")
    def merge_base(self, request: Request) -> Reply:
        """Show the newest common commit of two refs."""
        project = self.project_of(request)
        refs = [project.repository.resolve(ref) for ref in request.every("refs[]")]
        if len(refs) < 2 or not all(refs):
            raise declined(400, "Could not find ref")
        base = project.repository.merge_base(refs[0], refs[1])
        return Reply(200, project.repository.commit(base).as_json())


def _branch_rules(project: Project) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "name": one["name"],
            "push_access_levels": _levels(project, one.get("push")),
            "merge_access_levels": _levels(project, one.get("merge")),
            "allow_force_push": False,
        }
        for number, one in enumerate(project.seed.get("protected_branches", ()), 1)
    ]


def _levels(project: Project, role: str | None) -> list[dict[str, Any]]:
    level = project.level(role)
    return [
        {"access_level": level, "access_level_description": _LEVEL_WORDS.get(level, "Maintainers")}
    ]


def _found(wanted: str, name: str) -> bool:
    return name.startswith(wanted[1:]) if wanted.startswith("^") else wanted in name
