"""Options that several commands have, declared once."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

_Command = TypeVar("_Command", bound="Callable[..., Any]")

FOLLOW = click.option(
    "--no-follow", is_flag=True, help="Return at once instead of following to the end."
)
FOLLOW_TO_WAIT = click.option(
    "--no-follow",
    is_flag=True,
    help="Return at once instead of following until people must act, it is queued, or it ends.",
)
UNTIL = click.option(
    "--until-waiting",
    is_flag=True,
    help="Follow until people must act or it is queued, then return.",
)

REASON = click.option("--reason", default="", help="Why; kept in the record.")


AGAIN = click.option(
    "--again",
    default="",
    metavar="VERSION",
    help="A version that was rolled back, as it was: no new tag, the same artifacts.",
)


class Wanted(TypedDict):
    """What `wanted` brings to a command; each is the field of that name in `ReleaseRequest`."""

    version: str
    prerelease: str
    ref: str
    allow_dirty: bool
    allow_older: bool


ALLOW_OLDER = click.option(
    "--allow-older",
    is_flag=True,
    help="Go on although the last environment runs a newer version than it is.",
)


_WANTED = (
    click.argument("project", required=False),
    click.option("--version", default="", help="Take this version instead of the computed one."),
    click.option("--prerelease", default="", metavar="LABEL", help="A pre-release, such as rc."),
    click.option(
        "--ref", default="", help="Branch or commit to release; default: the project's branch."
    ),
    click.option(
        "--allow-dirty",
        is_flag=True,
        help="Go on although there are uncommitted changes; they are left out.",
    ),
    ALLOW_OLDER,
)


def wanted(command: _Command) -> _Command:
    """Add PROJECT and the options that say what is to be released (`Wanted`)."""
    return reduce(lambda inner, add: add(inner), reversed(_WANTED), command)
