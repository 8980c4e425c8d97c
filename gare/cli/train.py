"""`gare train`: departures of several projects together: list, plan, board, depart, look; and the words of people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gare.cli.options import FOLLOW, REASON
from gare.cli.train_steering import hold, resume, skip, unskip

if TYPE_CHECKING:
    from gare.config.train_files import Train
    from gare.requests import TrainRequest
    from gare.wiring import Gare

NAME = click.argument("name")
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
    from gare.cli.train_pages import next_word, tell_what_keeps, train_line
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
        for one in lines:
            tell_what_keeps(one)
    _end_if_broken(gare)


@train.command()
@NAME
@click.option("--slot", default="", help="Departure to plan; without it the next one.")
@JSON
def plan(name: str, slot: str, *, as_json: bool) -> None:
    """Show what a departure would do: who boards, in which order, who is left out and why. Changes nothing."""
    from gare.cli.output import print_json
    from gare.cli.station_here import gare_to_plan
    from gare.cli.train_pages import show_closed, show_plan
    from gare.frozen import ways_of_train

    gare = gare_to_plan()
    found = gare.station.train(name)
    request = _request(name, slot=slot or _next_slot(gare, found))
    digest, made = gare.drafting.make(request, is_preview=True)
    closed = ways_of_train(gare, made)
    if as_json:
        import json

        told = [{"what": what, "members": members} for what, members in closed.items()]
        body = json.loads(gare.ledger.plans.body(digest))
        print_json({"digest": digest, "plan": body, "freezes": told})
        return
    show_closed(closed)
    show_plan(made, digest, found.timetable.zone)


@train.command()
@NAME
@click.option("--slot", default="", help="Departure to board; without it the next one.")
@REASON
@FOLLOW
def board(name: str, slot: str, reason: str, *, no_follow: bool) -> None:
    """End boarding now: what is on the members' branches departs at the slot, and not before."""
    from gare.cli.station_here import gare_to_plan
    from gare.errors import Refused

    gare = gare_to_plan()
    found = gare.station.train(name)
    asked = slot or _next_slot(gare, found)
    if not asked:
        raise Refused(
            f"{name} has no departure ahead that could be boarded for.",
            where=f"train {name}",
            hint=f"`gare train depart {name}` boards and departs at once. Nothing was started.",
        )
    _refuse_boarded(gare, found, asked)
    _start(gare, name, slot=asked, reason=reason, no_follow=no_follow)


@train.command()
@NAME
@click.option(
    "--plan",
    "plan_digest",
    default="",
    metavar="DIGEST",
    help="Exactly this stored plan; it departs at the slot that it was made for.",
)
@REASON
@FOLLOW
def depart(name: str, plan_digest: str, reason: str, *, no_follow: bool) -> None:
    """Board and depart at once, outside the timetable; behind a departure of the train that has boarded already."""
    from gare.cli.station_here import gare_to_plan

    gare = gare_to_plan()
    found = gare.station.train(name)
    if plan_digest and gare.plan(plan_digest).details.get("is_scheduled"):
        _refuse_boarded(gare, found, gare.plan(plan_digest).version)
    _tell_boarded(gare, name)
    _start(gare, name, plan=plan_digest, reason=reason, no_follow=no_follow)


@train.command()
@click.argument("what", metavar="NAME|R-…")
@JSON
def status(what: str, *, as_json: bool) -> None:
    """Show the next departures of a train, or where the members of the departure R-… stand."""
    from gare.cli.output import print_json
    from gare.cli.station_here import gare_here
    from gare.cli.train_pages import departure_page, show_departure, show_train, train_page
    from gare.cli.train_steering import departure_of

    gare = gare_here()
    if (departure := departure_of(gare, what)) is not None:
        found = departure_page(gare, departure)
        print_json(found) if as_json else show_departure(found)
        return
    page = train_page(gare, gare.station.train(what))
    print_json(page) if as_json else show_train(page)


