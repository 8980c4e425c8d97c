"""Whether what people said about trains is what the events say: skipped departures, schedules that stand still."""

from collections.abc import Iterator

from sqlalchemy import select

from gare.ledger.audit_rows import of_station
from gare.ledger.audit_view import View
from gare.ledger.container import Problem
from gare.ledger.replay import Json, differences
from gare.ledger.schema import slots, stops


def check_trains(view: View) -> Iterator[Problem]:
    """Yield each skip and each stop that is not what the events say."""
    skipped: Json = {}
    stopped: Json = {}
    for event, body in of_station(
        view, "slot skipped", "slot restored", "train stopped", "train resumed"
    ):
        train = body.text("train")
        if event.kind == "slot skipped":
            skipped[f"{train} {body.text('slot')}"] = [body.text("person"), body.text("reason")]
        elif event.kind == "slot restored":
            skipped.pop(f"{train} {body.text('slot')}", None)
        elif event.kind == "train stopped":
            stopped[train] = [body.text("reason"), event.at]
        else:
            stopped.pop(train, None)
    rows = {f"{row.train} {row.at}": [row.person, row.reason] for row in view.stream(select(slots))}
    stood = {row.train: [row.reason, row.since] for row in view.stream(select(stops))}
    for name, found, wanted in (
        ("skipped departures", rows, skipped),
        ("stopped trains", stood, stopped),
    ):
        for place, what in differences(found, wanted, name):
            yield Problem(place, what)
