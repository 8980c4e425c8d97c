"""What people say about trains ahead and under way: skip and restore a departure, hold and resume."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from gare.cli.options import REASON

if TYPE_CHECKING:
    from collections.abc import Callable

    from gare.config.train_files import Train
    from gare.domain.releases import Release
    from gare.domain.timetable import Slot
    from gare.wiring import Gare

NEXT = 3
"""How many departures ahead are named."""
SLOT = click.argument("slot", metavar="SLOT")


@click.command()
@click.argument("name")
@SLOT
@REASON
def skip(name: str, slot: str, reason: str) -> None:
    """Skip a departure ahead. SLOT is its local time, such as 2026-11-24T1000."""
    from gare.cli.station_here import gare_here

    gare = gare_here()
    at = _slot_ahead(gare, gare.station.train(name), slot)
    done = gare.ledger.trains.skip(name, at, person=_steering(gare), reason=reason)
    _look_again(gare, name, at)
    click.echo(f"{name} does not depart at {at}." + ("" if done else " It was skipped already."))


@click.command()
@click.argument("name")
@SLOT
def unskip(name: str, slot: str) -> None:
    """Let a skipped departure be again, until its instant."""
    from gare.cli.station_here import gare_here
    from gare.errors import Refused
    from gare.planning.boarding import slot_named

    gare = gare_here()
    found = gare.station.train(name)
    at = slot_named(found, slot)
    if not gare.ledger.trains.unskip(name, at.name, person=_steering(gare)):
        raise Refused(
            f"{at.name} of {name} is not skipped.",
            where=f"train {name}",
            hint="`gare train status` lists what is. Nothing was changed.",
        )
    _look_again(gare, name, at.name)
    click.echo(_missing_boarding(gare, found, at) or f"{name} departs at {at.name}.")


@click.command()
@click.argument("what", metavar="NAME|R-…")
@REASON
def hold(what: str, reason: str) -> None:
    """Let a train's schedule stand still, or keep the departure R-… from sending further members."""
    from gare.cli.station_here import gare_here
    from gare.errors import Refused
    from gare.timetables import apply_timetables

    gare = gare_here()
    person = _steering(gare)
    said = f"held by {person}" + (f": {reason}" if reason else "")
    if (departure := departure_of(gare, what)) is not None:
        if departure.is_closed:
            raise Refused(
                f"{departure.id} has ended: {departure.state}.",
                where=departure.id,
                hint="Nothing was changed.",
            )
        gare.ledger.trains.stop(departure.id, said, actor=person)
        gare.ledger.note(departure.id, "departure held", person, {"reason": said})
        gare.ledger.releases.wake(departure.id)
        click.echo(f"{departure.id} is held; members on their way go on. {_again(departure.id)}")
        return
    gare.station.train(what)
    gare.ledger.trains.stop(what, said, actor=person)
    _tell_engine(lambda: apply_timetables(gare))
    click.echo(f"{what} does not depart by its timetable. {_again(what)}")


@click.command()
@click.argument("what", metavar="NAME|R-…")
@click.option("--without", "dropped", default="", metavar="MEMBER", help="Go on without it.")
@click.option(
    "--again", default="", metavar="MEMBER", help="Release it once more, from its branch now."
)
@REASON
def resume(what: str, dropped: str, again: str, reason: str) -> None:
    """Let a schedule that stands still go on, or a held departure R-…; of a member that failed, say what becomes."""
    from gare.cli.station_here import gare_here
    from gare.timetables import apply_timetables

    gare = gare_here()
    person = _steering(gare)
    if (departure := departure_of(gare, what)) is not None:
        _resume_departure(gare, departure, person, dropped, again, reason)
        return
    found = gare.station.train(what)
    was = gare.ledger.trains.resume(what, person=person)
    _tell_engine(lambda: apply_timetables(gare, anew=what))
    by = "departs by its timetable."
    if found.timetable.rule is None:
        by = f"has no timetable: `gare train depart {what}` departs."
    click.echo(f"{what} {by}" + ("" if was else " It did not stand still."))
    boarding = found.timetable.boarding(gare.ledger.now())
    if boarding is not None and (missing := _missing_boarding(gare, found, boarding)):
        click.echo(missing)


def departure_of(gare: Gare, what: str) -> Release | None:
    """Return the departure of this id; None for a name. Raises Refused for a release that is no train."""
    from gare.domain.plan import Kind
    from gare.errors import Refused

    if not what.upper().startswith("R-"):
        return None
    found = gare.ledger.releases.get(what)
    if found.kind is not Kind.TRAIN:
        raise Refused(
            f"{found.id} is a {found.kind} of {found.project}, no train.",
            where=found.id,
            hint="`gare train list` names the trains and what is under way.",
        )
    return found


