"""`gare audit`: verify the whole ledger of the station."""

from __future__ import annotations

import click


@click.group()
def audit() -> None:
    """Verify the whole ledger."""


@audit.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def verify(*, as_json: bool) -> None:
    """Check every event, every chain and every row of the ledger, while the station works."""
    from gare.cli.output import clean, print_json
    from gare.cli.station_here import gare_here
    from gare.ledger.audit import audit_ledger, refuse_unsound

    gare = gare_here()
    report = audit_ledger(gare.ledger.database)
    if as_json:
        print_json(
            {
                "is_sound": report.is_sound,
                "events": report.events,
                "streams": report.streams,
                "releases": report.releases,
                "checks": dict(report.checks),
                "problems": [
                    {"place": found.place, "what": found.what} for found in report.problems
                ],
            }
        )
    else:
        numbers = {"event": report.events, "stream": report.streams, "release": report.releases}
        click.echo(", ".join(f"{n} {name}{'' if n == 1 else 's'}" for name, n in numbers.items()))
        for name, count in report.checks.items():
            click.echo(f"{'ok  ' if not count else 'FAIL'}  {name}")
        for problem in report.problems:
            click.echo(f"problem: {clean(problem)}")
    refuse_unsound(report, "ledger")
    if not as_json:
        click.echo("sound: every chain holds, and the rows are what the events say")
