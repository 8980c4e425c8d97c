"""Whether what stands in environments - verified versions, holds - is what the events say. Changes nothing."""

from collections.abc import Iterator

from sqlalchemy import func, select

from gare.domain.digest import canonical
from gare.ledger.audit_rows import of_station
from gare.ledger.audit_view import View
from gare.ledger.chain import Event, event_name
from gare.ledger.container import Problem
from gare.ledger.replay import Json, Reader, differences, load
from gare.ledger.schema import events, holds, releases, verified


def check_verified(view: View) -> Iterator[Problem]:
    """Yield each verified version that no event tells, and each that an event tells and that has no row."""
    for row in view.stream(select(verified)):
        told = select(events.c.body).where(
            events.c.stream == f"R-{row.release}", events.c.kind == "verified good"
        )
        wanted = canonical({"environment": row.environment, "version": row.version})
        if wanted not in view.connection.execute(told).scalars().all():
            yield Problem(
                f"verified {row.project} in {row.environment}",
                f"no event of R-{row.release} says that {row.version} was verified good there",
            )
    first = {
        (row.project, row.environment): row.first
        for row in view.stream(
            select(
                verified.c.project,
                verified.c.environment,
                func.min(verified.c.release).label("first"),
            ).group_by(verified.c.project, verified.c.environment)
        )
    }
    query = select(events).where(events.c.kind == "verified good").order_by(events.c.stream)
    for event_row in view.stream(query):
        event = Event(**event_row._mapping)
        body = Reader(load(event.body, event_name(event)), event_name(event))
        yield from _missing(view, event, body, first)


def _missing(
    view: View, event: Event, body: Reader, first: dict[tuple[str, str], int]
) -> Iterator[Problem]:
    number = int(event.stream.removeprefix("R-"))
    project = view.connection.execute(
        select(releases.c.project).where(releases.c.number == number)
    ).scalar()
    environment, version = body.text("environment"), body.text("version")
    # Before form 0003 of the ledger only the last one of an environment had a row.
    if number < first.get((str(project), environment), number):
        return
    row = select(verified.c.number).where(
        verified.c.release == number,
        verified.c.environment == environment,
        verified.c.version == version,
    )
    if view.connection.execute(row).first() is None:
        yield Problem(event_name(event), f"{version} in {environment} has no row")


def check_holds(view: View) -> Iterator[Problem]:
    """Yield each hold that is not what the events make of it."""
    made: dict[str, Json] = {}
    for event, body in of_station(view, "hold placed", "hold released"):
        place = f"{body.text('project')}/{body.text('environment')}"
        if event.kind == "hold placed":
            made[place] = {
                "release": body.text("release"),
                "reason": body.text("reason"),
                "since": event.at,
            }
        elif made.pop(place, None) is None:
            yield Problem(event_name(event), "it releases a hold that no event placed")
    rows = {
        f"{row.project}/{row.environment}": {
            "release": f"R-{row.release}",
            "reason": row.reason,
            "since": row.since,
        }
        for row in view.stream(select(holds))
    }
    for place, what in differences(rows, made, "holds"):
        yield Problem(place, what)
