"""A real Jira -> a section of the sandbox's seed: versions, tickets in scope, workflow, boards. Reads only.

A request per hundred tickets and two per status, never one per ticket: what a workflow allows is told by Jira only for
a ticket, so one ticket of each status is asked.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gare.connectors.jira import category_of
from gare.connectors.jira_settings import JiraConnection
from gare.connectors.jira_site import PAGE, Site, quoted
from gare.connectors.jira_transition import CATEGORIES
from gare.rehearsal.reading import Reading
from gare.sandbox.jira_base import RIGHTS

Json = Mapping[str, Any]

_FIELDS = ["summary", "issuetype", "status", "fixVersions", "labels"]
_RIGHTS = [right for right in RIGHTS if right != "MANAGE_SPRINTS_PERMISSION"]
"""Those that every Jira knows: one that it does not know refuses the whole question."""
_MOST_BOARDS = 5


def read_jira(
    site: Site,
    connection: JiraConnection,
    projects: Iterable[str],
    tickets: Iterable[str],
    *,
    token: str,
) -> Reading:
    """Read the projects of a Jira, with these tickets of them. `token` is the one that the sandbox knows.

    REST v3 on Cloud and v2 on Data Center: myself, mypermissions, project, statuses, versions, search, transitions.
    """
    name = str(site.get("myself", needs="")["displayName"])
    user = {"name": name, "email": connection.user, "token": token, "lacks": site.lacking(_RIGHTS)}
    deployment = "cloud" if connection.is_cloud else "data-center"
    reading = Reading({"type": "jira", "deployment": deployment, "users": [user]})
    issues = list(site.issues(sorted(tickets), _FIELDS))
    reading.seed["projects"] = {
        key: _project(site, reading, key, [one for one in issues if _is_of(one, key)])
        for key in dict.fromkeys(projects)
    }
    return reading


def _project(site: Site, reading: Reading, key: str, issues: list[Json]) -> dict[str, Any]:
    kinds = reading.allowed(f"Jira {key}: the statuses", lambda: _kinds(site, key))
    statuses = _statuses([*kinds, {"statuses": [one["fields"]["status"] for one in issues]}])
    boards = list(_boards(site, reading, key))
    return {
        "name": key,
        "kinds": [kind["name"] for kind in kinds],
        "versions": reading.allowed(f"Jira {key}: the versions", lambda: _versions(site, key)),
        "workflow": {
            "statuses": statuses,
            "transitions": list(_transitions(site, reading, key, statuses, issues)),
        },
        "issues": [_issue(one) for one in issues],
        "boards": boards,
    }


def _kinds(site: Site, key: str) -> list[Json]:
    found: list[Json] = site.get(f"project/{key}/statuses")
    return found


def _statuses(kinds: Iterable[Json]) -> dict[str, str]:
    """Return the categories of statuses, those that come first in a workflow first."""
    found = {one["name"]: category_of(one) for kind in kinds for one in kind["statuses"]}
    order = list(CATEGORIES)
    return {
        name: CATEGORIES[found[name]] for name in sorted(found, key=lambda n: order.index(found[n]))
    }


def _versions(site: Site, key: str) -> list[dict[str, Any]]:
    return [
        {
            "name": one["name"],
            "description": one.get("description") or "",
            "released": bool(one.get("released")),
            "archived": bool(one.get("archived")),
            "release_date": one.get("releaseDate") or "",
        }
        for one in site.get(f"project/{key}/versions")
    ]


def _issue(said: Json) -> dict[str, Any]:
    fields = said["fields"]
    return {
        "key": said["key"],
        "title": fields["summary"],
        "kind": fields["issuetype"]["name"],
        "status": fields["status"]["name"],
        "versions": [one["name"] for one in fields.get("fixVersions") or ()],
        "labels": list(fields.get("labels") or ()),
    }


def _is_of(issue: Json, project: str) -> bool:
    return str(issue["key"]).rpartition("-")[0] == project


def _transitions(
    site: Site, reading: Reading, key: str, statuses: Iterable[str], issues: list[Json]
) -> Iterator[dict[str, Any]]:
    """Yield the arrows of the workflow, as one ticket of each status is offered them."""
    known: dict[tuple[str, str], dict[str, Any]] = {}
    unknown = []
    for status in statuses:
        example = _example(site, key, status, issues)
        if not example:
            unknown.append(status)
            continue
        query = {"expand": "transitions.fields"}
        for one in site.get(f"issue/{example}/transitions", query)["transitions"]:
            arrow = known.setdefault((one["name"], one["to"]["name"]), _arrow(one))
            arrow["from"].append(status)
    yield from (arrow for arrow in known.values() if arrow["to"] in statuses)
    if unknown:
        reading.notes.append(
            f"Jira {key}: no ticket is {' or '.join(unknown)}, so it is not known what the workflow offers there; "
            "in this rehearsal, everything"
        )
        yield from ({"name": to, "to": to, "from": unknown} for to in statuses)


def _example(site: Site, key: str, status: str, issues: list[Json]) -> str:
    """Return a ticket in this status, one of the release where there is one."""
    mine = (one for one in issues if one["fields"]["status"]["name"] == status and _is_of(one, key))
    others = site.search(f"project = {quoted([key])} AND status = {quoted([status])}", ["status"])
    found = next(mine, None) or next(others, None)
    return str(found["key"]) if found else ""


def _arrow(said: Json) -> dict[str, Any]:
    screen = {name: _field(one) for name, one in (said.get("fields") or {}).items()}
    return {"name": said["name"], "to": said["to"]["name"], "from": [], "screen": screen}


def _field(said: Json) -> dict[str, Any]:
    field: dict[str, Any] = {"name": said.get("name", ""), "required": bool(said.get("required"))}
    schema = said.get("schema") or {}
    field |= {key: schema[key] for key in ("type", "items") if schema.get(key)}
    if custom := str(schema.get("custom") or "").rpartition(":")[2]:
        field["custom"] = custom
    allowed = [one for one in said.get("allowedValues") or () if isinstance(one, dict)]
    values = [one.get("value") or one.get("name") for one in allowed]
    if values and all(values):
        field["values"] = values
    if said.get("hasDefaultValue"):
        field["default"] = values[0] if values else ""
    return field


def _boards(site: Site, reading: Reading, key: str) -> Iterator[dict[str, Any]]:
    """Yield the boards with their active sprints and what of them is in the release; Jira Software alone has any."""

    def read() -> Iterator[Json]:
        query = {"projectKeyOrId": key, "maxResults": PAGE}
        yield from site.paged("board", "values", query, agile=True)

    for board in reading.allowed(f"Jira {key}: the boards", read)[:_MOST_BOARDS]:
        sprints = list(_sprints(site, reading, board)) if board.get("type") == "scrum" else []
        yield {"name": board["name"], "kind": board.get("type", "scrum"), "sprints": sprints}


def _sprints(site: Site, reading: Reading, board: Json) -> list[dict[str, Any]]:
    def read() -> Iterator[Json]:
        query = {"state": "active", "maxResults": PAGE}
        yield from site.paged(f"board/{board['id']}/sprint", "values", query, agile=True)

    found = reading.allowed(f"Jira: the sprints of {board['name']}", read)
    return [{"name": one["name"], "state": "active"} for one in found]
