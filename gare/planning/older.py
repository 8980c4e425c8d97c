"""A version that would take the last environment behind what runs there: refused, unless a person allows it."""

from gare.domain.versions import is_between
from gare.errors import Refused

OLDER_THAN = "older_than"
"""In the details of a plan: the version that runs, when it is newer and a person has allowed to go back from it."""


def older_than(version: str, live: str) -> str:
    """Return what runs in the last environment when it is newer than a version; else nothing."""
    return live if live and is_between(version, "", live) else ""


def refuse_older(version: str, live: str, *, what: str, environment: str, instead: str) -> None:
    """Raise Refused when the last environment runs a newer version than `what` is going to be."""
    if older_than(version, live):
        raise Refused(
            f"{environment} runs {live}, which is newer: {what} would take it back to {version}.",
            where=f"version {version}",
            hint=f"{instead} If it is to go back on purpose, say so with `--allow-older` (in requests: `allow_older`).",
        )


def told_older(version: str, live: str) -> list[str]:
    """Say that an environment goes back."""
    newer = older_than(version, live)
    return [f"{newer} runs and goes back to {version}: that was allowed"] if newer else []
