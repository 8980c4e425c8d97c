"""What all parts of the simulated Jira share: who asks and may do what, paging, and how a reply leaves."""

import base64
import binascii
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from gare.sandbox.clock import Clock
from gare.sandbox.jira_replies import refused
from gare.sandbox.jira_seed import JiraSeed
from gare.sandbox.jira_state import Issue, Project, State
from gare.sandbox.vendor import Reply, Request, Vendor, route

Handler = TypeVar("Handler", bound=Callable[..., Any])

RIGHTS: Mapping[str, str] = {
    "BROWSE_PROJECTS": "Browse Projects",
    "CREATE_ISSUES": "Create Issues",
    "EDIT_ISSUES": "Edit Issues",
    "TRANSITION_ISSUES": "Transition Issues",
    "ADD_COMMENTS": "Add Comments",
    "ADMINISTER_PROJECTS": "Administer Projects",
    "MANAGE_SPRINTS_PERMISSION": "Manage sprints",
}
DEFAULT_USER = {"name": "gare", "email": "gare@example.org", "token": "sandbox-token"}
_LONGEST_PAGE = {True: 100, False: 1000}


def api(method: str, path: str) -> Callable[[Handler], Handler]:
    """Let a method answer a path of both REST versions; which one is there is the deployment's matter."""

    def mark(handler: Handler) -> Handler:
        for version in ("3", "2"):
            handler = route(method, f"/rest/api/{version}/{path}")(handler)
        return handler

    return mark


@dataclass(frozen=True)
class User:
    """Who may sign in. `lacks` are rights that the user does not have."""

    name: str
    email: str
    token: str
    is_expired: bool
    lacks: frozenset[str]


_NOBODY = User("", "", "", is_expired=False, lacks=frozenset(RIGHTS))


class JiraBase(Vendor):
    """Users, rights, and the state behind every route."""

    seed_model = JiraSeed
    common_query = frozenset({"state", "type"})
    """The agile description calls these lists of words objects."""

    def __init__(self, name: str, seed: Mapping[str, Any], clock: Clock) -> None:
        """Take the seed: `deployment`, `users`, `projects`, `search_lag_s`, `limit`, `answers_strangers`."""
        self.is_cloud = seed.get("deployment", "cloud") == "cloud"
        platform = "jira-cloud-v3.json" if self.is_cloud else "jira-cloud-v2.json"
        self.descriptions = (platform, "jira-agile.json")  # type: ignore[misc]
        if self.is_cloud:
            old = ("GET", "/rest/api/2/search")
            self.gaps = {**self.gaps, old: "taken out of Cloud: it answers 410"}  # type: ignore[misc]
        super().__init__(name, seed, clock)
        self.state = State(seed, clock.now())
        self._users = [_user(said) for said in seed.get("users", (DEFAULT_USER,))]
        self._limit: Mapping[str, int] = seed.get("limit", {})
        self._spent: tuple[int, int] = (0, 0)
        self.answers_strangers = bool(seed.get("answers_strangers", False))
        """Whether a wrong token is answered as if nobody had signed in, as Cloud's search does."""

    def admit(self, request: Request) -> None:
        """Refuse who is not known, another deployment's REST version, and more than the limit."""
        other = "/rest/api/2/" if self.is_cloud else "/rest/api/3/"
        if request.path.startswith(other) and not request.path.endswith("/search"):
            raise refused(404, "null for uri: " + request.path)
        self._spend()
        if self._who(request) is None and not self.answers_strangers:
            raise refused(401, "Client must be authenticated to access this resource.")

    def dress(self, request: Request, reply: Reply) -> Reply:
        """Add the request's id, and Data Center's rate headers."""
        headers = {**reply.headers, "atl-traceid": uuid.uuid4().hex}
        if self._who(request) is None:
            headers["X-Seraph-LoginReason"] = "AUTHENTICATED_FAILED"
        if self._limit and not self.is_cloud:
            left = str(max(self._limit["requests"] - self._spent[1], 0))
            headers |= {
                "X-RateLimit-Limit": str(self._limit["requests"]),
                "X-RateLimit-Remaining": left,
                "X-RateLimit-Interval-Seconds": str(self._limit["interval_s"]),
                "X-RateLimit-FillRate": str(self._limit["requests"]),
            }
        return Reply(reply.status, reply.body, headers, reply.content_type)

    def user(self, request: Request) -> User:
        """Return who asks."""
        return self._who(request) or _NOBODY

    def may(self, request: Request, right: str) -> bool:
        """Tell whether who asks has a right."""
        return right not in self.user(request).lacks

    def issue(self, request: Request) -> Issue:
        """Return the issue of the path."""
        key = request.parts["key"]
        found = self.state.issues.get(key.upper())
        if found is None:
            found = next((issue for issue in self.state.issues.values() if issue.id == key), None)
        if found is None or not self.may(request, "BROWSE_PROJECTS"):
            raise refused(404, "Issue does not exist or you do not have permission to see it.")
        return found

    def project(self, request: Request, key: str) -> Project:
        """Return a project by key or id."""
        for project in self.state.projects.values():
            if key in (project.key, project.id) and self.may(request, "BROWSE_PROJECTS"):
                return project
        raise refused(404, f"No project could be found with key '{key}'.")

    def base(self, request: Request) -> str:
        """Return where `self` links begin."""
        return f"{request.base_url}/rest/api/{'3' if self.is_cloud else '2'}"

    def span(self, request: Request, *, longest: int = 0) -> tuple[int, int]:
        """Return startAt and maxResults, which is cut at `longest`, or as the deployment does."""
        start, size = request.asked("startAt", "0"), request.asked("maxResults", "50")
        if not (start.isdigit() and size.isdigit()):
            raise refused(400, "startAt and maxResults are numbers.")
        return int(start), min(int(size), longest or _LONGEST_PAGE[self.is_cloud])

    def _who(self, request: Request) -> User | None:
        kind, _, proof = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            email, token = _pair(proof)
            users = (user for user in self._users if user.email == email)
        else:
            token, users = proof, (user for user in self._users)
        return next((user for user in users if user.token == token and not user.is_expired), None)

    def _spend(self) -> None:
        if not self._limit:
            return
        interval_s = self._limit["interval_s"]
        now = int(self.clock.now().timestamp())
        window, spent = self._spent
        spent = spent + 1 if window == now // interval_s else 1
        self._spent = (now // interval_s, spent)
        if spent > self._limit["requests"]:
            wait = {"Retry-After": str(interval_s - now % interval_s)}
            if self.is_cloud:
                wait["RateLimit-Reason"] = "jira-burst-based"
            declined = refused(429, "Rate limit exceeded.")
            declined.reply = Reply(429, declined.reply.body, wait)
            raise declined


def _pair(proof: str) -> tuple[str, str]:
    try:
        name, _, token = base64.b64decode(proof, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, token


def _user(said: Mapping[str, Any]) -> User:
    return User(
        said["name"],
        said.get("email", ""),
        said["token"],
        bool(said.get("expired", False)),
        frozenset(said.get("lacks", ())),
    )
