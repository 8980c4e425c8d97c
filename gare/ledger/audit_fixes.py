"""Whether the fixes of hotfixes, and what these skipped, stand where the events say. Changes nothing."""

from collections.abc import Iterator

from sqlalchemy import select

from gare.ledger.audit_rows import of_station
from gare.ledger.audit_view import View
from gare.ledger.container import Problem
from gare.ledger.fixes import EVENT
from gare.ledger.later import DONE, OWED
from gare.ledger.replay import Json, differences
from gare.ledger.schema import fixes, later_checks


def check_fixes(view: View) -> Iterator[Problem]:
    """Yield each fix in a line that is not what its last event says."""
    made: Json = {}
    for event, body in of_station(view, EVENT):
        place = f"{body.text('release')} {body.text('commit')} in {body.text('line')}"
        # Before form 0004 of the ledger nobody noted at which commit it was seen.
        made[place] = {"seen": "", **body.value, "changed_by": event.actor, "changed_at": event.at}
    rows = {
        f"R-{row.release} {row.commit} in {row.line}": {
            **row._mapping,
            "release": f"R-{row.release}",
        }
        for row in view.stream(select(fixes))
    }
    for place, what in differences(rows, made, "fixes"):
        yield Problem(place, what)


def check_later(view: View) -> Iterator[Problem]:
    """Yield each later check that is not what the events say."""
    made: Json = {}
    for event, body in of_station(view, OWED, DONE):
        place = f"{body.text('release')} {body.text('step')}"
        if event.kind == OWED:
            made[place] = {**body.value, "since": event.at, "done_by": "", "comment": ""}
        elif place in made:
            made[place] |= {"done_by": event.actor, "comment": body.text("comment")}
    rows = {
        f"R-{row.release} {row.step}": {**row._mapping, "release": f"R-{row.release}"}
        for row in view.stream(select(later_checks))
    }
    for place, what in differences(rows, made, "later checks"):
        yield Problem(place, what)
