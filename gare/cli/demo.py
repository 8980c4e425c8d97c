"""`gare demo`: real projects, released by a real station beside a simulated GitLab and Jira, to be watched."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gare.demo.stage import Outcome

FAILED, REJECTED, INTERRUPTED = 1, 3, 130


@click.command()
@click.option(
    "--folder",
    default="demo",
    show_default=True,
    metavar="DIR",
    help="Where everything is made; a folder of its own.",
)
@click.option(
    "--yes", is_flag=True, help="Let the two demo persons vote by themselves, also in a terminal."
)
@click.option(
    "--fresh/--keep",
    "is_fresh",
    default=True,
    help="Replace the folder of an earlier demo (default), or keep it and stop.",
)
@click.option("--quick", "is_quick", is_flag=True, help="The first release only.")
def demo(folder: str, *, yes: bool, is_fresh: bool, is_quick: bool) -> None:
    """Release sample projects on a station of their own: by hand, by train, as a hotfix, and back.

    In a terminal you are asked for the approvals, and everything stays up until Ctrl-C.
    """
    from gare.cli.signals import signals_as_interrupt
    from gare.demo.run import Declined, run_demo
    from gare.demo.stage import Stage
    from gare.errors import GareError

    is_watched = _is_watched()
    stage = Stage(_write)
    try:
        with signals_as_interrupt():
            outcomes = run_demo(
                Path(folder).expanduser(),
                stage,
                ask=_ask if is_watched and not yes else None,
                is_fresh=is_fresh,
                is_quick=is_quick,
                linger=_linger if is_watched else None,
            )
    except Declined as said_no:
        _end(f"demo: stopped  {said_no.outcome.words}, as you said", REJECTED)
    except GareError as error:
        _write(f"\n{error}")
        _end(f"demo: failed  {' '.join(error.what.split())}", FAILED)
    except KeyboardInterrupt:
        _end("\ndemo: interrupted; nothing is left running", INTERRUPTED)
    _write(f"\ndemo: ok  {_result(outcomes)}")


def _result(outcomes: list[Outcome]) -> str:
    return ", ".join(outcome.words for outcome in outcomes)


def _write(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()


def _end(text: str, code: int) -> None:
    _write(text)
    raise SystemExit(code)


def _is_watched() -> bool:
    """Tell whether a person sits in front of it."""
    return sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("CI")


def _ask(question: str) -> str:
    try:
        return input(f"           {question}")
    except EOFError as error:
        raise KeyboardInterrupt from error


def _linger(is_alive: Callable[[], bool]) -> None:
    _write("\nEverything stays up for you to look around. Ctrl-C ends it all.")
    try:
        while is_alive():
            time.sleep(0.5)
        _write("The station has ended.")
    except KeyboardInterrupt:
        _write("")
