"""`gare hold`: where automation waits after a rollback, and the end of it."""

from __future__ import annotations

import click


@click.group()
def hold() -> None:
    """Show where automation waits after a rollback, and let it go on."""


@hold.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_holds(*, as_json: bool) -> None:
    """Show every environment where releases that no person has asked for since do not deploy."""
    from gare.cli.output import cut, first_line, print_json, print_table
    from gare.cli.station_here import ledger_here
    from gare.reports.lengths import elapsed

    ledger = ledger_here()
    holds = ledger.holds.all()
    if as_json:
        print_json(
            [
                {
                    "project": one.project,
                    "environment": one.environment,
                    "release": one.release,
                    "reason": one.reason,
                    "since": one.since.isoformat(),
                }
                for one in holds
            ]
        )
        return
    if not holds:
        click.echo("Nothing is on hold.")
        return
    now = ledger.now()
    print_table(
        ["project", "environment", "since", "for", "reason"],
        [
            [
                one.project,
                one.environment,
                one.release,
                elapsed((now - one.since).total_seconds()),
                cut(first_line(one.reason), 80),
            ]
            for one in holds
        ],
    )


@hold.command()
@click.argument("project")
@click.argument("environment")
@click.option("--reason", default="", help="Why automation may go on; kept in the record.")
def release(project: str, environment: str, reason: str) -> None:
    """Let automation deploy to ENVIRONMENT of PROJECT again. In your name: with your token in GARE_TOKEN."""
    from gare.cli.station_here import gare_here
    from gare.cli.token import person_here
    from gare.config.rights import check_hold_right
    from gare.planning.standing import check_environment

    gare = gare_here()
    person, own = person_here(gare), gare.project(project).config
    check_environment(own, environment)
    check_hold_right(gare.voter(person), gare.station.config, own)
    ended = gare.ledger.holds.release(project, environment, person=person, reason=reason)
    click.echo(f"{project}/{environment} is no longer on hold (it was since {ended.release}).")
