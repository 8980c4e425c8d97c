"""Tickets as Gare needs them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket. `status` is one of todo, doing, done, reopened; `version` is the planned one or empty."""

    key: str
    title: str
    kind: str = "task"
    status: str = "todo"
    version: str = ""


class Tracker(Protocol):
    """Reads of a tracker."""

    def tickets(self, keys: Iterable[str], version: str) -> list[Ticket]:
        """Return the tickets named in `keys` and those planned for `version`, sorted by key."""
