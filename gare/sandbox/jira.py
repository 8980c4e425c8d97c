"""A simulated Jira: Cloud (REST v3, search by page tokens) or Data Center (REST v2), and its boards.

Holds to Jira's own rules: transitions by workflow and screen, versions unique by name, one link per `globalId`, a query
that names what does not exist is refused whole. What is not here answers 400.
"""

from typing import Any, ClassVar

from gare.sandbox import jira_replies as replies
from gare.sandbox import jira_screens as screens
from gare.sandbox.jira_base import api
from gare.sandbox.jira_jql import JqlError, compiled
from gare.sandbox.jira_places import JiraPlaces
from gare.sandbox.jira_replies import refused
from gare.sandbox.jira_seed import Project
from gare.sandbox.jira_state import Issue
from gare.sandbox.seed_model import check
from gare.sandbox.vendor import Operation, Reply, Request, control, route

_LONGEST_SUMMARY = 255
_KEYS_A_PAGE = 5000
_MOST_AT_ONCE = 100
_GONE = (
    "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. "
    "A full migration guideline is available at https://developer.atlassian.com/changelog/#CHANGE-2046"
)
_UNBOUNDED = (
    "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."
)


class Jira(JiraPlaces):
    """One Jira; the seed says which deployment."""

    gaps: ClassVar[dict[Operation, str]] = {
        ("GET", "/rest/api/3/search"): "taken out of Cloud: it answers 410",
        ("POST", "/rest/api/3/search"): "taken out of Cloud: it answers 410",
        ("GET", "/rest/api/2/issue/{key}/remotelink"): "described as one link where it lists them",
        (
            "GET",
            "/rest/agile/1.0/sprint/{id}/issue",
        ): "described with `fields` as a list of objects",
    }

    # Search

    @route("GET", "/rest/api/3/search")
    @route("POST", "/rest/api/3/search")
    @route("GET", "/rest/api/2/search")
    def search(self, request: Request) -> Reply:
        """Answer Data Center's search, page by startAt."""
        if self.is_cloud:
            raise refused(410, _GONE)
        if request.operation[1].startswith("/rest/api/3"):
            raise refused(404, "null for uri: " + request.path)
        is_strict = request.asked("validateQuery", "true") not in ("false", "none")
        found = self._found(request, request.asked("jql"), is_strict=is_strict)
        start, size = self.span(request)
        return Reply(200, replies.page("issues", found, start, size))

    @route("GET", "/rest/api/3/search/jql")
    def search_jql(self, request: Request) -> Reply:
        """Answer Cloud's search, page by token; only ids unless fields are named."""
        found = self._found(request, request.asked("jql"), usual=("id",))
        token = request.asked("nextPageToken", "p0")
        if not (token.startswith("p") and token[1:].isdigit()):
            raise refused(400, "The nextPageToken is not valid.")
        is_short = set(_split(request.every("fields"))) <= {"id", "key"}
        start, size = int(token[1:]), self.span(request, longest=_KEYS_A_PAGE if is_short else 0)[1]
        shown = found[start : start + size]
        is_last = start + len(shown) >= len(found)
        more = {} if is_last else {"nextPageToken": f"p{start + len(shown)}"}
        return Reply(200, {"issues": shown, "isLast": is_last, **more})

    @route("POST", "/rest/api/3/issue/bulkfetch")
    def bulk_fetch(self, request: Request) -> Reply:
        """Return the issues that exist, by key."""
        keys = request.fields["issueIdsOrKeys"]
        if not isinstance(keys, list) or len(keys) > _MOST_AT_ONCE:
            raise refused(400, f"At most {_MOST_AT_ONCE} issues can be fetched.")
        base, wanted = self.base(request), list(request.fields.get("fields", ()))
        seen = self.state.issues if self.may(request, "BROWSE_PROJECTS") else {}
        known = [issue for key in map(str, keys) if (issue := seen.get(key.upper()))]
        shown = [replies.issue(issue, self.state, base, wanted) for issue in known]
        return Reply(200, {"issues": shown, "issueErrors": []})

    # Issues

    @api("POST", "issue")
    def create_issue(self, request: Request) -> Reply:
        """Create an issue."""
        fields = request.fields.get("fields", {})
        project = self.project(request, _named(fields.get("project"), "key", "id"))
        if not self.may(request, "CREATE_ISSUES"):
            raise refused(400, project="You cannot create issues in this project.")
        kind = _named(fields.get("issuetype"), "name", "id")
        if kind not in project.kinds:
            raise refused(400, issuetype="Specify a valid issue type")
        summary = str(fields.get("summary", "")).strip()
        if not summary or len(summary) > _LONGEST_SUMMARY:
            raise refused(400, summary="You must specify a summary of the issue.")
        if "description" in fields:
            replies.check_text(fields["description"], "description", is_adf=self.is_cloud)
        if missing := [name for name in project.asks.get(kind, ()) if not fields.get(name)]:
            raise refused(400, **{name: f"{name} is required." for name in missing})
        said: dict[str, Any] = {
            "kind": kind,
            "summary": summary,
            "status": next(iter(project.statuses)),
            "labels": [str(label) for label in fields.get("labels", ())],
            "fields": {key: fields[key] for key in ("description",) if key in fields},
        }
        issue = self.state.add_issue(project.key, said, self.clock.now())
        link = f"{self.base(request)}/issue/{issue.id}"
        return Reply(201, {"id": issue.id, "key": issue.key, "self": link})

    @api("GET", "issue/{key}")
    def one_issue(self, request: Request) -> Reply:
        """Return an issue."""
        wanted = _split(request.every("fields"))
        return Reply(
            200, replies.issue(self.issue(request), self.state, self.base(request), wanted)
        )

    @api("PUT", "issue/{key}")
    def edit_issue(self, request: Request) -> Reply:
        """Change fields of an issue: `update` adds and removes, `fields` replaces."""
        issue = self.issue(request)
        if not self.may(request, "EDIT_ISSUES"):
            raise refused(403, "You do not have permission to edit issues in this project.")
        versions, labels = list(issue.versions), list(issue.labels)
        for field, operations in request.fields.get("update", {}).items():
            kept = {"fixVersions": versions, "labels": labels}.get(field)
            if kept is None:
                raise refused(400, **{field: f"Field '{field}' cannot be set."})
            for operation in operations:
                self._operate(issue, field, kept, operation)
        if "fixVersions" in request.fields.get("fields", {}):
            versions[:] = [str(v.get("name")) for v in request.fields["fields"]["fixVersions"]]
            self._check_versions(issue, versions)
        self.state.touch(issue, self.clock.now())
        issue.versions, issue.labels = versions, labels
        return Reply(204)

    @api("GET", "issue/{key}/transitions")
    def transitions(self, request: Request) -> Reply:
        """List what is offered now."""
        issue, base = self.issue(request), self.base(request)
        project = self.state.projects[issue.project]
        has_fields = "transitions.fields" in request.asked("expand")
        offered = self.state.offered(issue) if self.may(request, "TRANSITION_ISSUES") else []
        told = [
            {
                "id": found.id,
                "name": found.name,
                "to": replies.status(found.to, project.statuses[found.to], base),
                "hasScreen": bool(found.screen),
                **({"fields": screens.described(found)} if has_fields else {}),
            }
            for found in offered
        ]
        return Reply(200, {"expand": "transitions", "transitions": told})

    @api("POST", "issue/{key}/transitions")
    def transition(self, request: Request) -> Reply:
        """Take a transition; one field that is not on its screen fails the whole."""
        issue, wanted = self.issue(request), str(request.fields.get("transition", {}).get("id"))
        offered = self.state.offered(issue) if self.may(request, "TRANSITION_ISSUES") else []
        found = next((transition for transition in offered if transition.id == wanted), None)
        if found is None:
            raise refused(
                400,
                f"It seems that you have tried to perform a workflow operation (id {wanted}) "
                "that is not valid for the current state of this issue.",
            )
        given = dict(request.fields.get("fields", {}))
        if strange := [field for field in given if field not in found.screen]:
            told = "Field '{}' cannot be set. It is not on the appropriate screen, or unknown."
            raise refused(400, **{field: told.format(field) for field in strange})
        for field, asked in found.screen.items():
            screens.check(field, asked, given, is_cloud=self.is_cloud)
        self.state.take(issue, found, given, self.clock.now())
        return Reply(204)

    @api("GET", "issue/{key}/comment")
    def comments(self, request: Request) -> Reply:
        """List comments, oldest first unless asked otherwise."""
        issue, base = self.issue(request), self.base(request)
        found = [replies.comment(comment, base) for comment in issue.comments]
        if request.asked("orderBy") == "-created":
            found.reverse()
        return Reply(200, replies.page("comments", found, *self.span(request)))

    @api("POST", "issue/{key}/comment")
    def add_comment(self, request: Request) -> Reply:
        """Add a comment: ADF on Cloud, wiki text on Data Center."""
        issue, body = self.issue(request), request.fields.get("body")
        if not self.may(request, "ADD_COMMENTS"):
            raise refused(400, comment="You do not have the permission to comment on this issue.")
        replies.check_text(body, "comment", is_adf=self.is_cloud)
        who = self.user(request).name
        made = replies.made_comment(self.state.number(), body, who, self.clock.now())
        issue.comments.append(made)
        return Reply(201, replies.comment(made, self.base(request)))

    @api("GET", "issue/{key}/remotelink")
    def links(self, request: Request) -> Reply:
        """List remote links, or the one with a globalId."""
        issue, wanted = self.issue(request), request.asked("globalId")
        if not wanted:
            return Reply(200, issue.links)
        for link in issue.links:
            if link.get("globalId") == wanted:
                return Reply(200, link)
        raise refused(404, "The remote issue link does not exist.")

    @api("POST", "issue/{key}/remotelink")
    def add_link(self, request: Request) -> Reply:
        """Add a link, or change the one with the same globalId."""
        issue, fields = self.issue(request), request.fields
        shown = fields.get("object", {})
        if not shown.get("url") or not shown.get("title"):
            raise refused(400, title="'title' and 'url' are required.")
        known = next((k for k in issue.links if k.get("globalId") == fields.get("globalId")), None)
        is_new = known is None or "globalId" not in fields
        link: dict[str, Any] = {"id": self.state.number()} if is_new or known is None else known
        link |= {
            name: fields[name] for name in ("globalId", "object", "relationship") if name in fields
        }
        link["self"] = f"{self.base(request)}/issue/{issue.key}/remotelink/{link['id']}"
        if is_new:
            issue.links.append(link)
        return Reply(201 if is_new else 200, {"id": link["id"], "self": link["self"]})

    # What people do by hand

    @control("project", "key")
    def make_project(self, fields: dict[str, Any]) -> dict[str, str]:
        """Make a project: `key`, and what else a seed says of one."""
        check("a project made by hand", fields, Project)
        self.state.add_project(fields["key"], fields, self.clock.now())
        return {"key": fields["key"]}

    @control("move", "key", "to")
    def move(self, fields: dict[str, Any]) -> dict[str, str]:
        """Take an issue to a status by a transition that is offered: `{key, to}`."""
        issue = self.state.issues[fields["key"]]
        found = next(t for t in self.state.offered(issue) if t.to == fields["to"])
        self.state.take(issue, found, {}, self.clock.now())
        return {"key": issue.key, "status": issue.status}

    def _found(
        self, request: Request, jql: str, usual: tuple[str, ...] = (), *, is_strict: bool = True
    ) -> list[Any]:
        try:
            test = compiled(jql, self.state, is_strict=is_strict)
        except JqlError as error:
            raise refused(400, *error.told) from error
        if test is None and self.is_cloud:
            raise refused(400, _UNBOUNDED)
        wanted = _split(request.every("fields")) or list(usual)
        seen = self.state.searched(self.clock.now()) if self.may(request, "BROWSE_PROJECTS") else ()
        issues = sorted((i for i in seen if test is None or test(i)), key=_place)
        base = self.base(request)
        return [replies.issue(issue, self.state, base, wanted) for issue in issues]

    def _operate(
        self, issue: Issue, field: str, kept: list[str], operation: dict[str, Any]
    ) -> None:
        verb, value = next(iter(operation.items()))
        name = str(value.get("name")) if isinstance(value, dict) else str(value)
        if verb == "add" and name not in kept:
            kept.append(name)
        elif verb == "remove" and name in kept:
            kept.remove(name)
        elif verb not in ("add", "remove"):
            raise refused(400, **{field: f"The operation '{verb}' is not known."})
        if field == "fixVersions":
            self._check_versions(issue, [name])

    def _check_versions(self, issue: Issue, names: list[str]) -> None:
        known = {v.name for v in self.state.projects[issue.project].versions if not v.archived}
        for name in names:
            if name not in known:
                raise refused(400, fixVersions=f"Version name '{name}' is not valid")


def _named(value: Any, *keys: str) -> str:
    found = value if isinstance(value, dict) else {}
    return next((str(found[key]) for key in keys if key in found), "")


def _split(said: list[str]) -> list[str]:
    return [name for value in said for name in value.split(",")]


def _place(issue: Issue) -> tuple[str, int]:
    project, _, number = issue.key.rpartition("-")
    return project, int(number)
