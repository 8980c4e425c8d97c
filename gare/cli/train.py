"""`gare train`: departures of several projects together: plan, board, depart, skip, hold, resume, look."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

import click

from gare.cli.options import FOLLOW

if TYPE_CHECKING:
    from gare.config.train_files import Train
    from gare.domain.releases import Release
    from gare.requests import TrainRequest
    from gare.wiring import Gare

NEXT = 3
"""How many departures ahead are named."""
NAME = click.argument("name")
SLOT = click.argument("slot", metavar="SLOT")
REASON = click.option("--reason", default="", help="Why; kept in the record.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")


@click.group()
def train() -> None:
    """Release several projects together, by a timetable or at once."""


@train.command(name="list")
@JSON
def list_trains(*, as_json: bool) -> None:
    """Show the trains, when each departs next, and what stands still."""
    from gare.cli.output import print_json, print_table
    from gare.cli.station_here import gare_here
    from gare.cli.train_pages import next_word, train_line
    from gare.config.problems import InvalidFiles

    gare = gare_here()
    trains = gare.station.trains
    lines = [train_line(gare, one) for one in trains.values()]
    if trains.problems and not lines:
        raise InvalidFiles(trains.problems)
    _tell_broken(gare)
    _tell_differences(gare)
    if as_json:
        print_json(lines)
    elif not lines:
        click.echo("There is no train yet. Each is a file in trains/, beside station.yaml.")
    else:
        rows = [
            [one["name"], len(one["members"]), next_word(one), one["under_way"]] for one in lines
        ]
        print_table(["train", "members", "next departure", "under way"], rows)


@train.command()
@NAME
@click.option("--slot", default="", help="Departure to plan; without it the next one.")
@JSON
def plan(name: str, slot: str, *, as_json: bool) -> None:
    """Show what a departure would do: who boards, in which order, who is left out and why. Changes nothing."""
    from gare.cli.output import print_json
    from gare.cli.station_here import gare_here
    from gare.cli.train_pages import show_closed, show_plan
    from gare.frozen import ways_of_train

    gare = gare_here()
    found = gare.station.train(name)
    digest, made = gare.make_plan(_request(name, slot=slot or _next_slot(gare, found)))
    closed = ways_of_train(gare, made)
    if as_json:
        import json

        told = [{"what": what, "members": members} for what, members in closed.items()]
        body = json.loads(gare.ledger.plans.body(digest))
        print_json({"digest": digest, "plan": body, "freezes": told})
        return
    show_closed(closed)
    show_plan(made, digest)


@train.command()
@NAME
@click.option("--slot", default="", help="Departure to board; without it the next one.")
@REASON
@FOLLOW
def board(name: str, slot: str, reason: str, *, no_follow: bool) -> None:
    """End boarding now: what is on the members' branches departs at the slot, and not before."""
    from gare.cli.station_here import gare_here

    gare = gare_here()
    found = gare.station.train(name)
    _start(gare, name, slot=slot or _next_slot(gare, found), reason=reason, no_follow=no_follow)


@train.command()
@NAME
@click.option(
    "--plan", "plan_digest", default="", metavar="DIGEST", help="Exactly this stored plan."
)
@REASON
@FOLLOW
def depart(name: str, plan_digest: str, reason: str, *, no_follow: bool) -> None:
    """Board and depart at once, outside the timetable."""
    from gare.cli.station_here import gare_here

    _start(gare_here(), name, plan=plan_digest, reason=reason, no_follow=no_follow)


@train.command()
@NAME
@SLOT
@REASON
def skip(name: str, slot: str, reason: str) -> None:
    """Skip a departure ahead. SLOT is its local time, such as 2026-11-24T1000."""
    from gare.cli.station_here import gare_here

    gare = gare_here()
    _slot_of_timetable(gare, name, slot)
    done = gare.ledger.trains.skip(name, slot, person=_person(gare), reason=reason)
    click.echo(f"{name} does not depart at {slot}." + ("" if done else " It was skipped already."))


@train.command()
@NAME
@SLOT
def unskip(name: str, slot: str) -> None:
    """Let a skipped departure be again, until its instant."""
    from gare.cli.station_here import gare_here
    from gare.errors import Refused

    gare = gare_here()
    if not gare.ledger.trains.unskip(name, slot, person=_person(gare)):
        raise Refused(
            f"{slot} of {name} is not skipped.",
            where=f"train {name}",
            hint="`gare train status` lists what is. Nothing was changed.",
        )
    click.echo(f"{name} departs at {slot}.")


@train.command()
@click.argument("what", metavar="NAME|R-…")
@REASON
def hold(what: str, reason: str) -> None:
    """Let a train's schedule stand still, or keep the departure R-… from sending further members."""
    from gare.cli.station_here import gare_here
    from gare.timetables import apply_timetables

    gare = gare_here()
    person = _person(gare)
    said = f"held by {person}" + (f": {reason}" if reason else "")
    if (departure := _departure(gare, what)) is not None:
        gare.ledger.trains.stop(departure.id, said, actor=person)
        gare.ledger.note(departure.id, "departure held", person, {"reason": said})
        click.echo(f"{departure.id} is held; members on their way go on. {_again(departure.id)}")
        return
    gare.station.train(what)
    gare.ledger.trains.stop(what, said, actor=person)
    _tell_engine(lambda: apply_timetables(gare))
    click.echo(f"{what} does not depart by its timetable. {_again(what)}")


