"""Start, follow, and steer releases: `gare release`, `watch`, `cancel`, `resume`, `done`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gare.wiring import Gare

FOLLOW = click.option(
    "--no-follow", is_flag=True, help="Return at once instead of following to the end."
)
UNTIL = click.option(
    "--until-waiting", is_flag=True, help="Follow until people must act, then return."
)


@click.command()
@click.argument("project", required=False)
@click.option("--version", default="", help="Release this version instead of the computed one.")
@click.option("--prerelease", default="", metavar="LABEL", help="Make a pre-release, such as rc.")
@click.option(
    "--ref", default="", help="Branch or commit to release; default: the project's branch."
)
@click.option(
    "--plan", "plan_digest", default="", metavar="DIGEST", help="Execute exactly this stored plan."
)
@click.option("--reason", default="", help="Why now; kept in the record.")
@click.option("--allow-dirty", is_flag=True, help="Release although there are uncommitted changes.")
@FOLLOW
@UNTIL
@click.option(
    "--json", "as_json", is_flag=True, help="Print the release as JSON instead of following it."
)
def release(
    project: str | None,
    version: str,
    prerelease: str,
    ref: str,
    plan_digest: str,
    reason: str,
    *,
    allow_dirty: bool,
    no_follow: bool,
    until_waiting: bool,
    as_json: bool,
) -> None:
    """Release PROJECT: plan it, start its run, and follow it live. Ctrl-C leaves it running.

    With your personal token in GARE_TOKEN the release is requested in your name.
    """
    from gare.cli.follow import follow
    from gare.cli.output import print_json
    from gare.cli.requesting import request_of
    from gare.cli.station_here import gare_here
    from gare.errors import ConfigError

    gare = gare_here()
    request = request_of(
        gare,
        project,
        version=version,
        prerelease=prerelease,
        ref=ref,
        plan=plan_digest,
        reason=reason,
        allow_dirty=allow_dirty,
        requested_by=_requester(gare),
    )
    if plan_digest and (version or prerelease or ref):
        raise ConfigError(
            "--plan names a stored plan, which has its version and commit already.",
            where="--version, --prerelease, --ref",
            hint="Leave these out, or plan anew with them.",
        )
    # Said here already: a run that is going to be refused is not even started.
    gare.ledger.releases.refuse_second(request.project)
    if not plan_digest:
        # Planned here first: what is wrong is said at once, and exactly what was seen is executed.
        digest, made = gare.make_plan(request)
        request = request.model_copy(update={"plan": digest})
        if not as_json:
            click.echo(
                f"{made.project} {made.version}: {len(made.commits)} commits, plan {digest[:19]}…"
            )
    run = gare.engine.start(request.model_dump())
    if not as_json:
        click.echo(f"run: {gare.engine.run_address(run.id)}")
    try:
        opened = _wait_for_release(gare, run.id)
    except KeyboardInterrupt:
        click.echo(
            "\nLeft; the run goes on without you. `gare status` shows its release.", err=True
        )
        raise
    if as_json:
        print_json({"release": opened, "run": run.id, "address": gare.engine.run_address(run.id)})
    elif no_follow:
        click.echo(f"{opened} is under way; follow it with `gare watch {opened}`.")
    else:
        raise SystemExit(follow(gare, opened, until_waiting=until_waiting))


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

    from gare.cli.station_here import gare_here
    from gare.domain.releases import ReleaseState
    from gare.errors import NotFound, Refused

    gare = gare_here()
    found = gare.ledger.releases.get(release_id)
    if found.is_closed:
        raise Refused(
            f"{found.id} has ended already: {found.state}.",
            where=found.id,
            hint="Nothing was changed.",
        )
    # A run that was deleted in the engine's UI has nothing to stop: only the ledger's release is left to end.
    with suppress(NotFound):
        gare.engine.cancel(found.flow_run_id)
        _wait_until_over(gare, found.flow_run_id)
    end = "cancelled" + (f": {reason}" if reason else "")
    ended = gare.ledger.releases.mark(
        found.id, ReleaseState.CANCELLED, actor=_requester(gare) or "command line", end=end
    )
    done = [
        effect.target for effect in gare.ledger.effects.of(found.id) if effect.receipt is not None
    ]
    click.echo(
        f"{ended.id} is {ended.state}."
        + (f" Done outside before: {', '.join(done)}." if done else "")
    )


@click.command()
@click.argument("release_id", metavar="R-…")
@FOLLOW
def resume(release_id: str, *, no_follow: bool) -> None:
    """Bring a failed or sleeping release on from where it stands. Steps that are done are not done again."""
    from gare.cli.follow import follow
    from gare.cli.station_here import gare_here
    from gare.domain.releases import ReleaseState
    from gare.errors import Refused

    gare = gare_here()
    found = gare.ledger.releases.get(release_id)
    if found.is_closed:
        raise Refused(
            f"{found.id} has ended: {found.state}.",
            where=found.id,
            hint="Start a new one with `gare release`.",
        )
    run = gare.engine.run(found.flow_run_id)
    if found.state is ReleaseState.FAILED:
        # Marked here already: a second release under way is said at once, not by the run.
        gare.ledger.releases.mark(
            found.id, ReleaseState.RUNNING, actor=_requester(gare) or "command line"
        )
    if run.is_suspended:
        gare.engine.resume(run.id)
    elif run.is_over:
        gare.engine.retry(run.id)
    click.echo(f"{found.id} goes on.")
    if not no_follow:
        raise SystemExit(
            follow(gare, found.id, until_waiting=True, since=gare.ledger.database.head(found.id))
        )


@click.command()
@click.argument("release_id", metavar="R-…")
@click.argument("step")
@click.option("--comment", default="", help="What you did; kept in the record.")
def done(release_id: str, step: str, comment: str) -> None:
    """Tick off a manual step.

    In your name: with your personal token in GARE_TOKEN. For a STEP that stopped at something nobody can look up, such
    as a mail, it says that you have looked and that it counts as done.
    """
    from gare.cli.station_here import gare_here
    from gare.cli.token import person_here
    from gare.domain.releases import StepState
    from gare.errors import Refused

    gare = gare_here()
    person = person_here(gare)
    found = gare.ledger.releases.get(release_id)
    planned = {planned.id: planned for planned in gare.plan(found.plan).steps}
    if found.is_closed:
        raise Refused(
            f"{found.id} has ended: {found.state}.", where=step, hint="Nothing was changed."
        )
    if step in planned and (
        settled := gare.ledger.effects.settle(found.id, step, person=person, comment=comment)
    ):
        click.echo(f"{found.id} {step}: {', '.join(settled)} counts as done, on {person}'s word.")
        click.echo(f"Go on with `gare resume {found.id}`.")
        return
    if step not in planned or planned[step].type != "manual":
        manual = [name for name, item in planned.items() if item.type == "manual"]
        raise Refused(
            f"{step!r} is no manual step of {found.id}.",
            where=found.id,
            hint=f"Manual steps: {', '.join(manual) or 'none'}.",
        )
    records = gare.ledger.releases.steps(found.id)
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


def _requester(gare: Gare) -> str:
    from gare.cli.token import person_here

    return person_here(gare) if os.environ.get("GARE_TOKEN") else ""


def _wait_for_release(gare: Gare, run_id: str) -> str:
    """Wait until the run has opened its release; a run that ends before says why."""
    import time

    from gare.errors import Refused, Unavailable

    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = gare.ledger.releases.of_run(run_id)
        if found is not None:
            return found.id
        run = gare.engine.run(run_id)
        if run.is_over:
            raise Refused(
                run.state_message or f"The run ended as {run.state_name}.",
                where=gare.engine.run_address(run_id),
                hint="Correct it and start again.",
            )
        time.sleep(0.3)
    raise Unavailable(
        "The run has not begun after two minutes.",
        where=gare.engine.run_address(run_id),
        hint="Is the worker alive? `gare doctor` says.",
    )


def _wait_until_over(gare: Gare, run_id: str) -> None:
    import time

    from gare.errors import Unavailable

    deadline = time.monotonic() + 60
    while not gare.engine.run(run_id).is_over:
        if time.monotonic() > deadline:
            raise Unavailable(
                "The run has not ended within a minute.",
                where=gare.engine.run_address(run_id),
                hint="Is the worker alive? `gare doctor` says; then cancel again.",
            )
        time.sleep(0.3)
