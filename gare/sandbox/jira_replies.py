"""How the simulated Jira spells what it holds, and what it accepts as text. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gare.sandbox.clock import stamp
from gare.sandbox.jira_state import CATEGORIES, Board, Issue, Project, Sprint, State, Version
from gare.sandbox.vendor import Declined, Reply

Json = dict[str, Any]

_ADF_LEAVES = frozenset({"text", "hardBreak", "rule", "mention", "emoji", "inlineCard"})
_ADF_NODES = _ADF_LEAVES | {
    *("paragraph", "heading", "bulletList", "orderedList", "listItem"),
    *("codeBlock", "blockquote", "panel", "table", "tableRow", "tableCell", "tableHeader"),
}
_ADF_MARKS = frozenset({"strong", "em", "code", "link", "strike", "underline", "subsup"})


def refused(status: int, *messages: str, **errors: str) -> Declined:
    """Return Jira's no: sentences, and sentences by field."""
    return Declined(Reply(status, {"errorMessages": list(messages), "errors": errors}))


def status(name: str, category: str, base: str) -> Json:
    """Spell a status."""
    number, words, colour = CATEGORIES[category]
    return {
        "self": f"{base}/status/{number}{len(name)}",
        "id": f"{number}{len(name)}",
        "name": name,
        "statusCategory": {
            "self": f"{base}/statuscategory/{number}",
            "id": number,
            "key": category,
            "colorName": colour,
            "name": words,
        },
    }


def version(found: Version, project: Project, base: str) -> Json:
    """Spell a version."""
    told: Json = {
        "self": f"{base}/version/{found.id}",
        "id": found.id,
        "name": found.name,
        "description": found.description,
        "released": found.released,
        "archived": found.archived,
        "projectId": int(project.id),
    }
    dates = {"releaseDate": found.release_date, "startDate": found.start_date}
    return told | {name: date for name, date in dates.items() if date}


def issue(found: Issue, state: State, base: str, wanted: Sequence[str]) -> Json:
    """Spell an issue with the fields that were asked for; none or `*all` is all of them."""
    project = state.projects[found.project]
    fields: Json = {
        "summary": found.summary,
        "issuetype": {"id": "1", "name": found.kind, "subtask": False},
        "project": {"id": project.id, "key": project.key, "name": project.name},
        "status": status(found.status, state.category(found), base),
        "fixVersions": [version(v, project, base) for v in project.versions if v.name in found.versions],
        "labels": list(found.labels),
        "resolution": None,
        **found.fields,
    }  # fmt: skip
    if wanted and not {"*all", "*navigable"} & set(wanted):
        fields = {name: value for name, value in fields.items() if name in wanted}
    return {
        "id": found.id,
        "key": found.key,
        "self": f"{base}/issue/{found.id}",
        "fields": fields,
    }


def comment(made: Mapping[str, Any], base: str) -> Json:
    """Spell a comment."""
    return {"self": f"{base}/comment/{made['id']}", **made}


def board(found: Board, base: str) -> Json:
    """Spell a board."""
    return {
        "id": found.id,
        "self": f"{base}/rest/agile/1.0/board/{found.id}",
        "name": found.name,
        "type": found.kind,
    }


def sprint(found: Sprint, base: str) -> Json:
    """Spell a sprint."""
    told: Json = {
        "id": found.id,
        "self": f"{base}/rest/agile/1.0/sprint/{found.id}",
        "state": found.state,
        "name": found.name,
        "originBoardId": found.board,
    }
    more = {
        "startDate": found.start,
        "endDate": found.end,
        "completeDate": found.completed,
        "goal": found.goal,
    }
    return told | {name: value for name, value in more.items() if value}


def page(
    items: str, found: Iterable[Json], start: int, size: int, *, has_last: bool = False
) -> Json:
    """Spell one page that is asked for by startAt and maxResults."""
    everything = list(found)
    shown = everything[start : start + size]
    told: Json = {"startAt": start, "maxResults": size, "total": len(everything), items: shown}
    return told | ({"isLast": start + len(shown) >= len(everything)} if has_last else {})


def check_text(value: Any, field: str, *, is_adf: bool) -> None:
    """Refuse a text that is no ADF document (v3), or no text (v2)."""
    if not is_adf:
        if not isinstance(value, str) or not value.strip():
            raise refused(400, **{field: "Operation value must be a string"})
        return
    wrong = "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
    is_document = isinstance(value, dict) and (value.get("type"), value.get("version")) == (
        "doc",
        1,
    )
    if not is_document or not all(_is_adf(node) for node in value.get("content", ())):
        raise refused(400, **{field: wrong})


def _is_adf(node: Any) -> bool:
    if not isinstance(node, dict) or node.get("type") not in _ADF_NODES:
        return False
    if node["type"] == "text" and not node.get("text"):
        return False
    marks = {mark.get("type") for mark in node.get("marks", ())}
    if marks - _ADF_MARKS or ("code" in marks and marks - {"code", "link"}):
        return False
    return all(_is_adf(inner) for inner in node.get("content", ()))


def made_comment(number: int, body: Any, who: str, now: Any) -> Json:
    """Return a new comment as it is kept."""
    at = stamp(now)
    author = {"displayName": who, "active": True}
    return {"id": str(number), "body": body, "created": at, "updated": at, "author": author}
