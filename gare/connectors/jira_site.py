"""One Jira site: who we are there, calls, pages to their end, and what its refusals mean. Part of gare.connectors.jira.

The `jira` package brings session, sign-in and addresses. Its calls are used where they send one request and no more:
`search_issues` asks for all fields first, `add_remote_link` for application links, and `create_version` sleeps.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gare.connectors.jira_settings import JiraConnection
from gare.connectors.vendor_errors import refusal, unreadable
from gare.errors import AuthenticationFailed, GareError, PermissionDenied, Refused
from gare.secrets import resolve

if TYPE_CHECKING:
    from jira import JIRA, JIRAError
    from requests import PreparedRequest, Response

    from gare.connectors.http_policy import HttpPolicy

PAGE = 100
_KEYS_A_PAGE = {True: 5000, False: 1000}
"""By whether it is Cloud: with other fields than the key, Cloud gives no more than 100; the other is Data Center's
own default limit."""
_ISSUES_A_PAGE = {True: 100, False: 200}
"""Keys that are named in one request: Cloud's limit, and what an address holds."""

Found = TypeVar("Found")
Query = Mapping[str, Any]


class Site:
    """A Jira, called as one user."""

    def __init__(self, connection: JiraConnection, base: Path, project: str, *, name: str) -> None:
        """Take the connection, the folder its file secrets are relative to, and the project that it is about.

        `name` is that of the connection, for messages.
        """
        self._connection, self._base, self._project = connection, base, project
        self._name = name

    @property
    def is_cloud(self) -> bool:
        """Whether texts are ADF, search goes by page tokens, and the REST version is 3."""
        return self._connection.is_cloud

    @property
    def address(self) -> str:
        """Return the site's address."""
        return self._connection.url

    @property
    def trace(self) -> str:
        """Return the site's address with the id of the last request."""
        return self._policy.traced(self.address)

    @cached_property
    def client(self) -> "JIRA":
        """Return the package's client, with the one policy of all connections; it has asked nothing yet."""
        from jira import JIRA

        token, user = resolve(self._connection.token, base=self._base), self._connection.user
        client = JIRA(
            options={
                "server": self._connection.url,
                "rest_api_version": "3" if self.is_cloud else "2",
            },
            basic_auth=(user, token) if user else None,
            token_auth=None if user else token,
            get_server_info=False,
            logging=False,
            max_retries=0,
        )
        self._policy.govern(client._session)
        client._session.hooks["response"].append(self._look_who)
        return client

    @cached_property
    def _policy(self) -> "HttpPolicy":
        from gare.connectors.http_policy import HttpPolicy

        return HttpPolicy.of(
            "Jira", self._connection, self._base, "atl-traceid", may_repeat=_may_repeat
        )

    def call(self, needs: str, ask: "Callable[[JIRA], Found]") -> Found:
        """Return what a call answers. `needs` is the right (Jira's own key) that it takes, or empty.

        Raises our errors for Jira's refusals; a missing right is named.
        """
        from jira import JIRAError
        from requests import RequestException

        try:
            return ask(self.client)
        except JIRAError as error:
            raise self._refusal(error, needs) from error
        except RequestException as error:
            raise unreadable("Jira", str(error), where=self.trace) from error

    def get(
        self,
        path: str,
        query: Query | None = None,
        *,
        needs: str = "BROWSE_PROJECTS",
        agile: bool = False,
    ) -> Any:
        """Return what a path of the REST API (or of the agile one) answers."""

        def ask(client: "JIRA") -> Any:
            base = client.AGILE_BASE_URL if agile else client.JIRA_BASE_URL
            return client._session.get(client._get_url(path, base), params=query).json()

        return self.call(needs, ask)

    def send(self, method: str, path: str, body: Any, *, needs: str) -> Any:
        """Send JSON to a path of the REST API; return what it answers, None for nothing."""

        def ask(client: "JIRA") -> Any:
            url = client._get_url(path)
            reply = client._session.request(method, url, data=json.dumps(body))
            return reply.json() if reply.content else None

        return self.call(needs, ask)

    def search(
        self, jql: str, fields: list[str], page: int = PAGE, **more: str
    ) -> Iterator[dict[str, Any]]:
        """Yield every issue that a query finds, page by page.

        Cloud: REST v3, GET /search/jql, to the last nextPageToken. Data Center: REST v2, GET /search by startAt.
        """
        jql = f"{jql} ORDER BY key"
        query: dict[str, Any] = {"jql": jql, "maxResults": page, "fields": fields, **more}
        if not self.is_cloud:
            yield from self.paged("search", "issues", {**query, "fields": ",".join(fields)})
            return
        while True:
            found = self.get("search/jql", query, needs="")
            yield from found["issues"]
            if not found.get("nextPageToken"):
                return
            query["nextPageToken"] = found["nextPageToken"]

    def keys(self, jql: str) -> list[str]:
        """Return the keys of all issues that a query finds; pages of keys alone are long."""
        return [issue["key"] for issue in self.search(jql, ["key"], _KEYS_A_PAGE[self.is_cloud])]

    def keys_named(self, jql: Callable[[list[str]], str], values: list[str]) -> list[str]:
        """Return the keys that the query of some values finds, of which some may not exist; nothing for no query.

        Jira refuses the whole query for one that does not exist, and names it in quotes: it is asked without those.
        """
        while query := jql(values):
            try:
                return self.keys(query)
            except Refused as refusal:
                absent = _absent(refusal.__cause__, values)
                if not absent:
                    raise
                values = [value for value in values if value not in absent]
        return []

    def issues(self, keys: Iterable[str], fields: list[str]) -> Iterator[dict[str, Any]]:
        """Yield the issues of these keys that exist, a page a request.

        Cloud: REST v3, POST /issue/bulkfetch, which leaves out what does not exist. Data Center: REST v2, GET /search.
        """
        left = iter(keys)
        while chunk := list(islice(left, _ISSUES_A_PAGE[self.is_cloud])):
            if self.is_cloud:
                body = {"issueIdsOrKeys": chunk, "fields": fields}
                yield from self.send("POST", "issue/bulkfetch", body, needs="")["issues"]
            else:
                jql = f"key in ({quoted(chunk)})"
                # Otherwise it would refuse the query for one key that does not exist.
                yield from self.search(jql, fields, len(chunk), validateQuery="false")

    def paged(
        self, path: str, items: str, query: Query, *, agile: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Yield the items of every page of a path that is paged by startAt."""
        start, total = 0, 1
        while start < total:
            page = self.get(path, {**query, "startAt": start}, needs="", agile=agile)
            yield from page[items]
            start += len(page[items])
            # Lists of boards say whether it is the last page, all others how many there are.
            is_last = page.get("isLast", "total" not in page) or not page[items]
            total = start if is_last else page.get("total", start + 1)

    def lacking(self, rights: Iterable[str]) -> list[str]:
        """Return those of these rights that the token's account does not have in the project."""
        rights = list(rights)
        query = {"permissions": ",".join(rights), "projectKey": self._project}
        found = self.get("mypermissions", query, needs="")["permissions"]
        return [right for right in rights if not found.get(right, {}).get("havePermission")]

    def require(self, right: str, told: GareError) -> None:
        """Raise PermissionDenied when the token's account has not this right; `told` is what went wrong for it."""
        if denied := self._missing_right(right, told):
            raise denied

    @property
    def _new_token(self) -> str:
        renewal = self._connection.renewal(self._name)
        return f"The token is wrong or expired: make a new one, {renewal}"

    def _look_who(self, reply: "Response", *_args: Any, **_kwargs: Any) -> None:
        """Refuse answers given to nobody: Jira answers some requests with a wrong token as if nobody had signed in."""
        if "AUTHENTICATED_FAILED" in reply.headers.get("X-Seraph-LoginReason", ""):
            raise AuthenticationFailed(
                "Jira does not accept the token.",
                where=reply.url.partition("/rest/")[0],
                hint=self._new_token,
            )

    def _refusal(self, error: "JIRAError", needs: str) -> GareError:
        told = _told(error, self.trace, self._new_token)
        if isinstance(told, AuthenticationFailed) or told.retryable:
            return told
        # No right to see looks like not there, and no right to write like a wrong field: Jira is asked.
        return (self._missing_right(needs, told) if needs else None) or told

    def _missing_right(self, needs: str, told: GareError) -> PermissionDenied | None:
        """Ask whether a refusal was for want of a right (REST, GET /mypermissions); None when it was not."""
        query = {"permissions": needs, "projectKey": self._project}
        try:
            right = self.get("mypermissions", query, needs="")["permissions"].get(needs, {})
        except GareError as error:
            if error.retryable:
                raise
            return None
        if right.get("havePermission", True):
            return None
        return PermissionDenied(
            f"The right {right.get('name', needs)!r} is missing. {told.what}",
            where=told.where,
            hint=f"Ask an administrator to give {needs} to the token's account (docs/how-to/jira.md).",
        )


def quoted(values: Iterable[str]) -> str:
    """Spell values for JQL's `in`."""
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return ", ".join(f'"{value}"' for value in escaped)


def _absent(error: BaseException | None, values: Iterable[str]) -> set[str]:
    """Return the values that Jira says do not exist; none when something else is wrong with the query, too.

    One message a value, which is quoted in every language.
    """
    from jira.resilientsession import parse_errors

    reply = getattr(error, "response", None)
    messages = parse_errors(reply) if reply is not None else []
    named = [{value for value in values if f"'{value}'" in message} for message in messages]
    return set[str]().union(*named) if all(named) else set()


# What Jira's answers mean. Texts are in the user's language: only the status and the names of fields are relied on.

_HINTS: Mapping[int, str] = {
    403: "Ask an administrator of the project for the right (docs/how-to/jira.md).",
    404: "Look at the key, and whether the token's account may see it: no right looks like not there.",
    409: "Somebody changed it at the same moment: `gare resume` looks again.",
    410: "This is Jira Cloud: write `deployment: cloud` at the connection.",
}
_SAID = 400


def _told(error: "JIRAError", where: str, new_token: str) -> GareError:
    status, said = error.status_code or 0, " ".join((error.text or "").split())[:_SAID]
    what = f"Jira answered {status}: {said.rstrip('.')}." if said else f"Jira answered {status}."
    headers: Mapping[str, str] = error.response.headers if error.response is not None else {}
    if "CAPTCHA" in headers.get("X-Authentication-Denied-Reason", ""):
        return AuthenticationFailed(
            "Jira wants a CAPTCHA from the token's account.",
            where=where,
            hint="Sign in once with a browser as that account; then correct the token.",
        )
    if status in (400, 422):
        return Refused(
            what,
            where=where,
            hint="Look at the names under `tickets` in gare.yaml; what is archived in Jira cannot be given.",
        )
    return refusal(
        status, what, where=where, hint=new_token if status == 401 else _HINTS.get(status, "")
    )


def _may_repeat(request: "PreparedRequest") -> bool:
    """Tell whether a second request means the same: the POST that only reads does, and a change of a version does not.

    One that was archived by the first cannot be changed by the second.
    """
    url = request.url or ""
    if request.method == "PUT":
        return not re.search(r"/version/[^/]+$", url)
    return request.method != "POST" or url.endswith("/issue/bulkfetch")
