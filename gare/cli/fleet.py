"""`gare fleet`: what every project would release now. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gare.planning.fleet import Prospect


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def fleet(*, as_json: bool) -> None:
    """Show what every project would release now.

    Reads the repositories as they are here, asks no remote and no tracker, and stores nothing: `gare plan PROJECT`
    tells the rest.
    """
    from gare.cli.output import print_json, print_table
    from gare.cli.station_here import gare_here

    lines = [_line(prospect) for prospect in gare_here().drafting.look_over()]
    if as_json:
        print_json(lines)
        return
    print_table(
        ["project", "last", "next", "change", "commits", "tickets", "why not"],
        [
            [", ".join(value) if isinstance(value, list) else value for value in line.values()]
            for line in lines
        ],
    )


def _line(prospect: Prospect) -> dict[str, Any]:
    """Tell one project; what it would release is empty when that is nothing."""
    span = prospect.span
    tickets = {ticket for change in span.changes for ticket in change.tickets} if span else set()
    return {
        "project": prospect.project,
        "last": span.since_version if span else "",
        "next": span.next.version if span else "",
        "change": span.next.bump if span else "",
        "commits": len(span.changes) if span else 0,
        "tickets": sorted(tickets),
        "why": prospect.why,
    }
