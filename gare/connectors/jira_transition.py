"""Which transition of a Jira workflow leads where it shall, and what its screen asks for. Part of gare.connectors.jira.

Ids differ from workflow to workflow and from status to status: what is offered now is read, never remembered. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gare.errors import Refused

CATEGORIES: Mapping[str, str] = {"todo": "new", "doing": "indeterminate", "done": "done"}
"""Our words for Jira's keys of status categories."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One transition that Jira offers. `fields` are those of its screen, by id."""

    id: str
    name: str
    to: str
    category: str
    fields: Mapping[str, Mapping[str, Any]]

    def leads_to(self, wanted: str) -> bool:
        """Whether it ends in the status of this name, or in the category that one of our words means."""
        if self.to.casefold() == wanted.casefold():
            return True
        return self.category == CATEGORIES.get(wanted, "-")

    def missing(self, given: Iterable[str]) -> list[str]:
        """Return the fields that the screen asks for and nobody gives, as people know them."""
        given = set(given)
        return sorted(
            f"{field.get('name', key)} (`{key}`)"
            for key, field in self.fields.items()
            if field.get("required") and not field.get("hasDefaultValue") and key not in given
        )


def offers(transitions: Iterable[Mapping[str, Any]]) -> list[Offer]:
    """Read what GET /issue/{key}/transitions?expand=transitions.fields answers."""
    return [
        Offer(
            str(found["id"]),
            found["name"],
            found["to"]["name"],
            found["to"].get("statusCategory", {}).get("key", ""),
            found.get("fields") or {},
        )
        for found in transitions
        if found.get("isAvailable", True)
    ]


class NoWay(Refused):
    """No transition leads where it shall, from where the ticket stands."""


def chosen(
    offered: list[Offer], key: str, to: str, given: Mapping[str, Any], address: str
) -> Offer:
    """Return the transition to take. Raises NoWay naming what is offered, or Refused naming the missing fields."""
    fitting = [offer for offer in offered if offer.leads_to(to)]
    # A status of that very name wins over its category; then the one whose screen asks for nothing more.
    fitting.sort(
        key=lambda offer: (offer.to.casefold() != to.casefold(), len(offer.missing(given)))
    )
    if not fitting:
        names = ", ".join(f"{offer.name!r} to {offer.to!r}" for offer in offered)
        raise NoWay(
            f"No transition leads {key} to {to!r} now; offered: {names or 'none'}.",
            where=address,
            hint="Name one of these statuses in the project's file, or change the workflow in Jira.",
        )
    if missing := fitting[0].missing(given):
        raise Refused(
            f"The transition {fitting[0].name!r} of {key} asks for {', '.join(missing)}.",
            where=address,
            hint="Give a value under `fields` beside the transition in the project's file.",
        )
    return fitting[0]
