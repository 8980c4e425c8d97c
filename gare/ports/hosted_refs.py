"""What a hosting knows of branches and tags beyond Git: who may change them, and how far two are apart."""

from collections.abc import Sequence
from typing import Protocol


class HostedRefs(Protocol):
    """The refs of one project where it is hosted. Every call raises ConnectorError."""

    def refused_tag(self, name: str) -> str:
        """Say why this tag may not be made by us; empty when it may."""

    def refused_push(self, branch: str) -> str:
        """Say why we may not push to a branch; empty when we may."""

    def tag(self, name: str) -> str:
        """Return the commit of a tag; empty when there is none."""

    def branch(self, name: str) -> str:
        """Return the commit of a branch; empty when there is none."""

    def compare(self, older: str, newer: str) -> Sequence[str]:
        """Return the commits that `newer` has and `older` has not, oldest first."""
