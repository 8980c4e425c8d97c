"""Starts the run of a request and follows it: what every command that releases something has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gare.cli.follow import follow
from gare.cli.output import print_json
from gare.engine import BROUGHT_ON, has_ended
from gare.reports.status import queue_line

if TYPE_CHECKING:
    from gare.domain.approvals import Voter
    from gare.domain.locks import Place
    from gare.requests import Request
    from gare.wiring import Gare

_ASK_S = 10
"""A run asks for its turn as soon as it has opened its release."""


def start(
    gare: Gare, request: Request, *, no_follow: bool, until_waiting: bool, as_json: bool
) -> None:
    """Start a run of the request's kind, tell its address at once, and follow it unless told otherwise.

    Whether the requester may is asked before (`check_right`): who may not plans nothing either.
    """
    from gare.departures import going_back

    if not as_json:
        for note in going_back(gare, request.subject):
            click.echo(f"note: {note}", err=True)
    run = gare.start(request)
    if not as_json:
        click.echo(f"run: {gare.engine.run_address(run.id)}")
    try:
        opened = wait_for_release(gare, run.id)
    except KeyboardInterrupt:
        click.echo(
            "\nLeft; the run goes on without you. `gare status` shows its release.", err=True
        )
        raise
    if not as_json and not no_follow:
        raise SystemExit(follow(gare, opened, until_waiting=until_waiting))
    place = _place_at_start(gare, opened)
    if as_json:
        print_json(
            {
                "release": opened,
                "run": run.id,
                "address": gare.engine.run_address(run.id),
                "queue": queue_line(place),
            }
        )
        return
    stands = f"{opened} is {place}" if place else f"{opened} is under way"
    click.echo(f"{stands}; follow it with `gare watch {opened}`.")


def check_train_right_here(gare: Gare, person: str) -> None:
    """Raise PermissionDenied when `rights` name groups for trains and this person, or nobody, is in none of them."""
    from gare.config.rights import check_train_right

    check_train_right(_somebody(gare, person), gare.station.config)


def _somebody(gare: Gare, person: str) -> Voter:
    from gare.domain.approvals import Voter

    nobody = Voter("Who has no token in GARE_TOKEN", frozenset(), frozenset())
    return gare.voter(person) if person else nobody


def check_right(gare: Gare, request: Request) -> None:
    """Raise PermissionDenied when `rights` name groups for this and the requester is in none of them."""
    from gare.config import rights
    from gare.domain.plan import Kind
    from gare.requests import TrainRequest

    person = _somebody(gare, request.requested_by)
    station, names, kind = gare.station, [request.subject], request.kind
    if isinstance(request, TrainRequest):
        check_train_right_here(gare, request.requested_by)
        # One whose file is wrong is left out, and released by nobody.
        names = [name for name in station.train(request.name).members if name in station.projects]
        kind = Kind.RELEASE
    for name in names:
        rights.check_right(person, kind, station.config, gare.project(name).config)


def wait_for_release(gare: Gare, run_id: str) -> str:
    """Wait until the run has opened its release; a run that ends before says why."""
    from gare.errors import Refused, Unavailable
    from gare.polling import looks

    for _ in looks(120, longest_s=0.5):
        found = gare.ledger.releases.of_run(run_id)
        if found is not None:
            return found.id
        run = gare.engine.run(run_id)
        if has_ended(run):
            raise Refused(
                run.state_message or f"The run ended as {run.state_name}.",
                where=gare.engine.run_address(run_id),
                hint="Correct it and start again.",
            )
    if run.state_name in BROUGHT_ON:
        raise Unavailable(
            f"It is not planned yet. {run.state_message}",
            where=gare.engine.run_address(run_id),
            hint="The station tries again by itself; `gare status` shows when it is under way.",
        )
    raise Unavailable(
        "The run has not begun after two minutes.",
        where=gare.engine.run_address(run_id),
        hint="Is the worker alive? `gare doctor` says.",
    )


def _place_at_start(gare: Gare, release_id: str) -> Place | None:
    """Return the place of a release that has just been opened, once it has asked for its turn."""
    from gare.polling import looks

    for _ in looks(_ASK_S, longest_s=0.3):
        if (place := gare.ledger.locks.place(release_id)) is not None:
            return place
        if gare.ledger.locks.held(release_id) or not gare.ledger.releases.get(release_id).is_moving:
            return None
    return None
