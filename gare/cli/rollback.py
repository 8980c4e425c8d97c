"""`gare rollback`: an environment goes back to a version that was verified good there, at once and followed."""

from __future__ import annotations

import click

from gare.cli.options import FOLLOW, UNTIL


@click.command()
@click.argument("project", required=False)
@click.option("--env", "environment", required=True, help="The environment that goes back.")
@click.option(
    "--to",
    default="",
    metavar="VERSION",
    help="A version that was verified good there; default: the one before what runs now.",
)
@click.option("--reason", default="", help="Why; kept in the record, shown to whoever waits.")
@click.option("--plan-only", is_flag=True, help="Show what it would do, and start nothing.")
@FOLLOW
@UNTIL
@click.option("--json", "as_json", is_flag=True, help="Print as JSON instead of following it.")
def rollback(
    project: str | None,
    environment: str,
    to: str,
    reason: str,
    *,
    plan_only: bool,
    no_follow: bool,
    until_waiting: bool,
    as_json: bool,
) -> None:
    """Bring an environment of PROJECT back to the version last verified good there.

    Automation there is on hold afterwards: `gare hold`. With your personal token in GARE_TOKEN it is requested in your
    name.
    """
    from gare.cli.output import clean
    from gare.cli.plan import print_plan
    from gare.cli.release import requester
    from gare.cli.requesting import request_of
    from gare.cli.starting import check_right, start
    from gare.cli.station_here import gare_here
    from gare.requests import RollbackRequest

    gare = gare_here()
    request = request_of(
        gare,
        project,
        RollbackRequest,
        environment=environment,
        to=to,
        reason=reason,
        requested_by=requester(gare),
    )
    if not plan_only:
        check_right(gare, request)
    # Planned here first, so that a refusal is said at once. The run makes the same plan, unless something moved.
    digest, made = gare.drafting.make(request)
    if plan_only:
        print_plan(gare, digest, made, as_json=as_json)
        return
    if not as_json:
        click.echo(f"{made.project}: {made.headline}, plan {digest[:19]}…")
        for warning in made.warnings:
            click.echo(f"note: {clean(warning)}")
    start(gare, request, no_follow=no_follow, until_waiting=until_waiting, as_json=as_json)
