"""`gare init` and `gare schema`: getting a configuration written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gare.config.detect import Proposal


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option(
    "--name", default="", help="Name of the project; otherwise the one its build file gives."
)
@click.option(
    "--stdout", "to_stdout", is_flag=True, help="Print gare.yaml instead of writing anything."
)
def init(path: Path | None, name: str, *, to_stdout: bool) -> None:
    """Write a working gare.yaml by looking at the repository.

    Looks at the Git repository of PATH (the current folder by default) and writes gare.yaml at its top, with a
    station.yaml beside it when no station is found above. Never overwrites a file.
    """
    from gare.config.detect import propose

    proposal = propose((path or Path.cwd()).absolute(), name=name)
    if to_stdout:
        click.echo(proposal.project_text, nl=False)
        _tell(proposal, to_stderr=True)
        return
    _write(proposal)
    _tell(proposal)
    _next_steps(proposal)


def _write(proposal: Proposal) -> None:
    """Write the files; a file that exists is refused before anything is written."""
    from gare.config.problems import shown
    from gare.errors import Refused

    files = {proposal.project_file: proposal.project_text}
    if proposal.has_new_station:
        files[proposal.station_file] = proposal.station_text
    for file in files:
        if file.exists() or file.is_symlink():
            raise Refused(
                f"{shown(file)} exists already; nothing was written.",
                where=str(file),
                hint="Edit it, move it away, or print a new one with `gare init --stdout`.",
            )
    for file, text in files.items():
        _create(file, text)
        click.echo(f"wrote {shown(file)}")
    if proposal.has_new_station:
        _ignore_state(proposal.station_file.parent / ".gare")


def _create(file: Path, text: str) -> None:
    from gare.errors import ConfigError

    try:
        with file.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        raise ConfigError(
            f"{file.name} cannot be written: {error.strerror}.",
            where=str(file),
            hint="Give yourself the right to write there.",
        ) from error


def _ignore_state(state: Path) -> None:
    """Make Git ignore the state folder from inside, so that the project's own .gitignore stays as it is."""
    ignore = state / ".gitignore"
    if not ignore.exists():
        state.mkdir(exist_ok=True)
        ignore.write_text("*\n", encoding="utf-8")


def _tell(proposal: Proposal, *, to_stderr: bool = False) -> None:
    from gare.cli.output import clean

    click.echo("\nFound", err=to_stderr)
    for line in proposal.found:
        click.echo(f"  {clean(line)}", err=to_stderr)
    if proposal.missing:
        click.echo("\nNot found: please write", err=to_stderr)
        for line in proposal.missing:
            click.echo(f"  {clean(line)}", err=to_stderr)


def _next_steps(proposal: Proposal) -> None:
    from gare.cli.output import clean, table

    files = "gare.yaml station.yaml" if proposal.has_new_station else "gare.yaml"
    steps = [
        (f"git add {files} && git commit", "keep the configuration in Git"),
        ("gare doctor", "what is reachable, what is missing"),
        (
            f"gare token create {proposal.person or 'NAME'}",
            "your token, for voting: export GARE_TOKEN",
        ),
        ("gare plan", "what a release would do"),
        ("gare up", "start the station, in a terminal of its own"),
        ("gare release", "release, and follow it"),
        ("gare approve R-…", "vote when it waits for you"),
    ]
    click.echo("\nNext")
    for line in proposal.todo:
        click.echo(f"  {clean(line)}")
    for line in table(("", ""), steps).splitlines()[1:]:
        click.echo(f"  {line}")


@click.command()
@click.argument(
    "file", required=False, type=click.Choice(["station", "project", "train"]), default="project"
)
def schema(file: str) -> None:
    """Print the JSON Schema of station.yaml, gare.yaml or a train's file.

    For editors: keep it in a file, and name that file in the first line of the YAML file:
    `# yaml-language-server: $schema=gare.schema.json`.
    """
    from gare.cli.output import print_json
    from gare.config.schema import schema_for

    print_json(schema_for(file))
