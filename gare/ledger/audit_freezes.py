"""Whether freezes and overrides are what the events say. Changes nothing."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from gare.ledger.audit_view import View
from gare.ledger.chain import Event, event_name
from gare.ledger.container import Problem
from gare.ledger.replay import Json, Reader, differences, load
from gare.ledger.schema import events, freezes, overrides


def check_freezes(view: View) -> Iterator[Problem]:
    """Yield each window, stop or override that is not what the events make of it."""
    made: dict[str, Json] = {}
    for event, body in _told(view, "freeze added", "freeze lifted"):
        number = f"{body.number('number'):.0f}"
        if event.kind == "freeze added":
            made[number] = {
                "name": body.text("name"),
                "body": body.any("is"),
                "made_by": event.actor,
                "made_at": event.at,
                "until": body.any("until"),
                "lifted_at": None,
            }
        elif number in made:
            made[number]["lifted_at"] = event.at
        else:
            yield Problem(event_name(event), "it lifts a freeze that no event added")
    rows = {str(row.number): _freeze(row) for row in view.stream(select(freezes))}
    for place, what in differences(rows, made, "freezes"):
        yield Problem(place, what)
    yield from _check_overrides(view)


def _check_overrides(view: View) -> Iterator[Problem]:
    made = {
        f"{event.stream}, {body.text('environment')}, {name}": {
            "person": event.actor,
            "reason": body.text("reason"),
            "at": event.at,
            "until": _until(body, name),
        }
        for event, body in _told(view, "freeze overridden")
        for name in body.object("freezes").value
    }
    rows = {
        f"R-{row.release}, {row.environment}, {row.name}": {
            "person": row.person,
            "reason": row.reason,
            "at": row.at,
            "until": row.until,
        }
        for row in view.stream(select(overrides))
    }
    for place, what in differences(rows, made, "overrides"):
        yield Problem(place, what)


def _until(body: Reader, name: str) -> Any:
    """Return until when an override counts; before form 0005 of the ledger no event says it."""
    return body.object("until").value.get(name) if "until" in body.value else None


def _freeze(row: Any) -> Json:
    keys = ("name", "made_by", "made_at", "until", "lifted_at")
    return {key: getattr(row, key) for key in keys} | {"body": load(row.body, f"freeze {row.name}")}


def _told(view: View, *kinds: str) -> Iterator[tuple[Event, Reader]]:
    query = select(events).where(events.c.kind.in_(kinds)).order_by(events.c.stream, events.c.seq)
    for row in view.stream(query):
        event = Event(**row._mapping)
        yield event, Reader(load(event.body, event_name(event)), event_name(event))
