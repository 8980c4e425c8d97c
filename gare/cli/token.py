"""`gare token`: personal tokens. A token says who votes; it is shown once and only its digest is kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from gare.domain.counts import counted

if TYPE_CHECKING:
    from gare.wiring import Gare


@click.group()
def token() -> None:
    """Make, list and revoke people's personal tokens."""


@token.command()
@click.argument("person")
def create(person: str) -> None:
    """Make a token for PERSON (a name of station.yaml) and print it, once."""
    from gare.cli.station_here import gare_here
    from gare.errors import ConfigError

    gare = gare_here()
    names = [known.name for known in gare.station.config.people]
    if person not in names:
        raise ConfigError(
            f"{person!r} is not among the people of this station.",
            where="station.yaml: people",
            hint=f"Known: {', '.join(names) or 'nobody yet'}.",
        )
    click.echo(gare.ledger.tokens.create(person, actor="command line"))
    click.echo(f"This is {person}'s token; it is not shown again. Use it as GARE_TOKEN.", err=True)


@token.command()
@click.argument("person")
def revoke(person: str) -> None:
    """Make every token of PERSON void."""
    from gare.cli.station_here import gare_here
    from gare.errors import ConfigError

    tokens = gare_here().ledger.tokens
    have = tokens.people()
    if not have.get(person):
        raise ConfigError(
            f"{person!r} has no valid token, so none was revoked.",
            where="ledger",
            hint=f"People with a token: {', '.join(sorted(name for name in have if have[name])) or 'nobody'}.",
        )
    count = tokens.revoke(person, actor="command line")
    click.echo(f"{counted(count, 'token')} of {person} revoked.")


@token.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_tokens(*, as_json: bool) -> None:
    """Show who has how many valid tokens."""
    from gare.cli.output import print_json, print_table
    from gare.cli.station_here import gare_here

    gare = gare_here()
    have = gare.ledger.tokens.people()
    names = sorted({person.name for person in gare.station.config.people} | set(have))
    if as_json:
        print_json({name: have.get(name, 0) for name in names})
        return
    print_table(["person", "tokens"], [[name, str(have.get(name, 0))] for name in names])


def person_here(gare: Gare) -> str:
    """Return whose token is in GARE_TOKEN. Raises AuthenticationFailed when there is none or it is not valid."""
    from gare.errors import AuthenticationFailed

    given = os.environ.get("GARE_TOKEN", "")
    if not given:
        raise AuthenticationFailed(
            "This needs your name, and there is no personal token.",
            where="GARE_TOKEN",
            hint="Set GARE_TOKEN to the token that `gare token create NAME` printed.",
        )
    return gare.ledger.tokens.who(given)
