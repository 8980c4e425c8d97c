"""`gare up`, `gare down`, `gare doctor`: the station on this machine."""

import os
import subprocess
import sys

import click


@click.command()
@click.option("--detach", is_flag=True, help="Return when it is ready, and leave it running.")
def up(*, detach: bool) -> None:
    """Start the station on this machine.

    Starts the Prefect server, the worker, the gateway and the reconciler, registers every deployment, and prints the
    addresses of the Prefect UI and the gateway. Ctrl-C or `gare down` ends all of it; releases that wait go on at the
    next start.
    """
    _check_state()
    _deployments("up", *(["--detach"] if detach else []))


@click.command()
def down() -> None:
    """Stop the station on this machine.

    Returns when nothing of it runs any more. What a killed station left behind is ended, too.
    """
    _deployments("down")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a check.")
def doctor(*, as_json: bool) -> None:
    """Say what is configured, reachable and missing.

    Each line says ok, warn or fail, what was found, and what to do. Exit code 1 when something fails. Changes nothing.
    """
    from gare.cli.output import clean, print_json
    from gare.doctor import examine, is_healthy

    checks = examine()
    if as_json:
        print_json([check.to_json() for check in checks])
    else:
        for check in checks:
            todo = f"  - {clean(check.todo)}" if check.todo else ""
            click.echo(f"{check.status.value:<4}  {clean(check.what)}{todo}")
    if not is_healthy(checks):
        raise SystemExit(1)


def _check_state() -> None:
    """Open the ledger once, so that what is wrong with it is said before anything starts, and not by a child's log.

    This process becomes another program afterwards: the memory that it took is given back.
    """
    from gare.config.loader import load_station
    from gare.station_state import StateFolder, is_held
    from gare.wiring import Gare

    gare = Gare(load_station())
    folder = StateFolder(gare.station.state)
    if not is_held(folder):
        folder.prepare()
        gare.ledger.database.close()


def _deployments(*words: str) -> None:
    """Become `python -m deployments`: the library starts what is above it as a program, and never imports it."""
    sys.stdout.flush()
    argv = [sys.executable, "-P", "-m", "deployments", *words]
    if os.name == "nt":
        raise SystemExit(subprocess.run(argv, check=False).returncode)
    os.execv(sys.executable, argv)  # noqa: S606
