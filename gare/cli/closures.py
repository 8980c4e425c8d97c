"""`gare calendar`: when environments are closed, for people, programs and calendars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from datetime import datetime

    from gare.domain.freezes import Calendar


@click.command()
@click.option("--project", default="", help="Only what is about this project.")
@click.option(
    "--days", default=31, show_default=True, type=click.IntRange(1, 731), help="How far ahead."
)
@click.option(
    "--ics", "file", default="", metavar="FILE", help="Write an iCalendar file; `-`: print it."
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def calendar(project: str, days: int, file: str, *, as_json: bool) -> None:
    """Show when environments are closed, or write it as an iCalendar file."""
    from datetime import timedelta

    from gare.cli.output import print_json, print_table
    from gare.cli.station_here import gare_to_plan
    from gare.reports.freezes import entries

    gare = gare_to_plan()
    if project:
        gare.project(project)
    found = gare.freezes.calendar(project) if project else gare.freezes.whole_calendar()
    tell_unreadable(found)
    now = gare.ledger.now()
    if file:
        _write_calendar(found, now, file)
        return
    coming = entries(found, now, now + timedelta(days=days))
    if as_json:
        print_json([entry.as_json() for entry in coming])
    elif coming:
        headers = ("from", "to", "freeze", "projects", "environments", "why")
        print_table(headers, [entry.row() for entry in coming])
    else:
        click.echo(f"Nothing is closed in the coming {days} days.")


def tell_unreadable(calendar: Calendar) -> None:
    """Tell which freezes cannot be read, and why."""
    from gare.cli.output import clean

    for one in calendar.unreadable:
        told = (
            f"{one.name} cannot be read: {one.problem} What it may be about is closed until it can."
        )
        click.echo(f"note: {clean(told)}", err=True)


def _write_calendar(calendar: Calendar, now: datetime, file: str) -> None:
    from pathlib import Path

    from gare.calendars import as_icalendar
    from gare.errors import ConfigError
    from gare.files import write_atomic

    text = as_icalendar(calendar, now)
    if file == "-":
        click.echo(text.decode(), nl=False)
        return
    try:
        write_atomic(Path(file), text)
    except OSError as error:
        raise ConfigError(
            f"The calendar cannot be written: {error.strerror}.",
            where=file,
            hint="Name a file in a folder that exists and may be written.",
        ) from error
    click.echo(f"{file}: {len(calendar.windows) + len(calendar.stops)} freeze(s).")
