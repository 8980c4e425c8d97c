"""Version control as hotfixes need it: put chosen commits on a released version, and find them again in other lines."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Wanted(NamedTuple):
    """A commit to put on a line. `parent` is the number of a merge's mainline parent, 0 for an ordinary commit."""

    commit: str
    parent: int = 0


class Line(NamedTuple):
    """What is built on: a commit, and the tag or branch by which people know it."""

    name: str
    commit: str


class Pick(NamedTuple):
    """A commit that was put on a line. `made` and `patch` (its patch id) are empty when the line had it already."""

    commit: str
    made: str
    patch: str
    subject: str


class Picked(NamedTuple):
    """A line with the chosen commits on it: its newest commit, and what became of each of them."""

    commit: str
    picks: tuple[Pick, ...]


class Picker(Protocol):
    """Every call raises ConnectorError or Refused with a hint. Nobody's working copy and branch is touched."""

    def find_commit(self, name: str) -> str:
        """Return the full id of a commit of which `name` is the beginning. Raises NotFound, Refused for several."""

    def is_merge(self, commit: str) -> bool:
        """Tell whether a commit has more than one parent."""

    def pick(self, base: Line, wanted: Sequence[Wanted], *, keep: bool) -> Picked:
        """Put commits on top of `base`; the same inputs give the same commit. Only with `keep` it stays.

        Raises Refused for a merge without its parent, and for a conflict with the files named.
        """

    def let_go(self, commit: str) -> None:
        """Keep a picked commit no longer for its own sake: a tag has it."""

    def lines(self, patterns: Sequence[str]) -> dict[str, str]:
        """Return the branches whose names match one of the globs, with their newest commits."""

    def look_branch(self, name: str) -> str:
        """Return the commit of a published branch; empty when absent."""

    def write_branch(self, name: str, commit: str, *, push: bool) -> None:
        """Create the branch at a commit where it is published. Raises Conflict when it is elsewhere."""
