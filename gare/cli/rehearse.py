"""`gare rehearse`: a release tried out where nothing is real, and what it would tell the real systems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gare.cli.options import wanted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from gare.cli.options import Wanted
    from gare.rehearsal.story import StepStory, Story, Write

_SHOWN_BODY = 160


@click.command()
@wanted
@click.option("--keep", is_flag=True, help="Keep the folder that it was rehearsed in.")
@click.option(
    "--contracts",
    envvar="GARE_CONTRACTS",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the vendors' API descriptions; with it every request is checked.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what came of it as JSON.")
def rehearse(
    project: str | None,
    *,
    keep: bool,
    contracts: Path | None,
    as_json: bool,
    **asked: Unpack[Wanted],
) -> None:
    """Release PROJECT where nothing is real, and show what each real system would be told.

    The plan is the real one. GitLab and Jira are read, and played by the sandbox from what is there; the release runs
    to its end on a station in a folder that is thrown away, people's votes included. Nothing real is written to.
    """
    from gare.cli.output import print_json
    from gare.cli.release import requester
    from gare.cli.requesting import request_of
    from gare.cli.signals import signals_as_interrupt
    from gare.cli.station_here import gare_here
    from gare.rehearsal.run import rehearse as run
    from gare.requests import ReleaseRequest

    gare = gare_here()
    request = request_of(gare, project, ReleaseRequest, requested_by=requester(gare), **asked)
    say = _silent if as_json else _say
    with signals_as_interrupt():
        story = run(gare, request, say, contracts=contracts, keeps=keep)
    if as_json:
        print_json(story.as_json())
    else:
        _show(story)
    raise SystemExit(story.state.exit_code)


def _silent(_text: str) -> None:
    """Say nothing: JSON is printed at the end."""


def _say(text: str) -> None:
    from gare.cli.output import clean

    click.echo(clean(text))


def _show(story: Story) -> None:
    from gare.cli.output import clean
    from gare.reports.lengths import elapsed

    click.echo("\nWhat would be done")
    for step in story.steps:
        _show_step(step)
    if story.unplaced:
        click.echo("\n  at its end")
        _show_writes(story.unplaced)
    if story.notes:
        click.echo("\nNot as in the real release")
        for note in story.notes:
            click.echo(f"  {clean(note)}")
    took = elapsed(story.seconds)
    click.echo(f"\nrehearsal of {story.project} {story.version}: {story.state} after {took}")
    if story.end and story.state.exit_code:
        click.echo(f"  {clean(story.end)}")
    if story.folder:
        click.echo(f"kept: {story.folder}")


def _show_step(step: StepStory) -> None:
    from gare.cli.output import clean
    from gare.reports.lengths import elapsed

    click.echo(f"  {step.id}  {step.state} in {elapsed(step.seconds)}")
    _show_writes(step.writes)
    for other in step.others:
        click.echo(f"      {clean(other)}")
    if step.error:
        click.echo(f"      {clean(step.error)}")


def _show_writes(writes: Sequence[Write]) -> None:
    from gare.cli.output import clean, cut

    for write in writes:
        body = write.body if isinstance(write.body, str) else json.dumps(write.body)
        refused = f" -> {write.status}" if write.status >= 400 or not write.status else ""
        told = f"{write.system}: {write.method} {write.path}{refused}"
        click.echo(f"      {clean(told)}  {cut(clean(body), _SHOWN_BODY)}".rstrip())
