"""What every part of the simulated GitLab uses: projects, who asks, roles, pages."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

from gare.sandbox.clock import Clock
from gare.sandbox.gitlab.repository import Repository
from gare.sandbox.gitlab.seed import GitLabSeed
from gare.sandbox.gitlab.seed import Project as SeededProject
from gare.sandbox.seed_model import check
from gare.sandbox.vendor import Declined, Reply, Request, Vendor, control, route

GUEST, REPORTER, DEVELOPER, MAINTAINER, OWNER = 10, 20, 30, 40, 50
ROLES = {
    "nobody": 0,
    "guest": GUEST,
    "reporter": REPORTER,
    "developer": DEVELOPER,
    "maintainer": MAINTAINER,
    "owner": OWNER,
}
API = "/api/v4"
PROJECT = API + "/projects/{id}"
_MOST_PER_PAGE = 100
_TOTALS_UP_TO = 10_000
_READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Token:
    """A token of a user, with its scopes."""

    user: str
    scopes: tuple[str, ...] = ("api",)
    expires_on: date | None = None
    is_revoked: bool = False


@dataclass
class Project:
    """One project. What belongs to one part of the API alone is kept by that part, by project."""

    id: int
    path: str
    seed: Mapping[str, Any]
    members: dict[str, int]
    kept: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def repository(self) -> Repository:
        """Return the Git repository: the seed's own, or one made of its list of commits."""
        branch = self.seed.get("default_branch", "main")
        if folder := self.seed.get("repository"):
            return Repository(_git_folder(Path(folder).expanduser()), branch)
        commits = self.seed.get("commits") or [{"subject": "feat: first"}]
        return Repository.invented(commits, branch)

    def level(self, role: str | None) -> int:
        """Return the access level of a role that the seed names; without one, maintainer's."""
        return ROLES[role or "maintainer"]


class GitLabBase(Vendor):
    """Access and pages."""

    seed_model = GitLabSeed
    descriptions = ("gitlab.json",)
    common_query = frozenset({"page", "per_page", "pagination"})
    loose_parts = frozenset({"id"})
    gaps = MappingProxyType(
        {("GET", API + "/personal_access_tokens/self"): "newer than the description's pages (15.5)"}
    )
    loose_replies = MappingProxyType(
        {
            ("PUT", PROJECT + "/issues/{issue_iid}"): "its example has the milestone as a text",
            ("GET", PROJECT + "/repository/tags"): "its examples have no release, so it is a text",
            ("GET", PROJECT + "/repository/tags/{tag_name}"): "as with the list of tags",
        }
    )

    def __init__(self, name: str, seed: Mapping[str, Any], clock: Clock) -> None:
        """Take `tokens` (value -> user, scopes, expires) and `projects` (path -> …) of the seed."""
        self._numbers = count(1)
        super().__init__(name, seed, clock)
        self.users = {name: number for number, name in enumerate(_users(seed), 1)}
        self.tokens = {str(value): _token(said) for value, said in seed.get("tokens", {}).items()}
        self.projects: list[Project] = []
        for path, said in seed.get("projects", {}).items():
            self._add_project(path, said or {})

    def _add_project(self, path: str, said: Mapping[str, Any]) -> Project:
        made = Project(101 + len(self.projects), path, said, _members(said))
        self.projects.append(made)
        return made

    @control("project", "path")
    def make_project_by_hand(self, fields: dict[str, Any]) -> Any:
        """Make a project: `path`, and what else a seed says of one."""
        check("a project made by hand", fields, SeededProject)
        return {"id": self._add_project(fields["path"], fields).id}

    def number(self) -> int:
        """Return the next id; ids are unique over everything, as in one GitLab."""
        return next(self._numbers)

    def admit(self, request: Request) -> None:
        """Ask for a token that is known, not expired, and has the scope."""
        token = self.tokens.get(_sent_token(request))
        if token is None or token.is_revoked:
            raise declined(401, "401 Unauthorized")
        if token.expires_on and self.clock.now().date() >= token.expires_on:
            text = "Token is expired. You can either do re-authorization or token refresh."
            raise Declined(Reply(401, {"error": "invalid_token", "error_description": text}))
        if "api" in token.scopes or (request.method in _READS and "read_api" in token.scopes):
            return
        text = "The request requires higher privileges than provided by the access token."
        body = {"error": "insufficient_scope", "error_description": text, "scope": "api"}
        raise Declined(Reply(403, body))

    def dress(self, request: Request, reply: Reply) -> Reply:
        """Add the request's id, as GitLab does."""
        headers = {**reply.headers, "X-Request-Id": uuid.uuid4().hex}
        return Reply(reply.status, reply.body, headers, reply.content_type)

    def who(self, request: Request) -> str:
        """Return the user whose token was sent."""
        return self.tokens[_sent_token(request)].user

    def user(self, name: str) -> dict[str, Any]:
        """Spell a user."""
        return {"id": self.users.get(name, 1), "username": name, "name": name, "state": "active"}

    def project_of(self, request: Request, level: int = REPORTER) -> Project:
        """Return the project of a request. Not a member: 404, as if it did not exist."""
        wanted, user = request.parts["id"], self.who(request)
        found = next((one for one in self.projects if wanted in (str(one.id), one.path)), None)
        if found is None or user not in found.members:
            raise declined(404, "404 Project Not Found")
        if found.members[user] < level:
            raise declined(404 if request.method in _READS else 403, _refusal(request))
        return found

    def named(self, path: str) -> Project:
        """Return a project by its path, for what people do by hand."""
        for project in self.projects:
            if project.path == path:
                return project
        raise LookupError(f"there is no project {path!r}")

    def has(self, project: Project, request: Request, level: int) -> bool:
        """Tell whether who asks has at least this role."""
        return project.members[self.who(request)] >= level

    @route("GET", API + "/version")
    def version(self, _request: Request) -> Reply:
        """Tell the version."""
        said = self.seed.get("version", "18.5.0-ee")
        return Reply(200, {"version": said, "revision": "a1b2c3d4e5f"})

    @route("GET", API + "/user")
    def myself(self, request: Request) -> Reply:
        """Tell whose token it is."""
        return Reply(200, self.user(self.who(request)))

    @route("GET", API + "/personal_access_tokens/self")
    def own_token(self, request: Request) -> Reply:
        """Tell what the token may do, and until when."""
        token = self.tokens[_sent_token(request)]
        ends = token.expires_on.isoformat() if token.expires_on else None
        return Reply(200, {"scopes": list(token.scopes), "expires_at": ends, "active": True})

    @route("GET", PROJECT)
    def get_project(self, request: Request) -> Reply:
        """Show a project, with the role of who asks."""
        project = self.project_of(request, GUEST)
        access = {"access_level": project.members[self.who(request)], "notification_level": 3}
        return Reply(
            200,
            {
                "id": project.id,
                "name": project.path.rpartition("/")[2],
                "path_with_namespace": project.path,
                "default_branch": project.seed.get("default_branch", "main"),
                "web_url": web(request, project),
                "permissions": {"project_access": access, "group_access": None},
            },
        )

    @route("GET", PROJECT + "/members/all")
    def members(self, request: Request) -> Reply:
        """List who has which role."""
        project = self.project_of(request)
        return paged(
            request,
            [{**self.user(name), "access_level": level} for name, level in project.members.items()],
        )


