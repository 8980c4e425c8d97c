"""Version control as hotfixes need it: put chosen commits on a released version, and find them again in other lines."""

from collections.abc import Collection, Sequence
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
    """A commit that was put on a line. `made` and `patch` (its patch id) are empty when it brings nothing there.

    Then the line has it already, or it is empty itself.
    """

    commit: str
    made: str
    patch: str
    subject: str
    is_empty: bool = False


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
        """Put commits on top of `base`; the same inputs give the same commit. Only with `keep` it can be looked into.

        Git removes it after a while unless it is held. Raises Refused for a merge without its parent, and for a
        conflict with the files named.
        """

    def hold(self, commit: str) -> None:
        """Keep a picked commit until it is let go. Raises NotFound when it is gone."""

    def held(self) -> list[str]:
        """Return the commits that are kept."""

    def let_go(self, commit: str) -> None:
        """Keep a picked commit no longer for its own sake: a tag has it, or nobody needs it."""

    def lines(self, patterns: Sequence[str]) -> dict[str, str]:
        """Return the branches whose names match one of the globs, with their newest commits."""

    def look_branch(self, name: str, *, push: bool) -> str:
        """Return the commit of a branch where it would be pushed, else of the local one; empty when absent."""

    def write_branch(self, name: str, commit: str, *, push: bool, over: str = "") -> None:
        """Create the branch at a commit, or move it there from `over`. Raises Conflict when it is elsewhere."""


class Tracer(Protocol):
    """Finds commits again in lines. A commit that is not in the repository is in no line. Raises ConnectorError."""

    def has(self, line: str, commit: str) -> bool:
        """Tell whether a line has a commit."""

    def same(self, line: str, commit: str) -> list[str]:
        """Return the commits of a line that make the same change as one that it does not have, the newest first."""

    def undone_by(self, line: str, commit: str, known_as: Collection[str]) -> str:
        """Return the commit by which a line that has a commit has taken it back since, and not taken up again.

        Empty when there is none. `known_as` are other ids of the same change: reverting one of them counts too.
        """
