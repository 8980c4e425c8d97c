"""Judge the whole ledger: every stream's chain, and whether the rows say what the events make of them.

Reads one moment of the database and changes nothing. Events are streamed: memory grows with one release's record, not
with their number. The chain is checked in a pass of its own, which is several times as fast as replaying the events.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError

from gare.domain.digest import sha256
from gare.errors import GareError, Refused
from gare.ledger.audit_fixes import check_fixes, check_later
from gare.ledger.audit_freezes import check_freezes
from gare.ledger.audit_rows import (
    check_keys_of_station,
    check_releases,
    check_station,
    check_tokens,
)
from gare.ledger.audit_standing import check_holds, check_verified
from gare.ledger.audit_trains import check_trains
from gare.ledger.audit_view import View
from gare.ledger.chain import Event, broken
from gare.ledger.container import Problem, lowered
from gare.ledger.database import Database
from gare.ledger.schema import events, plans, streams

MAX_PROBLEMS = 200


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was found. `checks` counts the problems of each check by its name."""

    events: int
    streams: int
    releases: int
    checks: Mapping[str, int]
    problems: Sequence[Problem]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def audit_ledger(database: Database) -> AuditReport:
    """Check everything. Raises Unavailable when the database cannot be read now."""
    checks: dict[str, int] = {}
    problems: list[Problem] = []
    with moment(database) as view:
        for name, check in CHECKS.items():
            found = _guarded(check, view)
            problems += [problem for problem in found if problem not in problems]
            checks[name] = len(found)
    if len(problems) > MAX_PROBLEMS:
        more = len(problems) - MAX_PROBLEMS
        problems = [*problems[:MAX_PROBLEMS], Problem("…", f"{more} or more problems besides")]
    return AuditReport(view.events, view.streams, view.releases_seen, checks, problems)


def check_chains(view: View) -> Iterator[Problem]:
    """Yield each place where a stream's events are not one chain up to the digest that the table of streams has."""
    query = select(*(events.c[name] for name in Event._fields)).order_by(
        events.c.stream, events.c.seq
    )
    rows = map(Event._make, view.stream(query))
    for stream, group in groupby(rows, key=attrgetter("stream")):
        last: list[Event] = []
        for sentence in broken(_watched(group, last, view)):
            place, _, what = sentence.partition(": ")
            yield Problem(place, what)
        yield from _check_newest(view, str(stream), last[0])
    lost = (
        select(streams.c.stream)
        .where(~select(events.c.seq).where(events.c.stream == streams.c.stream).exists())
        .order_by(streams.c.stream)
    )
    for row in view.stream(lost):
        yield Problem(f"stream {row.stream}", "all its events are gone")


def _watched(group: Iterator[Event], last: list[Event], view: View) -> Iterator[Event]:
    """Hand on the events of a stream, counted; `last` holds the newest afterwards."""
    event = None
    for event in group:
        view.events += 1
        yield event
    if event is not None:
        last.append(event)
        view.streams += 1


def _check_newest(view: View, stream: str, newest: Event) -> Iterator[Problem]:
    row = view.connection.execute(select(streams).where(streams.c.stream == stream)).first()
    place = f"stream {stream}"
    if row is None:
        yield Problem(place, "the table of streams does not have it")
    elif row.seq != newest.seq:
        more = "the newest were removed" if row.seq > newest.seq else "some were added"
        yield Problem(
            place, f"its newest event is number {newest.seq}, the table of streams says {row.seq}: {more}"
        )  # fmt: skip
    elif row.head != newest.hash:
        yield Problem(
            place, f"its newest event is not {row.head}, which the table of streams names"
        )


def check_plans(view: View) -> Iterator[Problem]:
    """Yield each plan that is not what its digest says."""
    for row in view.stream(select(plans.c.digest, plans.c.body)):
        try:
            found = sha256(row.body)
        except (AttributeError, TypeError, UnicodeEncodeError):
            found = "that of no text"
        if found != row.digest:
            yield Problem(f"plan {row.digest}", f"its digest is {found}")


CHECKS: Mapping[str, Callable[[View], Iterator[Problem]]] = {
    "every stream is one unbroken chain up to its newest event": check_chains,
    "plans are what their digests say": check_plans,
    "the station agrees about the end of each release": check_station,
    "releases, steps, votes and receipts are what the events say": check_releases,
    "what was verified good is what the events say": check_verified,
    "holds are what the events say": check_holds,
    "tokens are what the events say": check_tokens,
    "fixes stand where the events say": check_fixes,
    "what hotfixes skipped is what the events say": check_later,
    "freezes and overrides are what the events say": check_freezes,
    "skipped departures and stopped trains are what the events say": check_trains,
    "keys are what the events say, each endorsed by the one before": check_keys_of_station,
}


def _guarded(check: Callable[[View], Iterator[Problem]], view: View) -> list[Problem]:
    """Collect a check's problems; what cannot even be read is one of them."""
    found: list[Problem] = []
    try:
        for problem in check(view):
            if problem not in found:
                found.append(problem)
            if len(found) > MAX_PROBLEMS:
                break
    except OperationalError as error:
        if "decode" not in str(error.orig):
            raise
        # SQLite keeps bytes that are no text where text belongs; the driver fails on the row.
        found.append(Problem("the database", lowered(str(error.orig))))
    except GareError as error:
        found.append(Problem(error.where or "the database", lowered(error.what)))
    except RecursionError:
        found.append(Problem("the database", "a value in it is nested too deeply"))
    return found


@contextmanager
def moment(database: Database) -> Iterator[View]:
    """Read everything as it is at one moment, without keeping writers out."""
    with database.read() as connection:
        connection.exec_driver_sql(_begin(connection))
        try:
            yield View(database, connection)
        finally:
            connection.exec_driver_sql("ROLLBACK")


def _begin(connection: Connection) -> str:
    if connection.dialect.name == "postgresql":
        return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    return "BEGIN"


def refuse_unsound(report: AuditReport, where: str) -> None:
    """Raise Refused when something is wrong."""
    if report.is_sound:
        return
    count = len(report.problems)
    raise Refused(
        f"The ledger does not hold: {count} problem{'' if count == 1 else 's'}, first: {report.problems[0]}.",
        where=where,
        hint="It was changed from outside. Restore a backup, and compare with bundles and tags made before.",
    )