def paged(request: Request, rows: Sequence[Any]) -> Reply:
    """Cut one page out, with the headers by which a client finds the next one."""
    size = min(_whole(request, "per_page", 20), _MOST_PER_PAGE)
    page = _whole(request, "page", 1)
    pages = max(-(-len(rows) // size), 1)
    headers = {"X-Page": str(page), "X-Per-Page": str(size)}
    if len(rows) <= _TOTALS_UP_TO:
        headers |= {"X-Total": str(len(rows)), "X-Total-Pages": str(pages)}
    links = [f'<{_page_address(request, 1, size)}>; rel="first"']
    if page < pages:
        headers["X-Next-Page"] = str(page + 1)
        links.append(f'<{_page_address(request, page + 1, size)}>; rel="next"')
    headers["Link"] = ", ".join(links)
    return Reply(200, list(rows[(page - 1) * size : page * size]), headers)


def _whole(request: Request, name: str, default: int) -> int:
    value = request.asked(name, str(default))
    if not value.isdigit() or not int(value):
        raise declined(400, f"{name} does not have a valid value", key="error")
    return int(value)


def _page_address(request: Request, page: int, size: int) -> str:
    query = [(name, value) for name, value in request.query if name not in ("page", "per_page")]
    told = urlencode([*query, ("page", page), ("per_page", size)])
    return f"{request.base_url}{request.path}?{told}"


def declined(status: int, message: Any, *, key: str = "message") -> Declined:
    """Return GitLab's spelling of a no."""
    return Declined(Reply(status, {key: message}))


def web(request: Request, project: Project, *parts: object) -> str:
    """Return the address of a page for people."""
    below = "/-/" + "/".join(quote(str(part), safe="") for part in parts) if parts else ""
    return f"{request.base_url}/{project.path}{below}"


def moment(request: Request, name: str) -> datetime | None:
    """Return an instant that was asked for; None when it was not."""
    value = request.asked(name)
    try:
        at = datetime.fromisoformat(value) if value else None
    except ValueError as error:
        raise declined(400, f"{name} is invalid", key="error") from error
    return at.replace(tzinfo=at.tzinfo or UTC) if at else None


def instant(at: datetime | None) -> str | None:
    """Spell an instant, or null."""
    from gare.sandbox.clock import stamp

    return stamp(at) if at else None


def covers(pattern: str, name: str) -> bool:
    """Tell whether a protected name, possibly with `*`, is about a ref."""
    return fnmatchcase(name, pattern)


def _sent_token(request: Request) -> str:
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    return request.headers.get("private-token", bearer)


def _refusal(request: Request) -> str:
    return "404 Not Found" if request.method in _READS else "403 Forbidden"


def _users(seed: Mapping[str, Any]) -> list[str]:
    named = [_token(said).user for said in seed.get("tokens", {}).values()]
    members = [name for said in seed.get("projects", {}).values() for name in _members(said or {})]
    return list(dict.fromkeys(["root", *named, *members]))


def _members(said: Mapping[str, Any]) -> dict[str, int]:
    return {name: ROLES[role] for name, role in said.get("members", {}).items()}


def _token(said: Any) -> Token:
    if isinstance(said, str):
        return Token(said)
    expires = said.get("expires")
    return Token(
        said["user"],
        tuple(said.get("scopes", ("api",))),
        date.fromisoformat(str(expires)) if expires else None,
        bool(said.get("revoked", False)),
    )


def _git_folder(folder: Path) -> Path:
    return folder / ".git" if (folder / ".git").exists() else folder
