"""Scope of a version in Jira, Cloud (REST v3) and Data Center (REST v2): which tickets it is about. Reads only.

Asks in few requests, never one per ticket: a hundred tickets each (two hundred on Data Center), and three more.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from gare.connectors.jira_project import JiraProject
from gare.connectors.jira_site import quoted
from gare.connectors.vendor_errors import understood
from gare.ports.tracker import Ticket

Json = Mapping[str, Any]

FIELDS = ["summary", "issuetype", "status", "fixVersions"]
STATUSES: Mapping[str, str] = {"new": "todo", "indeterminate": "doing", "done": "done"}
"""Jira's keys of status categories, in our words."""


@understood("Jira")
class Jira(JiraProject):
    """The tickets of one project of a Jira. Implements `Tracker`."""

    def tickets(
        self, keys: Iterable[str], version: str, since: datetime | None = None
    ) -> list[Ticket]:
        """Return the tickets named in `keys` and those planned for `version`, sorted by key; reopened ones say so.

        Searches ask for keys alone, in long pages; then all tickets are read by key.
        """
        names = self._settings.names(version)
        reopened = self._reopened(since) if since else ""
        scope = self._site.keys_named(lambda known: self._scope(known, reopened), names)
        again = set(self._site.keys(reopened)) if reopened else set[str]()
        wanted = {*scope, *(key for key in keys if self._is_ours(key))}
        return sorted(
            (
                ticket_of(issue, names, is_reopened=issue["key"] in again)
                for issue in self._site.issues(sorted(wanted), FIELDS)
            ),
            key=lambda ticket: ticket.key,
        )

    def _scope(self, names: list[str], reopened: str) -> str:
        """Spell what is planned for these versions, and what was reopened of a version that is out."""
        project, out = quoted([self._settings.project]), quoted(self._settings.projects)
        parts = [f"(project = {project} AND fixVersion in ({quoted(names)}))"] if names else []
        parts += [f"({reopened} AND fixVersion in releasedVersions({out}))"] if reopened else []
        return " OR ".join(parts)

    def _reopened(self, since: datetime) -> str:
        """Spell what left a done status after `since` and is not done now; nothing when no status means done."""
        done = self._done_statuses()
        if not done:
            return ""
        # A date alone, a day early: JQL reads instants in the zone of the token's account, which is not known here.
        after = (since - timedelta(days=1)).date().isoformat()
        return (
            f"project in ({quoted(self._settings.projects)}) AND statusCategory != Done "
            f'AND status CHANGED FROM ({quoted(done)}) AFTER "{after}"'
        )

    def _done_statuses(self) -> list[str]:
        """Return the names of the statuses that mean done, in any project (REST, GET /status)."""
        found = self._site.get("status", needs="")
        return sorted({status["name"] for status in found if category_of(status) == "done"})

    def _is_ours(self, key: str) -> bool:
        """Whether a key is of a project that is asked for: commits also name UTF-8 and RFC-5545."""
        return key.rpartition("-")[0] in self._settings.projects


def ticket_of(issue: Json, names: Iterable[str] = (), *, is_reopened: bool = False) -> Ticket:
    """Return an issue as a ticket; its version is the one of `names` that it has, or all that it has."""
    fields = issue["fields"]
    versions = [version["name"] for version in fields.get("fixVersions") or ()]
    return Ticket(
        issue["key"],
        fields["summary"],
        fields["issuetype"]["name"].lower(),
        "reopened" if is_reopened else category_of(fields["status"]),
        next((name for name in names if name in versions), ", ".join(versions)),
        fields["status"]["name"],
    )


def category_of(status: Json) -> str:
    """Return what a status means: todo, doing or done."""
    return STATUSES.get(status.get("statusCategory", {}).get("key", ""), "todo")
