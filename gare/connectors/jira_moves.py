"""How a ticket of Jira gets to a status: the transition that is offered now, and what its screen is given. Reads."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

from gare.connectors.jira import category_of
from gare.connectors.jira_screen import spelled
from gare.connectors.jira_site import Site
from gare.connectors.jira_transition import CATEGORIES, NoWay, Offer, chosen, offers
from gare.ports.tracker import TicketStand


class Way(NamedTuple):
    """How a ticket gets there: a transition with the fields of its screen; none for one that stays as it is."""

    offer: Offer | None
    fields: Mapping[str, Any]
    status: str


class Moves:
    """The workflows of one Jira, as one user."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def stand(self, key: str) -> TicketStand:
        """Return how one ticket stands, read by its key: search lags behind writes."""
        return stand_of(self._site.get(f"issue/{key}", {"fields": "status,fixVersions"}))

    def way(self, key: str, to: str, fields: Mapping[str, Any]) -> Way:
        """Return how a ticket gets to a status (REST, GET /issue/{key}/transitions). Raises Refused when it does not.

        One that is done already stays where no transition leads on to a status that means done, too.
        """
        path, query = f"issue/{key}/transitions", {"expand": "transitions.fields"}
        answer = self._site.get(path, query, needs="TRANSITION_ISSUES")
        offered = offers(answer["transitions"])
        try:
            offer = chosen(offered, key, to, fields, self._site.address)
        except NoWay as refusal:
            if stays := self._stays(key, to):
                return Way(None, {}, stays)
            # Who may not take any transition is offered none, without a word.
            if not offered:
                self._site.require("TRANSITION_ISSUES", refusal)
            raise
        return Way(offer, self._screen(offer, fields), offer.to)

    def _stays(self, key: str, to: str) -> str:
        """Return the status of a ticket that has what is wanted, or is done where done is wanted; else nothing."""
        found = self.stand(key)
        is_done = found.category == "done" and self._meanings.get(to.casefold()) == "done"
        return found.status if found.is_in(to) or is_done else ""

    @cached_property
    def _meanings(self) -> Mapping[str, str]:
        """What each status means, by its name, and our own words (REST, GET /status)."""
        named = {
            one["name"].casefold(): category_of(one) for one in self._site.get("status", needs="")
        }
        return named | {word: word for word in CATEGORIES}

    def _screen(self, offer: Offer, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that this transition's screen has: one that is not on it would fail the whole."""
        return {
            field: spelled(field, value, offer.fields[field], is_cloud=self._site.is_cloud)
            for field, value in fields.items()
            if field in offer.fields
        }


def stand_of(issue: Mapping[str, Any]) -> TicketStand:
    """Return how an issue stands that was read with its status and fix versions."""
    status = issue["fields"]["status"]
    versions = tuple(version["name"] for version in issue["fields"].get("fixVersions") or ())
    return TicketStand(status["name"], category_of(status), versions)