def _resume_departure(
    gare: Gare, departure: Release, person: str, dropped: str, again: str, reason: str
) -> None:
    from gare.cli.release import bring_back
    from gare.cli.train_members import go_without
    from gare.domain.waits import Cause
    from gare.errors import Refused

    if dropped:
        click.echo(go_without(gare, departure, dropped, person=person, reason=reason))
    if again:
        _try_again(gare, departure, again, person, reason)
    if was_held := gare.ledger.trains.resume(departure.id, person=person):
        gare.ledger.note(departure.id, "departure resumed", person, {"reason": reason})
    stands = departure.is_stopped or any(one.cause is Cause.FAILED for one in departure.waits)
    if departure.is_closed or not (dropped or again or was_held or stands):
        raise Refused(
            f"{departure.id} is not held.",
            where=departure.id,
            hint=f"`gare train status {departure.id}` says where its members stand. Nothing was changed.",
        )
    bring_back(gare, departure, person)
    if not dropped:
        click.echo(f"{departure.id} goes on.")


def _try_again(gare: Gare, departure: Release, member: str, person: str, reason: str) -> None:
    """Release a member once more, or let it go back once more. A run that is refused says why, and nothing is lost."""
    from gare.cli.starting import wait_for_release
    from gare.cli.train_members import goes_back, release_again, roll_back_again

    if goes_back(gare, departure, member):
        runs = roll_back_again(gare, departure, member, person=person, reason=reason)
        what = "goes back once more"
    else:
        runs = [release_again(gare, departure, member, person=person, reason=reason)]
        what = "is released once more"
    for run in runs:
        click.echo(f"run: {gare.engine.run_address(run.id)}")
        click.echo(f"{member} {what}: {wait_for_release(gare, run.id)}")


def _slot_ahead(gare: Gare, found: Train, text: str) -> str:
    """Return a slot: of the timetable, or of one that has boarded when there was another timetable.

    Raises Refused for one that has been, or never is.
    """
    from gare.departures import boarded_for, has_departed
    from gare.errors import Refused
    from gare.planning.boarding import slot_named

    slot, now, name = slot_named(found, text), gare.ledger.now(), found.config.name
    boarded = boarded_for(gare.ledger, name, slot.name)
    if boarded is not None and not has_departed(gare.ledger, boarded):
        return slot.name
    if found.timetable.has(slot) and slot.departs_at > now:
        return slot.name
    ahead = islice(found.timetable.after(now), NEXT)
    raise Refused(
        f"{name} has no departure at {slot.name} ahead.",
        where=f"train {name}",
        hint=f"The next are {', '.join(one.name for one in ahead) or 'none'}. Nothing was changed.",
    )


def _missing_boarding(gare: Gare, found: Train, slot: Slot) -> str:
    """Tell that nobody is on board of a departure that is still ahead, though boarding has ended; or nothing."""
    from gare.departures import boarded_for

    now, name = gare.ledger.now(), found.config.name
    if not slot.boards_at <= now < slot.departs_at or slot.name in gare.ledger.trains.skips(name):
        return ""
    if boarded_for(gare.ledger, name, slot.name) is not None:
        return ""
    return (
        f"Nobody has boarded for {slot.name}: boarding ended meanwhile. "
        f"`gare train board {name} --slot {slot.name}` boards now."
    )


def _look_again(gare: Gare, name: str, slot: str) -> None:
    """Let a departure that has boarded see what was said of it: it tells those who had its notice."""
    from gare.departures import under_way

    for one in under_way(gare.ledger, name):
        if one.version == slot:
            gare.ledger.releases.wake(one.id)


def _steering(gare: Gare) -> str:
    """Return who says so. Raises PermissionDenied for one who may not steer trains."""
    from gare.cli.token import person_here
    from gare.config.rights import check_train_right

    person = person_here(gare)
    check_train_right(gare.voter(person), gare.station.config)
    return person


def _tell_engine(change: Callable[[], object]) -> None:
    """Bring the engine's schedules in line; when the station is down, its next start does."""
    from gare.errors import GareError

    try:
        change()
    except GareError as error:
        click.echo(f"note: the schedule in Prefect follows at the next start ({error}).", err=True)


def _again(what: str) -> str:
    return f"Go on with `gare train resume {what}`."
