"""Whether the fixes of hotfixes stand where the events say. Changes nothing."""

from collections.abc import Iterator

from sqlalchemy import select

from gare.ledger.audit_rows import of_station
from gare.ledger.audit_view import View
from gare.ledger.container import Problem
from gare.ledger.fixes import EVENT
from gare.ledger.replay import Json, differences
from gare.ledger.schema import fixes


def check_fixes(view: View) -> Iterator[Problem]:
    """Yield each fix in a line that is not what its last event says."""
    made: Json = {}
    for event, body in of_station(view, EVENT):
        place = f"{body.text('release')} {body.text('commit')} in {body.text('line')}"
        made[place] = {**body.value, "changed_by": event.actor, "changed_at": event.at}
    rows = {
        f"R-{row.release} {row.commit} in {row.line}": {
            **row._mapping,
            "release": f"R-{row.release}",
        }
        for row in view.stream(select(fixes))
    }
    for place, what in differences(rows, made, "fixes"):
        yield Problem(place, what)
