"""What Jira is going to refuse, asked before it is tried: rights, transitions, types of change tickets. Reads only."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from gare.connectors.jira import category_of
from gare.connectors.jira_moves import Moves
from gare.connectors.jira_project import JiraProject
from gare.connectors.jira_versions import JiraVersions
from gare.connectors.vendor_errors import understood
from gare.errors import PermissionDenied, Refused

Json = Mapping[str, Any]

_GIVEN = ("project", "issuetype", "summary", "description", "labels", "reporter")
"""Fields of a change ticket that Gare or Jira itself fills in."""


@understood("Jira")
class JiraForesight(JiraProject):
    """One project of a Jira. Implements `TicketForesight`."""

    @cached_property
    def _moves(self) -> Moves:
        return Moves(self._site)

    def account(self) -> str:
        """Return the name of the token's account (REST, GET /myself)."""
        return str(self._site.get("myself", needs="")["displayName"])

    def lacking(self, rights: Iterable[str]) -> list[str]:
        """Return those of these rights (Jira's own keys) that the account does not have in the project."""
        return self._site.lacking(rights)

    def refused_move(self, key: str, to: str, fields: Json) -> str:
        """Say why a ticket cannot be taken to a status as it stands now."""
        try:
            self._moves.way(key, to, fields)
        except (Refused, PermissionDenied) as refusal:
            return refusal.what
        return ""

    def refused_version(self, name: str) -> str:
        """Say that a version is archived (REST, GET /project/{key}/versions): it takes no tickets any more."""
        found = JiraVersions(self._settings, self._site).version(name)
        return f"version {name} is archived" if found is not None and found.is_archived else ""

    def unknown_status(self, name: str) -> str:
        """Say that no workflow of the project has a status (REST, GET /project/{key}/statuses)."""
        kinds = self._site.get(f"project/{self._settings.project}/statuses")
        found = {one["name"]: category_of(one) for kind in kinds for one in kind["statuses"]}
        if name in found.values() or name.casefold() in map(str.casefold, found):
            return ""
        return f"no status {name!r}; there are {', '.join(sorted(found))}"

    def refused_change(self, project: str, kind: str) -> str:
        """Say why no change ticket of a type can be made (REST, GET /issue/createmeta/{project}/issuetypes)."""
        path = f"issue/createmeta/{project or self._settings.project}/issuetypes"
        kinds = _listed(self._site.get(path), "issueTypes")
        mine = next((one for one in kinds if one["name"] == kind), None)
        if mine is None:
            return (
                f"no tickets of type {kind!r}; there are {', '.join(one['name'] for one in kinds)}"
            )
        fields = _listed(self._site.get(f"{path}/{mine['id']}"), "fields")
        asked = [
            f"{one.get('name', '')} (`{one['fieldId']}`)"
            for one in fields
            if one.get("required") and not one.get("hasDefaultValue")
            if one["fieldId"] not in _GIVEN
        ]
        return f"tickets of type {kind} ask for {', '.join(asked)}" if asked else ""


def _listed(found: Any, name: str) -> list[Json]:
    """Return the rows of a page: Data Center calls them all `values`."""
    rows: list[Json] = found.get("values") or found[name]
    return rows