@train.command()
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
    person = _person(gare)
    if (departure := _departure(gare, what)) is not None:
        _resume_departure(gare, departure, person, dropped, again, reason)
        return
    gare.station.train(what)
    was = gare.ledger.trains.resume(what, person=person)
    _tell_engine(lambda: apply_timetables(gare, anew=what))
    click.echo(f"{what} departs by its timetable." + ("" if was else " It did not stand still."))


@train.command()
@click.argument("what", metavar="NAME|R-…")
@JSON
def status(what: str, *, as_json: bool) -> None:
    """Show the next departures of a train, or where the members of the departure R-… stand."""
    from gare.cli.output import print_json
    from gare.cli.station_here import gare_here
    from gare.cli.train_pages import departure_page, show_departure, show_train, train_page

    gare = gare_here()
    if (departure := _departure(gare, what)) is not None:
        found = departure_page(gare, departure)
        print_json(found) if as_json else show_departure(found)
        return
    page = train_page(gare, gare.station.train(what))
    print_json(page) if as_json else show_train(page)


@train.command()
def apply() -> None:
    """Bring the schedules in the engine in line with the trains' files, without a restart of the station."""
    from gare.cli.station_here import gare_here
    from gare.timetables import apply_timetables

    gare = gare_here()
    for told in apply_timetables(gare):
        click.echo(told)
    _tell_broken(gare)


def _start(gare: Gare, name: str, *, no_follow: bool, **fields: str) -> None:
    from gare.cli.release import requester
    from gare.cli.starting import start

    gare.station.train(name)
    request = _request(name, requested_by=requester(gare), **fields)
    start(gare, request, no_follow=no_follow, until_waiting=True, as_json=False)


def _request(name: str, **fields: str) -> TrainRequest:
    from gare.cli.requesting import checked
    from gare.requests import TrainRequest

    return checked(TrainRequest, name, name=name, **fields)


def _resume_departure(
    gare: Gare, departure: Release, person: str, dropped: str, again: str, reason: str
) -> None:
    from gare.cli.train_members import go_without, release_again

    if dropped:
        go_without(gare, departure, dropped, person=person, reason=reason)
        click.echo(f"{departure.id} goes on without {dropped}.")
    if again:
        run = release_again(gare, departure, again, person=person, reason=reason)
        click.echo(f"{again} is released once more: {gare.engine.run_address(run.id)}")
    if was_held := gare.ledger.trains.resume(departure.id, person=person):
        gare.ledger.note(departure.id, "departure resumed", person, {"reason": reason})
    if not (dropped or again or was_held or departure.is_stopped):
        from gare.errors import Refused

        raise Refused(
            f"{departure.id} is not held.",
            where=departure.id,
            hint=f"`gare train status {departure.id}` says where its members stand. Nothing was changed.",
        )
    from gare.cli.release import bring_back

    bring_back(gare, departure, person)
    click.echo(f"{departure.id} goes on.")


def _departure(gare: Gare, what: str) -> Release | None:
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


def _next_slot(gare: Gare, found: Train) -> str:
    slot = next(found.timetable.after(gare.ledger.now()), None)
    return slot.name if slot else ""


def _slot_of_timetable(gare: Gare, name: str, text: str) -> None:
    """Raise Refused for a departure that the timetable does not have, or that has been."""
    from gare.errors import Refused
    from gare.planning.boarding import slot_of

    found = gare.station.train(name)
    slot = slot_of(found, text, gare.ledger.now())
    if found.timetable.has(slot) and slot.departs_at > gare.ledger.now():
        return
    ahead = [one.name for one in islice(found.timetable.after(gare.ledger.now()), NEXT)]
    raise Refused(
        f"{name} has no departure at {text} ahead.",
        where=f"train {name}",
        hint=f"The next are {', '.join(ahead) or 'none'}. Nothing was changed.",
    )


def _person(gare: Gare) -> str:
    from gare.cli.token import person_here

    return person_here(gare)


def _tell_engine(change: Callable[[], object]) -> None:
    """Bring the engine's schedules in line; when the station is down, its next start does."""
    from gare.errors import GareError

    try:
        change()
    except GareError as error:
        click.echo(f"note: the schedule in Prefect follows at the next start ({error}).", err=True)


def _tell_broken(gare: Gare) -> None:
    """Tell what is wrong with the trains' files, and with those of their members."""
    from gare.cli.output import clean

    for name, problems in gare.station.trains.broken.items():
        for problem in problems:
            click.echo(f"{clean(name)} keeps its last good timetable: {clean(problem)}", err=True)
    for name, broken in gare.station.projects.broken.items():
        trains = [one.config.name for one in gare.station.trains.values() if name in one.members]
        for problem in broken.problems if trains else ():
            click.echo(f"{clean(name)} boards no train: {clean(problem)}", err=True)


def _tell_differences(gare: Gare) -> None:
    """Tell which schedules in the engine are not those of the files; nothing while the station is down."""
    from contextlib import suppress

    from gare.errors import GareError
    from gare.timetables import differences

    with suppress(GareError):
        for name, what in differences(gare):
            click.echo(
                f"{name} {what}; `gare train apply` or `gare train resume {name}`.", err=True
            )


def _again(what: str) -> str:
    return f"Go on with `gare train resume {what}`."
