"""Merge requests: how changes reach a protected branch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class MergeRequest:
    """One merge request. `state` is opened, merged or closed."""

    number: int
    title: str
    state: str
    source_branch: str
    target_branch: str
    commit: str
    """Head of the source branch."""
    url: str
    description: str = ""
    merged_commit: str = ""
    """The commit on the target branch, once merged."""
    is_mergeable: bool = False
    """Whether it could be merged now."""
    waits_for: str = ""
    """Why it cannot be merged now, in words; empty when it can, or is through."""


class MergeRequests(Protocol):
    """The merge requests of one project. Every call raises ConnectorError."""

    def find(self, source_branch: str, target_branch: str) -> MergeRequest | None:
        """Return the newest merge request from one branch into another, in any state but closed; None without one."""

    def get(self, number: int) -> MergeRequest:
        """Return a merge request. Raises NotFound."""

    def merged(self, target_branch: str, since: datetime | None) -> Sequence[MergeRequest]:
        """Return what was merged into a branch after an instant, in few requests; None is from the beginning."""

    def commits(self, number: int) -> Sequence[str]:
        """Return the commits of a merge request, oldest first."""

    def open(
        self, source_branch: str, target_branch: str, title: str, description: str
    ) -> MergeRequest:
        """Open a merge request. Through the effect helper only: `find` is its look."""

    def merge(self, number: int, commit: str) -> MergeRequest:
        """Merge when the head still is `commit`; Conflict otherwise. Through the effect helper only."""
