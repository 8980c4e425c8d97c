"""Tickets as Gare needs them: what a version is about, and what a release tells the tracker."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

Receipt = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket. `status` is one of todo, doing, done, reopened; `version` is the planned one or empty.

    `said` is its status in the tracker's own words.
    """

    key: str
    title: str
    kind: str = "task"
    status: str = "todo"
    version: str = ""
    said: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class TicketVersion:
    """A version as the tracker has it. `released_on` is a date as the tracker spells it, or empty."""

    name: str
    is_released: bool = False
    is_archived: bool = False
    released_on: str = ""


@dataclass(frozen=True, slots=True)
class TicketStand:
    """How a ticket stands: its status in the tracker's own words, what that means, and its versions.

    `category` is todo, doing or done.
    """

    status: str
    category: str
    versions: tuple[str, ...] = ()

    def is_in(self, wanted: str) -> bool:
        """Whether it has this status, by its name or by what it means."""
        return wanted.casefold() == self.status.casefold() or wanted == self.category


@dataclass(frozen=True, slots=True)
class Sprint:
    """A sprint of a board; `state` is future, active or closed."""

    id: int
    name: str
    state: str
    board: str


class Tracker(Protocol):
    """Reads of a tracker."""

    def tickets(
        self, keys: Iterable[str], version: str, since: datetime | None = None
    ) -> list[Ticket]:
        """Return the tickets named in `keys` and those planned for `version`, sorted by key.

        A ticket that was done, and has been taken up again after `since`, is *reopened*; one of a version that is out
        is returned for that alone. Without `since` the tracker tells what it knows.
        """


class VersionWriter(Protocol):
    """The versions of a tracker's project, written to; each write is looked up first by the effect helper."""

    @property
    def place(self) -> str:
        """Name the tracker and the project in it, such as `Jira SHOP`."""

    @property
    def pattern(self) -> str:
        """Say how the project's own versions are called, such as `shop {version}`."""

    def versions(self) -> list[TicketVersion]:
        """Return the versions of the project, in its order."""

    def version(self, name: str) -> TicketVersion | None:
        """Return a version of the project, or None."""

    def make_version(self, name: str, text: str) -> Receipt:
        """Create a version that is not released."""

    def place_version(self, name: str, after: str) -> Receipt:
        """Put a version after another one."""

    def release_version(self, name: str, on: date, open_to: str = "") -> Receipt:
        """Mark a version as released on a day, and move what is open of it to another version.

        Raises Conflict when it is archived.
        """

    def archive_version(self, name: str) -> Receipt:
        """Let nothing be planned for a version any more."""


class TicketWriter(Protocol):
    """What a release writes into a tracker; each write is looked up first by the effect helper."""

    @property
    def place(self) -> str:
        """Name the tracker and the project in it, such as `Jira SHOP`."""

    @property
    def versions(self) -> VersionWriter:
        """The versions that tickets are planned for."""

    def stands(self, keys: Sequence[str]) -> Mapping[str, TicketStand]:
        """Return how tickets stand now, those that exist, in few requests."""

    def stand(self, key: str) -> TicketStand:
        """Return how one ticket stands this very moment."""

    def has_versions(self, key: str) -> bool:
        """Tell whether the ticket belongs to the project that has the versions."""

    def plan_for(self, key: str, version: str) -> Receipt:
        """Add a version to those a ticket is planned for; the others stay."""

    def move(self, key: str, to: str, fields: Mapping[str, Any]) -> Receipt:
        """Take a ticket to a status or a category of statuses (`todo`, `doing`, `done`), by what is offered now.

        `fields` fill the screen of the transition. One that is done already stays where nothing leads on. Raises
        Refused, naming what is offered or what the screen asks for.
        """

    def has_comment(self, key: str, mark: str) -> bool:
        """Tell whether a comment of the ticket holds this text."""

    def comment(self, key: str, text: str) -> Receipt:
        """Add a comment, written in Markdown."""

    def has_link(self, key: str, link: str) -> bool:
        """Tell whether the ticket has the link with this id."""

    def add_link(self, key: str, link: str, address: str, title: str) -> Receipt:
        """Link the ticket to an address; the same id again changes that link."""


class TicketForesight(Protocol):
    """What the tracker is going to refuse, asked before it is tried. A call is one question, or two."""

    @property
    def place(self) -> str:
        """Name the tracker and the project in it."""

    def lacking(self, rights: Iterable[str]) -> list[str]:
        """Return those of these rights, in the tracker's own words, that we do not have."""

    def refused_move(self, key: str, to: str, fields: Mapping[str, Any]) -> str:
        """Say why a ticket cannot be taken to a status as it stands now; empty when it can."""

    def refused_version(self, name: str) -> str:
        """Say why tickets cannot be planned for a version, or it cannot be released; empty when they can."""

    def refused_change(self, project: str, kind: str) -> str:
        """Say why no change ticket of this type can be made; empty when it can. `project` empty: the tracker's own."""


class ChangeTickets(Protocol):
    """A ticket per release that follows its phases."""

    def find_change(self, mark: str) -> str:
        """Return the key of the ticket with this label; empty when there is none."""

    def open_change(self, mark: str, title: str, text: str, project: str, kind: str) -> Receipt:
        """Create the ticket of a release with this label; the receipt names it as `ticket`.

        `project` is the tracker's own when empty.
        """


class Boards(Protocol):
    """Boards and sprints: what boards a train, and what is left of a sprint."""

    def sprints(self, board: str, states: Sequence[str] = ("active",)) -> list[Sprint]:
        """Return the sprints of a board, by its name or number, in the board's order."""

    def sprint_tickets(self, sprint: int) -> list[Ticket]:
        """Return the tickets of a sprint, sorted by key; those that are not done are what is left."""