@train.command()
def apply() -> None:
    """Bring the schedules in the engine in line with the trains' files, without a restart of the station.

    Says what it changed, and which trains have no timetable. A departure that has boarded departs as it boarded; where
    the file says otherwise now, that is told.
    """
    from gare.cli.output import clean
    from gare.cli.station_here import gare_here
    from gare.departures import outdated
    from gare.timetables import apply_timetables

    gare = gare_here()
    changed = apply_timetables(gare)
    for told in changed or ["The schedules are those of the files already: nothing was changed."]:
        click.echo(clean(told))
    for told in outdated(gare):
        click.echo(clean(told))
    for name, train in gare.station.trains.items():
        if train.timetable.rule is None:
            click.echo(f"{name} has no timetable: `gare train depart {name}` departs.")
    _tell_broken(gare)
    _end_if_broken(gare)


def _start(gare: Gare, name: str, *, no_follow: bool, **fields: str) -> None:
    from gare.cli.release import requester
    from gare.cli.starting import check_right, start

    gare.station.train(name)
    request = _request(name, requested_by=requester(gare), **fields)
    check_right(gare, request)
    start(gare, request, no_follow=no_follow, until_waiting=True, as_json=False)


def _refuse_boarded(gare: Gare, found: Train, asked: str) -> None:
    """Raise Refused when a departure of this slot is under way: a second one would only stand behind it."""
    from gare.departures import boarded_for
    from gare.errors import Refused
    from gare.planning.boarding import slot_named

    name, slot = found.config.name, slot_named(found, asked).name
    if (other := boarded_for(gare.ledger, name, slot)) is not None:
        raise Refused(
            f"{name} has boarded for {slot}: {other.id}.",
            where=f"train {name}",
            hint=f"`gare train status {other.id}` says who is on board, `gare train resume {other.id} --without "
            f"MEMBER` takes one off. To board anew: `gare cancel {other.id}` first. Nothing was started.",
        )


def _tell_boarded(gare: Gare, name: str) -> None:
    """Tell that a departure goes first which has boarded for a slot ahead: it may be days until then."""
    from gare.departures import has_departed, under_way

    for other in reversed(under_way(gare.ledger, name)):
        at = gare.plan(other.plan).details["slot"]["departs_at"]
        if at > gare.ledger.now().isoformat() and not has_departed(gare.ledger, other):
            click.echo(
                f"note: {other.id} has boarded and departs at {at[:16].replace('T', ' ')} UTC; this departure waits "
                f"until that one has arrived. `gare cancel {other.id}` lets it go now.",
                err=True,
            )


def _request(name: str, **fields: str) -> TrainRequest:
    from gare.cli.requesting import checked
    from gare.requests import TrainRequest

    return checked(TrainRequest, name, name=name, **fields)


def _next_slot(gare: Gare, found: Train) -> str:
    slot = next(found.timetable.after(gare.ledger.now()), None)
    return slot.name if slot else ""


def _tell_broken(gare: Gare) -> None:
    """Tell what is wrong with the trains' files, and with those of their members."""
    from gare.cli.output import clean

    trains = gare.station.trains
    for name, problems in trains.broken.items():
        stands = _timetable_of_broken(gare, name)
        for problem in problems:
            click.echo(f"{clean(name)} {stands}: {clean(problem)}", err=True)
    told = {problem for problems in trains.broken.values() for problem in problems}
    for problem in trains.problems:
        if problem not in told:
            click.echo(clean(problem), err=True)
    for name, broken in gare.station.projects.broken.items():
        is_member = any(name in one.members for one in trains.values())
        for problem in broken.problems if is_member else ():
            click.echo(f"{clean(name)} boards no train: {clean(problem)}", err=True)


def _timetable_of_broken(gare: Gare, name: str) -> str:
    """Say what the schedule of a train is whose file is wrong; while the station is down, nobody knows."""
    from gare.errors import GareError
    from gare.timetables import with_schedules

    try:
        has_one = name in with_schedules(gare)
    except GareError:
        return "is left as it is in the engine"
    return (
        "keeps its last good timetable" if has_one else "has no timetable until its file is right"
    )


def _end_if_broken(gare: Gare) -> None:
    """End as every command does whose files are wrong, once what is good was shown or done."""
    from gare.errors import ConfigError

    if gare.station.trains.problems:
        raise SystemExit(ConfigError.exit_code)


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


for command in (skip, unskip, hold, resume):
    train.add_command(command)
