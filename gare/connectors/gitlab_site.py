"""One GitLab project as one token sees it: the client, and what GitLab's refusals mean. Part of gare.connectors.gitlab.

python-gitlab brings addresses and pages; how calls are sent is the one HTTP policy's (its own retries are off).
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gare.connectors.gitlab_settings import GitLabConnection, GitLabProject
from gare.connectors.http_policy import HttpPolicy
from gare.connectors.vendor_errors import FORMS, misshapen, refusal, unreadable
from gare.errors import AuthenticationFailed, ConnectorError, GareError, NotFound, PermissionDenied
from gare.secrets import resolve

if TYPE_CHECKING:
    from gitlab import Gitlab, GitlabError
    from gitlab.v4.objects import Project
    from requests import PreparedRequest

PAGE = 100
_HASTE_S = 3
READ, WRITE = "Reporter", "Developer"
_LEVELS = {"Guest": 10, "Reporter": 20, "Developer": 30, "Maintainer": 40, "Owner": 50}
_RAW = re.compile(r"/api/v4/projects/[^/]+/(jobs/\d+/(trace|artifacts)|packages/generic/)")
"""Answers that are files, whatever they hold."""


def policy_of(connection: GitLabConnection, base: Path) -> HttpPolicy:
    """Return how a GitLab is talked to."""
    return HttpPolicy.of(
        "GitLab", connection, base, "X-Request-Id", is_json=_is_json, may_repeat=_may_repeat
    )


@dataclass(frozen=True, slots=True)
class Account:
    """Who a token is: the user, the access level in the project, the scopes, and the last day, where it has one."""

    user: str
    user_id: int
    level: int
    scopes: tuple[str, ...]
    expires_on: date | None

    @property
    def role(self) -> str:
        """Return the name of the role."""
        return role_of(self.level)


class GitLabSite:
    """A project on a GitLab server. Asks nothing before it is used."""

    def __init__(
        self,
        connection: GitLabConnection,
        project: GitLabProject,
        base: Path,
        policy: HttpPolicy | None = None,
    ) -> None:
        """Take the connection, the project on it, and the folder that secret files are relative to."""
        self._connection, self._base = connection, base
        self.settings = project
        self._policy = policy or policy_of(connection, base)

    @property
    def where(self) -> str:
        """Name the project in messages."""
        return f"GitLab {self.settings.project}"

    @property
    def trace(self) -> str:
        """Name the project with the id of the last request."""
        return self._policy.traced(self.where)

    @property
    def url(self) -> str:
        """Return the address of the project's page."""
        return f"{self._connection.url}/{self.settings.project}"

    @cached_property
    def hasty(self) -> "GitLabSite":
        """Return the same project, asked by somebody who does not wait: once, and not for long."""
        policy = replace(self._policy, connect_s=_HASTE_S, read_s=_HASTE_S, patience_s=0)
        return GitLabSite(self._connection, self.settings, self._base, policy)

    @cached_property
    def client(self) -> "Gitlab":
        """Return the SDK's client."""
        import gitlab
        import requests

        session = requests.Session()
        self._policy.govern(session)
        return gitlab.Gitlab(
            self._connection.url,
            # As a bearer token it is dropped when GitLab leads to another host (artifacts in object storage).
            oauth_token=resolve(self._connection.token, base=self._base),
            ssl_verify=self._policy.ca_file or True,
            session=session,
            per_page=PAGE,
            keep_base_url=True,
            user_agent="gare",
        )

    @cached_property
    def project(self) -> "Project":
        """Return the SDK's project, without asking for it."""
        return self.client.projects.get(self.settings.project, lazy=True)

    def account(self) -> Account:
        """Return who the token is (REST v4: user, project, personal_access_tokens/self)."""
        with self.asking("read who the token is"):
            user: Any = self.client.http_get("/user")
            level = level_of(self.one())
            token: Any = self.client.http_get("/personal_access_tokens/self")
            ends = token.get("expires_at")
            return Account(
                user["username"],
                user["id"],
                level,
                tuple(token.get("scopes") or ()),
                ends and date.fromisoformat(ends),
            )

    @cached_property
    def user(self) -> str:
        """The token's user, asked once: approvals of deployments are asked about it in every look."""
        with self.asking("read who the token is"):
            found: Any = self.client.http_get("/user")
            return str(found["username"])

    def one(self, path: str = "") -> Any:
        """Return what stands at an address below the project, or the project itself."""
        return self.client.http_get(f"/projects/{self.project.encoded_id}{path and '/'}{path}")

    def rows(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Yield every row of a list below the project, page by page; as plain data, which costs half of SDK objects."""
        address = f"/projects/{self.project.encoded_id}/{path}"
        yield from self.client.http_list(address, dict(query or {}), iterator=True)

    @contextmanager
    def asking(self, what: str, role: str = READ) -> Iterator[None]:
        """Turn GitLab's refusals into our errors. `what` is what is done, `role` the role that it takes."""
        from gitlab import GitlabError, GitlabParsingError
        from requests import RequestException

        try:
            yield
        except GitlabParsingError as error:
            raise self._unreadable(f"{what}: {error.error_message}") from error
        except GitlabError as error:
            raise self._refusal(error, what, role) from error
        except RequestException as error:
            raise self._unreadable(f"{what}: {error}") from error
        except FORMS as error:
            raise misshapen("GitLab", what, error, where=self._policy.where) from error

    @property
    def _new_token(self) -> str:
        renewal = self._connection.renewal(self.settings.connection)
        return f"Make a new one with the scope `api`, {renewal}"

    def _unreadable(self, what: str) -> GareError:
        return unreadable("GitLab", what, where=self._policy.where)

    def _refusal(self, error: "GitlabError", what: str, role: str) -> GareError:
        status, said, where = error.response_code or 0, _said(error), self.trace
        if status == 401 and "expired" in said.lower():
            return AuthenticationFailed(
                f"The token has expired: cannot {what}.", where=where, hint=self._new_token
            )
        if "insufficient_scope" in said:
            return PermissionDenied(
                f"The token lacks a scope: cannot {what}.",
                where=where,
                hint="Make a token with the scope `api`; `read_api` is enough for `gare plan` alone.",
            )
        if status in (401, 403, 404) and (missing := self._missing_right(what, role)):
            return missing
        told = _TABLE.get(status, _BROKEN if status >= 500 else _TABLE[400])
        return refusal(
            status, told[0].format(what=what, said=said or status), where=where, hint=told[1]
        )

    def _missing_right(self, what: str, role: str) -> ConnectorError | None:
        """Ask what the token may do here (REST, GET /projects/:id); None when rights are not the reason."""
        from gitlab import GitlabAuthenticationError, GitlabError

        try:
            seen = self.one()
        except GitlabAuthenticationError:
            return AuthenticationFailed(
                f"GitLab does not know the token: cannot {what}.",
                where=self.where,
                hint=self._new_token,
            )
        except GitlabError as error:
            if error.response_code not in (403, 404):
                return None
            return NotFound(
                f"GitLab shows no project {self.settings.project} to this token: cannot {what}.",
                where=self.where,
                hint="Either it does not exist, or the token's user is no member of it: GitLab answers both alike. "
                f"Correct `gitlab: project`, or give the user the role {role}.",
            )
        held = level_of(seen)
        if held >= _LEVELS[role]:
            return None
        has = role_of(held)
        return PermissionDenied(
            f"The role {role} is missing: cannot {what}; the token's user has {has}.",
            where=self.where,
            hint=f"Ask an owner of {self.settings.project} to give the token's user the role {role}.",
        )


# What GitLab's answers mean once it is known that the role is not the reason.

_BROKEN = ("GitLab failed, and cannot {what}: {said}.", "")

_TABLE: Mapping[int, tuple[str, str]] = {
    400: ("GitLab refuses to {what}: {said}.", "Correct what it names."),
    401: (
        "GitLab does not let this token {what}.",
        "A protected branch or tag asks for a higher role.",
    ),
    403: (
        "GitLab does not let this token {what}: {said}.",
        "A protection or a setting of the project forbids it: ask its maintainer.",
    ),
    404: ("GitLab has nothing there: cannot {what}: {said}.", "Look whether it was deleted."),
    405: (
        "GitLab cannot {what} now: {said}.",
        "Look at the merge request: what blocks it is written there.",
    ),
    409: ("GitLab has something else there: cannot {what}: {said}.", "Look at what is there."),
    408: ("GitLab took too long, and cannot {what}: {said}.", ""),
    422: ("GitLab refuses to {what}: {said}.", "Correct what it names."),
}


def _said(error: "GitlabError") -> str:
    """Return GitLab's own words, of whichever shape."""
    try:
        body: Any = json.loads(error.response_body or b"")
    except ValueError:
        return str(error.error_message or "")
    if not isinstance(body, dict):
        return str(body)
    words = [body[key] for key in ("message", "error", "error_description") if key in body]
    return "; ".join(_flat(word) for word in words).rstrip(".")


def _flat(word: Any) -> str:
    if isinstance(word, dict):
        return ", ".join(f"{key} {_flat(value)}" for key, value in word.items())
    return ", ".join(map(str, word)) if isinstance(word, list) else str(word)


def role_of(level: int) -> str:
    """Return the name of a role by its access level."""
    return next((name for name, known in _LEVELS.items() if known == level), "none")


def level_of_role(role: str) -> int:
    """Return the access level of a role by its name."""
    return _LEVELS[role]


def level_of(seen: Any) -> int:
    """Return the access level of whoever asked for a project."""
    permissions = seen.get("permissions") or {}
    access = (permissions.get(key) for key in ("project_access", "group_access"))
    return max((one["access_level"] for one in access if one), default=0)


def _may_repeat(request: "PreparedRequest") -> bool:
    """Tell whether a second request means the same: GitLab would keep a file twice, and neither merge nor end again."""
    url = (request.url or "").partition("?")[0]
    if request.method == "PUT":
        return not ("/packages/generic/" in url or url.endswith("/merge") or "/deployments/" in url)
    return request.method != "POST"


def _is_json(request: "PreparedRequest") -> bool:
    return not _RAW.search(request.url or "")
