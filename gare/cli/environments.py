"""`gare environments`: what runs where, asked from the targets at this moment, and drift against the record."""

from __future__ import annotations

import click

_DRIFT, _UNREACHABLE = 1, 4
"""Exit codes (docs/exit-codes.md); drift is told first."""


@click.command()
@click.argument("project", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.option("--verbose", is_flag=True, help="Tell how each answer was got.")
def environments(project: str | None, *, as_json: bool, verbose: bool) -> None:
    """Ask every environment what runs there, and compare with the record.

    Ends with 1 when something else runs than was verified good there, with 4 when an environment does not answer.
    """
    from gare.cli.output import clean, first_line, print_json, print_table
    from gare.cli.station_here import gare_here
    from gare.environments import Stand, ask_environments
    from gare.reports.lengths import elapsed

    gare = gare_here()
    spots = ask_environments(gare, [project] if project else [], lambda _: None)
    if as_json:
        print_json([spot.as_json() for spot in spots])
    elif not spots:
        click.echo("No project has an environment yet.")
    else:
        now = gare.ledger.now()
        print_table(
            ["project", "environment", "runs", "record", "by", "for", "stand"],
            [
                [
                    spot.project,
                    spot.environment,
                    spot.runs or "-",
                    spot.record or "-",
                    spot.release,
                    elapsed((now - spot.since).total_seconds()) if spot.since else "",
                    spot.stand + (f", on hold since {spot.hold}" if spot.hold else ""),
                ]
                for spot in spots
            ],
        )
        quiet = () if verbose else (Stand.AS_RECORDED, Stand.EMPTY)
        for spot in spots:
            if spot.stand not in quiet:
                click.echo(f"{spot.project}/{spot.environment}: {clean(first_line(spot.detail))}")
    stands = {spot.stand for spot in spots}
    if Stand.DRIFT in stands:
        raise SystemExit(_DRIFT)
    if Stand.UNREACHABLE in stands:
        raise SystemExit(_UNREACHABLE)
