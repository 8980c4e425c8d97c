"""Start, follow, and steer releases: `gare release`, `watch`, `cancel`, `resume`, `recover`, `done`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from gare.cli.options import AGAIN, FOLLOW, FOLLOW_TO_WAIT, UNTIL, wanted
from gare.domain.counts import counted

if TYPE_CHECKING:
    from typing import Unpack

    from gare.cli.options import Wanted
    from gare.domain.releases import Release
    from gare.run_lists import Run
    from gare.wiring import Gare

_START_S = 30


@click.command()
@wanted
@AGAIN
@click.option(
    "--plan", "plan_digest", default="", metavar="DIGEST", help="Execute exactly this stored plan."
)
@click.option("--reason", default="", help="Why now; kept in the record.")
@FOLLOW
@UNTIL
@click.option(
    "--json", "as_json", is_flag=True, help="Print the release as JSON instead of following it."
)
def release(
    project: str | None,
    again: str,
    plan_digest: str,
    reason: str,
    *,
    no_follow: bool,
    until_waiting: bool,
    as_json: bool,
    **asked: Unpack[Wanted],
) -> None:
    """Release PROJECT: plan it, start its run, and follow it live. Ctrl-C leaves it running.

    With your personal token in GARE_TOKEN the release is requested in your name.
    """
    from gare.cli.plan import tell_under_way
    from gare.cli.requesting import request_of
    from gare.cli.starting import check_right, start
    from gare.cli.station_here import gare_to_plan
    from gare.errors import ConfigError
    from gare.requests import ReleaseRequest

    gare = gare_to_plan()
    request = request_of(
        gare,
        project,
        ReleaseRequest,
        again=again,
        plan=plan_digest,
        reason=reason,
        requested_by=requester(gare),
        **asked,
    )
    if plan_digest and (again or asked["version"] or asked["prerelease"] or asked["ref"]):
        raise ConfigError(
            "--plan names a stored plan, which has its version and commit already.",
            where="--version, --prerelease, --ref, --again",
            hint="Leave these out, or plan anew with them.",
        )
    check_right(gare, request)
    if plan_digest:
        made = gare.plan(plan_digest)
    else:
        # Planned here first: what is wrong is said at once, and what was seen is executed, unless another is faster.
        digest, made = gare.drafting.make(request)
        request = request.model_copy(update={"plan": digest, "replan": True})
        if not as_json:
            click.echo(
                f"{made.project} {made.version}: {counted(len(made.commits), 'commit')}, plan {digest[:19]}…"
            )
    if not as_json:
        tell_under_way(gare, made)
    start(gare, request, no_follow=no_follow, until_waiting=until_waiting, as_json=as_json)


@click.command()
@click.argument("release_id", metavar="R-…")
@UNTIL
def watch(release_id: str, *, until_waiting: bool) -> None:
    """Follow a release live until it ends. Ctrl-C leaves it running."""
    from gare.cli.follow import follow
    from gare.cli.station_here import gare_here

    gare = gare_here()
    raise SystemExit(
        follow(gare, gare.ledger.releases.get(release_id).id, until_waiting=until_waiting)
    )


@click.command()
@click.argument("release_id", metavar="R-…")
@click.option("--reason", default="", help="Why; kept in the record.")
def cancel(release_id: str, reason: str) -> None:
    """End a release: its commands are stopped, nothing further is done. What was done outside stays."""
    from contextlib import suppress

    from gare.cli.starting import check_train_right_here
    from gare.cli.station_here import gare_here
    from gare.debts import pay
    from gare.departures import note_cancelled
    from gare.domain.plan import Kind
    from gare.domain.releases import ReleaseState
    from gare.errors import NotFound, Refused

    gare = gare_here()
    found = gare.ledger.releases.get(release_id)
    if found.kind is Kind.TRAIN:
        check_train_right_here(gare, requester(gare))
    if found.is_closed:
        raise Refused(
            f"{found.id} has ended already: {found.state}.",
            where=found.id,
            hint="Nothing was changed.",
        )
    # A run that was deleted in the engine's UI has nothing to stop: only the ledger's release is left to end.
    with suppress(NotFound):
        gare.engine.cancel(found.flow_run_id, has_process=_has_process(gare, found.flow_run_id))
        _wait_until_over(gare, found.flow_run_id)
    person = requester(gare)
    actor = person or "command line"
    end = "cancelled" + (f" by {person}" if person else "") + (f": {reason}" if reason else "")
    ended = gare.ledger.releases.mark(found.id, ReleaseState.CANCELLED, actor=actor, end=end)
    note_cancelled(gare, ended, actor=actor)
    done = [
        effect.target for effect in gare.ledger.effects.of(found.id) if effect.receipt is not None
    ]
    click.echo(
        f"{ended.id} is {ended.state}."
        + (f" Done outside before: {', '.join(done)}." if done else "")
    )
    for problem in pay(gare, ended)[0]:
        click.echo(problem, err=True)


@click.command()
@click.argument("release_id", metavar="R-…")
@FOLLOW_TO_WAIT
def resume(release_id: str, *, no_follow: bool) -> None:
    """Bring a failed, dead or sleeping release on from where it stands. Steps that are done are not done again."""
    from gare.cli.follow import follow
    from gare.cli.station_here import gare_here

    gare = gare_here()
    found = gare.ledger.releases.get(release_id)
    since = gare.ledger.database.head(found.id)
    bring_back(gare, found, requester(gare) or "command line")
    click.echo(f"{found.id} goes on.")
    if not no_follow:
        raise SystemExit(follow(gare, found.id, until_waiting=True, since=since))


@click.command()
@click.argument("release_id", metavar="R-…")
@click.argument("step")
@click.option("--comment", default="", help="What you did; kept in the record.")
@click.option("--again", is_flag=True, help="It was not done: let the step do it at `gare resume`.")
def done(release_id: str, step: str, comment: str, *, again: bool) -> None:
    """Tick off a manual step, or what a hotfix skipped and was to be checked later.

    In your name: with your personal token in GARE_TOKEN. For a STEP that stopped at something nobody can look up, such
    as a mail, it says that you have looked and that it counts as done; with --again that it was surely not done.
    """
    from gare.cli.station_here import gare_here
    from gare.cli.token import person_here
    from gare.domain.releases import StepState
    from gare.errors import Refused

    gare = gare_here()
    person = person_here(gare)
    found = gare.ledger.releases.get(release_id)
    planned = {planned.id: planned for planned in gare.plan(found.plan).steps}
    if gare.ledger.later.tick_off(found.id, step, person=person, comment=comment):
        click.echo(f"{found.id} {step}: checked by {person}.")
        return
    if found.is_closed:
        raise Refused(
            f"{found.id} has ended: {found.state}.", where=step, hint="Nothing was changed."
        )
    if again:
        _let_do_again(gare, found.id, step, person, comment)
        return
    if step in planned and (
        settled := gare.ledger.effects.settle(found.id, step, person=person, comment=comment)
    ):
        click.echo(f"{found.id} {step}: {', '.join(settled)} counts as done, on {person}'s word.")
        click.echo(f"Go on with `gare resume {found.id}`.")
        return
    records = gare.ledger.releases.steps(found.id)
    failed = {name for name, record in records.items() if record.state is StepState.FAILED}
    # What a project's own command could not take back, a person may.
    manual = [
        name
        for name, item in planned.items()
        if item.type == "manual" or (item.type == "undo" and name in failed)
    ]
    if step not in manual:
        raise Refused(
            f"{step!r} is no manual step of {found.id}.",
            where=found.id,
            hint=f"Manual steps: {', '.join(manual) or 'none'}.",
        )
    owed = [
        need
        for need in planned[step].needs
        if need not in records or records[need].state is not StepState.DONE
    ]
    if owed:
        raise Refused(
            f"{step} comes after {', '.join(owed)}.",
            where=found.id,
            hint="Wait for it, then tick off.",
        )
    if step in records and records[step].state is StepState.DONE:
        raise Refused(
            f"{step} was ticked off already.", where=found.id, hint="Nothing was changed."
        )
    gare.ledger.releases.begin_step(found.id, step, actor=person)
    value = {"by": person, "comment": comment, "summary": f"done by {person}"}
    gare.ledger.releases.end_step(found.id, step, StepState.DONE, value=value, actor=person)
    wake(gare, found.flow_run_id)
    click.echo(f"{found.id} {step}: done by {person}.")
    if found.is_stopped:
        click.echo(f"Go on with `gare resume {found.id}`.")


@click.command()
@click.argument("release_ids", metavar="[R-…]…", nargs=-1)
def recover(release_ids: tuple[str, ...]) -> None:
    """Make new runs for open releases whose runs the engine has lost.

    It lost its database, or somebody deleted them there. Each goes on from where it stands. Without R-…: for every
    release that runs, waits or needs attention.
    """
    from gare import rescue
    from gare.cli.station_here import gare_here

    gare = gare_here()
    actor = requester(gare) or "command line"
    found = [gare.ledger.releases.get(release_id) for release_id in release_ids] or rescue.lost(
        gare
    )
    for release in found:
        made = rescue.recover(gare, release, actor=actor)
        click.echo(f"{made.id} goes on: {gare.engine.run_address(made.flow_run_id)}")
    if not found:
        click.echo("Nothing to recover: the engine has a run for every open release.")


def bring_back(gare: Gare, found: Release, actor: str) -> None:
    """Bring a failed, dead or sleeping release on. Raises Refused for one that has ended."""
    from gare.domain.releases import ReleaseState
    from gare.errors import Refused
    from gare.rescue import is_alive, recover

    if found.is_closed:
        raise Refused(
            f"{found.id} has ended: {found.state}.",
            where=found.id,
            hint="Start a new one with `gare release`.",
        )
    gare.ledger.rescues.forget(found.flow_run_id)
    runs = gare.engine.runs([found.flow_run_id])
    is_dead = not is_alive(gare, found.flow_run_id)
    if found.state.is_stopped:
        gare.ledger.releases.mark(found.id, ReleaseState.RUNNING, actor=actor)
    if not runs:
        recover(gare, found, actor=actor)
    elif found.state.is_stopped or is_dead:
        _bring_on(gare, runs[found.flow_run_id])


def _bring_on(gare: Gare, run: Run) -> None:
    """Wake a run that sleeps; start one again that ended or died."""
    if run.is_suspended:
        gare.engine.resume(run.id)
    elif run.state_type not in ("SCHEDULED", "PENDING"):
        gare.engine.retry(run.id)


def _has_process(gare: Gare, run_id: str) -> bool:
    """Tell whether somebody is there to end a run: its process, or one that is just being started."""
    from gare.rescue import is_alive

    if is_alive(gare, run_id):
        return True
    since = gare.engine.run(run_id).since
    return since is None or abs((gare.ledger.now() - since).total_seconds()) < _START_S


def _let_do_again(gare: Gare, release_id: str, step: str, person: str, comment: str) -> None:
    from gare.errors import Refused
    from gare.ledger.restored import send_again

    targets = send_again(gare.ledger.database, release_id, step, person=person, comment=comment)
    if not targets:
        raise Refused(
            f"{step} of {release_id} has not stopped at something that nobody can look up.",
            where=release_id,
            hint=f"`gare why {release_id}` says where it stands. Nothing was changed.",
        )
    click.echo(f"{release_id} {step}: {', '.join(targets)} may be done again, on {person}'s word.")
    click.echo(f"Go on with `gare resume {release_id}`.")


def wake(gare: Gare, run_id: str) -> None:
    """Wake a suspended run; when the engine is away its reconciler does it later."""
    from gare.errors import GareError

    try:
        gare.engine.resume(run_id)
    except GareError as error:
        click.echo(
            f"note: the run is not woken now ({error}); the station does it when it is up.",
            err=True,
        )


def requester(gare: Gare) -> str:
    """Return whose personal token is in GARE_TOKEN; empty when there is none."""
    from gare.cli.token import person_here

    return person_here(gare) if os.environ.get("GARE_TOKEN") else ""


def _wait_until_over(gare: Gare, run_id: str) -> None:
    from gare.errors import Unavailable
    from gare.polling import looks

    if not any(gare.engine.run(run_id).is_over for _ in looks(60, longest_s=0.5)):
        raise Unavailable(
            "The run has not ended within a minute.",
            where=gare.engine.run_address(run_id),
            hint="Is the worker alive? `gare doctor` says; then cancel again.",
        )
