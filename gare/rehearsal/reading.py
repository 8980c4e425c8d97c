"""What both vendors' readings have in common: a section of the sandbox's seed, and what could not be read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gare.errors import NotFound, PermissionDenied

Found = TypeVar("Found")


@dataclass(frozen=True)
class Reading:
    """One real system as the sandbox's seed. `notes` are for the person who rehearses."""

    seed: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    def allowed(self, what: str, read: Callable[[], Iterable[Found]]) -> list[Found]:
        """Return what is read; nothing, and a note, where the token may not read it or the vendor has no such thing."""
        try:
            return list(read())
        except (PermissionDenied, NotFound) as refusal:
            self.notes.append(f"{what} cannot be read and is left out: {refusal.what}")
            return []
