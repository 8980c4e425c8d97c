"""A release as its hosting shows it: notes and links beside a tag."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Link:
    """One thing to fetch or read. `kind` is other, runbook, image or package."""

    name: str
    url: str
    kind: str = "other"


@dataclass(frozen=True, slots=True)
class ReleaseEntry:
    """What the page of one tag says."""

    tag: str
    title: str
    notes: str
    links: tuple[Link, ...] = ()
    url: str = ""
    has_evidence: bool = False
    """Whether the hosting has noted down what it was made of."""


class ReleasePage(Protocol):
    """The releases of one project. Every call raises ConnectorError."""

    def look(self, tag: str) -> ReleaseEntry | None:
        """Return what stands there for a tag; None when nothing does."""

    def write(self, entry: ReleaseEntry) -> ReleaseEntry:
        """Make the release of a tag that exists. Through the effect helper only."""

    def rewrite(self, tag: str, notes: str) -> None:
        """Change the notes of the release of a tag. Through the effect helper only."""

    def add_links(self, tag: str, links: Sequence[Link]) -> None:
        """Add the links that the release lacks. Safe to repeat."""

    def collect_evidence(self, tag: str) -> None:
        """Let the hosting note down what the release was made of."""
