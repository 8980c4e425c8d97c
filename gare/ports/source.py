"""Version control as Gare needs it: read history, check out, tag, publish."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from gare.domain.commits import Commit
from gare.ports.picker import Picker, Tracer


class Tag(NamedTuple):
    """A tag and the commit it (finally) points to."""

    name: str
    commit: str


class Head(NamedTuple):
    """The line to release from and its newest commit."""

    branch: str
    commit: str


class History(Protocol):
    """What decides the next version: the head, the tags, the commits. Calls raise ConnectorError or Refused."""

    def head(self, ref: str = "") -> Head:
        """Return the branch and commit to release; `ref` overrides the configured branch."""

    def tags(self, reachable_from: str = "") -> list[Tag]:
        """Return the tags under the configured prefix, or only those in a commit's history; in no promised order."""

    def commits(self, since: str, until: str, paths: Iterable[str] = ()) -> Iterator[Commit]:
        """Yield commits in `since..until`, newest first; empty `since` means from the beginning."""


class Source(History, Protocol):
    """Reads of a project's version control. Every call raises ConnectorError or Refused with a hint."""

    @property
    def picks(self) -> Picker:
        """Put chosen commits on a line."""

    @property
    def traces(self) -> Tracer:
        """Find commits again in other lines."""

    def check(self, *, allow_dirty: bool = False) -> list[str]:
        """Refuse a repository that cannot be planned (absent, shallow, dirty, detached); return warnings."""

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Tell whether `newer` contains `older`."""

    def read_file(self, commit: str, path: str) -> str:
        """Return the text of a file at a commit. Raises NotFound."""

    def checkout(self, commit: str, folder: Path) -> None:
        """Put a clean working tree of `commit` into `folder`, which must be empty or absent."""

    def remote_tag(self, name: str) -> str:
        """Return the commit that tag `name` points to where it is published; empty when absent."""


class TagWriter(Protocol):
    """Writes of a project's version control; each is looked up first by the effect helper."""

    def look_tag(self, name: str) -> tuple[str, str]:
        """Return (commit, message) of the published tag `name`; ("", "") when absent."""

    def write_tag(self, name: str, commit: str, message: str, *, push: bool) -> str:
        """Create the annotated tag (and push it); return the tag object's id."""

    def look_file(self, path: str) -> str:
        """Return the text of `path` at the published branch's head; empty when absent."""

    def write_file(self, path: str, text: str, message: str, *, push: bool) -> str:
        """Commit `text` as `path` on the branch (and push it); return the commit."""
