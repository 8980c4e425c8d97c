"""Scope of a version in Jira, Cloud (REST v3) and Data Center (REST v2): which tickets it is about. Reads only.

Asks in few requests, never one per ticket: what is planned for the version, then by key what is not known yet.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gare.connectors.jira_settings import JiraConnection, JiraTrackerSettings
from gare.connectors.jira_site import PAGE, Site, quoted
from gare.connectors.vendor_errors import understood
from gare.ports.tracker import Ticket

Json = Mapping[str, Any]

FIELDS = ["summary", "issuetype", "status", "fixVersions"]
STATUSES: Mapping[str, str] = {"new": "todo", "indeterminate": "doing", "done": "done"}
"""Jira's keys of status categories, in our words."""


@understood("Jira")
class Jira:
    """The tickets of one project of a Jira. Implements `Tracker`."""

    def __init__(
        self, settings: JiraTrackerSettings, connection: JiraConnection, base: Path
    ) -> None:
        """Take the settings, the connection they name, and the folder that file secrets are relative to."""
        self._settings, self._site = settings, Site(connection, base, settings.project)

    def tickets(
        self, keys: Iterable[str], version: str, since: datetime | None = None
    ) -> list[Ticket]:
        """Return the tickets named in `keys` and those planned for `version`, sorted by key; reopened ones say so."""
        names = self._settings.names(version)
        found = _by_key(self._planned(names))
        asked = sorted(key for key in set(keys) - found.keys() if self._is_ours(key))
        for start in range(0, len(asked), PAGE):
            found |= _by_key(self._named(asked[start : start + PAGE]))
        reopened = _by_key(self._reopened(since) if since else [])
        found |= {key: issue for key, issue in reopened.items() if key in found or _is_out(issue)}
        return [
            ticket_of(issue, names, is_reopened=key in reopened)
            for key, issue in sorted(found.items())
        ]

    def _planned(self, names: list[str]) -> Iterable[Json]:
        project = self._settings.project
        return self._site.search_named(
            f"project = {project} AND fixVersion in ({{}})", names, FIELDS
        )

    def _named(self, keys: list[str]) -> Iterable[Json]:
        return self._site.search_named("key in ({})", keys, FIELDS)

    def _reopened(self, since: datetime) -> Iterable[Json]:
        """Ask for what left a done status after `since` and is not done now."""
        done = self._done_statuses()
        if not done:
            return []
        projects = ", ".join(self._settings.projects)
        # A date alone, a day early: JQL reads instants in the zone of the token's account, which is not known here.
        after = (since - timedelta(days=1)).date().isoformat()
        jql = (
            f"project in ({projects}) AND statusCategory != Done "
            f'AND status CHANGED FROM ({quoted(done)}) AFTER "{after}"'
        )
        return self._site.search(jql, FIELDS)

    def _done_statuses(self) -> list[str]:
        """Return the names of the statuses that mean done (REST, GET /project/{key}/statuses)."""
        kinds = self._site.get(f"project/{self._settings.project}/statuses")
        statuses = (status for kind in kinds for status in kind["statuses"])
        return sorted({s["name"] for s in statuses if category_of(s) == "done"})

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
    )


def category_of(status: Json) -> str:
    """Return what a status means: todo, doing or done."""
    return STATUSES.get(status.get("statusCategory", {}).get("key", ""), "todo")


def _by_key(issues: Iterable[Json]) -> dict[str, Json]:
    return {issue["key"]: issue for issue in issues}


def _is_out(issue: Json) -> bool:
    """Whether a version that an issue was planned for is released."""
    return any(version.get("released") for version in issue["fields"].get("fixVersions") or ())
