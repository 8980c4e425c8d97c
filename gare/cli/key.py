"""`gare key`: the keys with which the station signs its evidence. Private halves are never printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gare.ledger.keys import KeyRecord, Keys

JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")


@click.group()
def key() -> None:
    """Show, change and export the keys that sign the evidence.

    The first is made when it is needed. Its fingerprint is what auditors trust: `gare evidence verify FILE --key
    sha256:…`. Keys that follow are endorsed by the one before.
    """


@key.command()
@JSON
def show(*, as_json: bool) -> None:
    """Show the current key; the station's first is made now when there is none."""
    from gare.cli.output import print_json
    from gare.cli.station_here import gare_here

    keys = gare_here().keys
    signer = keys.signer()
    record = next(record for record in keys.all() if record.key.id == signer.id)
    if as_json:
        print_json(_row(keys, record))
        return
    click.echo(f"{signer.id}, made at {record.key.made_at}")
    if record.key.endorsed_by:
        click.echo(f"endorsed by {record.key.endorsed_by}; the first was {signer.chain[0].id}")
    click.echo(f"private half: {keys.path(signer.id)}")
    click.echo(record.key.public, nl=False)


@key.command(name="list")
@JSON
def list_keys(*, as_json: bool) -> None:
    """List every key the station has had, oldest first."""
    from gare.cli.output import print_json, print_table
    from gare.cli.station_here import gare_here

    keys = gare_here().keys
    rows = [_row(keys, record) for record in keys.all()]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["key", "made at", "retired at", "endorsed by"],
        [
            [row["id"], row["made_at"], row["retired_at"] or "", (row["endorsed_by"] or "")[:19]]
            for row in rows
        ],
    )


@key.command()
@click.option(
    "--lost",
    "is_lost",
    is_flag=True,
    help="The current private key is gone or not to be trusted: the new one is endorsed by none.",
)
def rotate(*, is_lost: bool) -> None:
    """Make a new key; what was signed before still verifies."""
    from gare.cli.station_here import gare_here

    made = gare_here().keys.rotate(actor="command line", is_lost=is_lost)
    click.echo(f"{made.id} signs from now on.")
    if made.endorsed_by:
        click.echo(f"It is endorsed by {made.endorsed_by}.")
    else:
        click.echo("No key endorses it: tell its fingerprint to everybody who verifies evidence.")


@key.command()
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; default: standard output.",
)
@click.option(
    "--all", "with_all", is_flag=True, help="Every key the station has had, oldest first."
)
def export(out: Path | None, *, with_all: bool) -> None:
    """Print the public half of the current key in PEM, for `gare evidence verify FILE --key`."""
    from gare.cli.station_here import gare_here
    from gare.errors import ConfigError
    from gare.files import write_atomic

    keys = gare_here().keys
    current = keys.signer().chain[-1]
    chosen = [record.key for record in keys.all()] if with_all else [current]
    text = "".join(found.public for found in chosen)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        write_atomic(out, text)
    except OSError as error:
        raise ConfigError(
            f"The key cannot be written: {error.strerror}.",
            where=str(out),
            hint="Name a file in a folder that exists and may be written.",
        ) from error
    click.echo(f"{out}: {len(chosen)} public key{'' if len(chosen) == 1 else 's'}")


def _row(keys: Keys, record: KeyRecord) -> dict[str, Any]:
    return {
        **record.key._asdict(),
        "retired_at": record.retired_at or None,
        "has_private": keys.path(record.key.id).is_file(),
    }
