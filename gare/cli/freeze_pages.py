"""Prints what people ask about freezes: what one hits, which of its patterns match nothing, and that it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from datetime import datetime

    from gare.config.freeze_problems import Known
    from gare.config.freezes import FreezeScope, StopOrder
    from gare.domain.freezes import Stop, Window
    from gare.frozen import Foresight


def _lines(found: Foresight) -> list[str]:
    """Return a line of each release, and one of each train: its first departure, and how many more there are."""
    from gare.reports.freeze_hits import TrainHit

    lines, trains = [], dict[str, list[str]]()
    for hit in found.found:
        if isinstance(hit, TrainHit):
            trains.setdefault(hit.train, []).append(str(hit))
        else:
            lines.append(str(hit))
    for first, *others in trains.values():
        more = f"{len(others)} more departure" + ("s" if len(others) > 1 else "")
        until = f"; and {more} until {found.trains_until:%Y-%m-%d}" if others else ""
        lines.append(first + until)
    return lines


def tell_vain(said: FreezeScope | StopOrder, known: Known) -> None:
    """Tell which of its patterns match nothing: one with a slip in it keeps nobody."""
    from gare.cli.output import clean
    from gare.config.freeze_problems import vain_patterns

    for told in vain_patterns(said, known):
        click.echo(f"note: {clean(told)}", err=True)


def tell_over(freeze: Window | Stop, now: datetime) -> None:
    """Tell that a freeze that there is has been, and comes no more."""
    from gare.domain.clearance import when
    from gare.domain.freezes import Window, WindowKind
    from gare.domain.spans import over_since

    if isinstance(freeze, Window) and (over := over_since(freeze.times, now)):
        stays = "; what it is about stays closed" if freeze.kind is WindowKind.ALLOW else ""
        click.echo(f"It was over {when(over, freeze.times.zone)}{stays}.")


def show_hits(found: Foresight) -> None:
    """Print what a freeze hits, and which trains were not looked at."""
    from gare.cli.output import clean

    for line in _lines(found):
        click.echo(f"hits {clean(line)}")
    if not found.found:
        click.echo(f"It hits no open release, and no train until {found.trains_until:%Y-%m-%d}.")
    for problem in found.unread:
        click.echo(f"note: a train was not looked at: {clean(problem)}", err=True)
