"""Freeze periods that another system keeps: Gare reads them and enforces them itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class FreezePeriod:
    """A time that comes again: closed from each moment of the cron line `start` to the next one of `end`.

    Both are lines of five fields in the local time of `zone` (a name of the IANA database).
    """

    name: str
    start: str
    end: str
    zone: str


class FreezeSource(Protocol):
    """Reads of freeze periods."""

    @property
    def place(self) -> str:
        """Name where they are kept, such as `GitLab shop/payments`."""

    def freeze_periods(self, *, is_hasty: bool = False) -> Sequence[FreezePeriod]:
        """Return every period of the project, in the other system's order.

        In haste, somebody looks on: a system that does not answer at once is away.
        """
