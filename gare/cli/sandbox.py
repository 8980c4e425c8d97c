"""`gare sandbox`: simulated GitLab and Jira on this machine, to try things out without an account."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gare.sandbox.host import Sandbox


@click.group()
def sandbox() -> None:
    """Serve simulated vendors on this machine, to try things out without an account."""


@sandbox.command()
@click.option(
    "--seed", "seed_file", type=click.Path(path_type=Path), help="YAML file to start from."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4290,
    show_default=True,
    help="TCP port; 0 takes a free one.",
)
@click.option(
    "--contracts",
    envvar="GARE_CONTRACTS",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the vendors' API descriptions; with it every request and answer is checked.",
)
def up(*, seed_file: Path | None, port: int, contracts: Path | None) -> None:
    """Serve the vendors of a seed until Ctrl-C.

    Everything is in memory: the next start begins with the seed again. docs/how-to/sandbox.md says what a seed holds,
    and how the clock is moved and failures are made.
    """
    from gare.sandbox.host import Sandbox
    from gare.sandbox.seed import BUILT_IN, load_seed
    from gare.sandbox.sockets import address, listen, run

    served = Sandbox(load_seed(seed_file or BUILT_IN), descriptions=contracts)
    listener = listen(port)
    _tell(served, address(listener))
    run(served.app, listener)


def _tell(served: Sandbox, url: str) -> None:
    from gare.cli.output import clean

    for name in served.vendors:
        click.echo(f"{clean(name)}: {url}/{clean(name)}")
    click.echo(f"log, clock, failures: {url}/_sandbox")
    checked = "checked against the API descriptions" if served.contracts else "not checked"
    click.echo(f"Requests are {checked}. Ctrl-C ends it.")
