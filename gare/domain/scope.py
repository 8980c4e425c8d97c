"""Scope truth: tickets and commits matched both ways. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gare.domain.commits import Change, by_number, standing
from gare.domain.plan import PlannedTicket

MATCHED = "matched"
WITHOUT_CODE = "planned without code"
WITHOUT_TICKET = "code without ticket"
REOPENED = "reopened"


class TicketLike(Protocol):
    """What the match needs to know of a ticket."""

    @property
    def key(self) -> str:
        """Key as commits name it."""

    @property
    def title(self) -> str:
        """One line for people."""

    @property
    def kind(self) -> str:
        """Type in the tracker's own word."""

    @property
    def status(self) -> str:
        """One of todo, doing, done, reopened."""

    @property
    def version(self) -> str:
        """The planned version, or empty."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What tickets and commits say about each other.

    `tickets` are sorted by key, numbers by their size; `untracked` are the ids of commits that name no ticket, in the
    given order.
    """

    tickets: tuple[PlannedTicket, ...]
    untracked: tuple[str, ...]


def ticket_keys(changes: Sequence[Change]) -> list[str]:
    """Return every key the standing changes of a range name, sorted, to ask the tracker for."""
    return sorted({key for change in standing(changes) for key in change.tickets})


def match(changes: Sequence[Change], tickets: Iterable[TicketLike]) -> Scope:
    """Match a range with the tickets it names and those planned for its version.

    A ticket that was reopened says so even when it has code. Code undone in the range is no code. Merges are not
    asked for a ticket.
    """
    left = standing(changes)
    commits: dict[str, list[str]] = {}
    for change in left:
        for key in change.tickets:
            commits.setdefault(key, []).append(change.sha)
    known = {ticket.key: ticket for ticket in tickets}
    planned = [_judged(ticket, tuple(commits.get(ticket.key, ()))) for ticket in known.values()]
    planned += [
        PlannedTicket(key, "", "", "", "", WITHOUT_TICKET, tuple(shas))
        for key, shas in commits.items()
        if key not in known
    ]
    return Scope(
        tickets=tuple(sorted(planned, key=lambda ticket: by_number(ticket.key))),
        untracked=tuple(c.sha for c in left if not c.tickets and not c.is_merge),
    )


def _judged(ticket: TicketLike, commits: tuple[str, ...]) -> PlannedTicket:
    verdict = MATCHED if commits else WITHOUT_CODE
    if ticket.status == "reopened":
        verdict = REOPENED
    return PlannedTicket(
        ticket.key, ticket.title, ticket.kind, ticket.status, ticket.version, verdict, commits
    )
