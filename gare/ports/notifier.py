"""Telling people: one message to one place."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """An announcement. `key` is unique per release and place: a receiver may drop repeats by it."""

    key: str
    subject: str
    text: str
    facts: dict[str, str]


class Notifier(Protocol):
    """A place that announcements go to."""

    @property
    def place(self) -> str:
        """Name the place without secrets, such as `file notes.md` or `mail team@example.org`."""

    def look(self, message: Message) -> bool | None:
        """Tell whether the message is already there; None when that cannot be known."""

    def send(self, message: Message) -> dict[str, str]:
        """Deliver the message and return a receipt.

        Raises Unsure when it may have been delivered all the same; any other error means that it was not.
        """
