"""What a release tells Jira's tickets: fix versions, statuses, comments, links; and its change ticket.

Every write here is safe to repeat, or looked up first by the effect helper. Texts come as Markdown and are written as
ADF (Cloud) or wiki text (Data Center).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from gare.connectors.jira import category_of
from gare.connectors.jira_screen import spelled
from gare.connectors.jira_settings import JiraConnection, JiraTrackerSettings
from gare.connectors.jira_site import PAGE, Site, quoted
from gare.connectors.jira_text import adf_text, to_adf, to_wiki
from gare.connectors.jira_transition import CATEGORIES, NoWay, Offer, chosen, offers
from gare.connectors.jira_versions import JiraVersions
from gare.connectors.vendor_errors import understood
from gare.ports.tracker import Receipt, TicketStand

Json = Mapping[str, Any]


@understood("Jira")
class JiraRelease:
    """The tickets of one project of a Jira, written to. Implements `TicketWriter` and `ChangeTickets`."""

    def __init__(
        self, settings: JiraTrackerSettings, connection: JiraConnection, base: Path
    ) -> None:
        """Take the settings, the connection they name, and the folder that file secrets are relative to."""
        self._settings, self._site = settings, Site(connection, base, settings.project)

    @property
    def place(self) -> str:
        """Name the tracker and the project in it."""
        return f"Jira {self._settings.project}"

    @cached_property
    def versions(self) -> JiraVersions:
        """The project's versions."""
        return JiraVersions(self._settings, self._site)

    def account(self) -> str:
        """Return the name of the token's account (REST, GET /myself)."""
        return str(self._site.get("myself", needs="")["displayName"])

    def lacking(self, rights: Iterable[str]) -> list[str]:
        """Return those of these rights (Jira's own keys) that the account does not have in the project."""
        return self._site.lacking(rights)

    # Tickets

    def stands(self, keys: Sequence[str]) -> Mapping[str, TicketStand]:
        """Return how tickets stand, in pages; those that do not exist (any more) are left out."""
        found = self._site.issues(keys, ["status", "fixVersions"])
        return {issue["key"]: _stand_of(issue) for issue in found}

    def stand(self, key: str) -> TicketStand:
        """Return how one ticket stands, read by its key: search lags behind writes."""
        return _stand_of(self._site.get(f"issue/{key}", {"fields": "status,fixVersions"}))

    def has_versions(self, key: str) -> bool:
        """Tell whether the ticket belongs to the project that has the versions."""
        return key.rpartition("-")[0] == self._settings.project

    def plan_for(self, key: str, version: str) -> Receipt:
        """Add a version to a ticket (REST, PUT /issue/{key} with `update: add`): others keep theirs."""
        body = {"update": {"fixVersions": [{"add": {"name": version}}]}}
        self._site.send("PUT", f"issue/{key}", body, needs="EDIT_ISSUES")
        return {"ticket": key, "version": version}

    def move(self, key: str, to: str, fields: Mapping[str, Any]) -> Receipt:
        """Take a ticket to a status, by the transitions that Jira offers now (REST, /issue/{key}/transitions).

        One that is done already stays where no transition leads on to a status that means done, too.
        """
        path = f"issue/{key}/transitions"
        query = {"expand": "transitions.fields"}
        answer = self._site.get(path, query, needs="TRANSITION_ISSUES")
        offered = offers(answer["transitions"])
        try:
            offer = chosen(offered, key, to, fields, self._site.address)
        except NoWay as refusal:
            if stays := self._done_already(key, to):
                return {"ticket": key, "status": stays, "stays": True}
            # Who may not take any transition is offered none, without a word.
            if not offered:
                self._site.require("TRANSITION_ISSUES", refusal)
            raise
        body: dict[str, Any] = {"transition": {"id": offer.id}}
        if mine := self._screen(offer, fields):
            body["fields"] = mine
        self._site.send("POST", path, body, needs="TRANSITION_ISSUES")
        return {"ticket": key, "status": offer.to, "transition": offer.name}

    def _done_already(self, key: str, to: str) -> str:
        """Return the done status that a ticket has, when a status that means done was wanted; else nothing."""
        found = self.stand(key)
        is_done = found.category == "done" and self._meanings.get(to.casefold()) == "done"
        return found.status if is_done else ""

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

    def has_comment(self, key: str, mark: str) -> bool:
        """Tell whether a comment holds `mark`, the newest looked at first."""
        query = {"orderBy": "-created", "maxResults": PAGE}
        comments = self._site.paged(f"issue/{key}/comment", "comments", query)
        # Wiki text has a backslash before what would be markup.
        texts = (adf_text(comment["body"]).replace("\\", "") for comment in comments)
        return any(mark in text for text in texts)

    def comment(self, key: str, text: str) -> Receipt:
        """Add a comment (REST, POST /issue/{key}/comment)."""
        body = {"body": self._text(text)}
        made = self._site.send("POST", f"issue/{key}/comment", body, needs="ADD_COMMENTS")
        return {"ticket": key, "comment": str(made["id"])}

    def has_link(self, key: str, link: str) -> bool:
        """Tell whether the ticket has a remote link with this `globalId`."""
        links = self._site.get(f"issue/{key}/remotelink")
        return any(found.get("globalId") == link for found in links)

    def add_link(self, key: str, link: str, address: str, title: str) -> Receipt:
        """Link a ticket (REST, POST /issue/{key}/remotelink): the same `globalId` changes the link that is there."""
        body = {"globalId": link, "object": {"url": address, "title": title}}
        made = self._site.send("POST", f"issue/{key}/remotelink", body, needs="EDIT_ISSUES")
        return {"ticket": key, "link": str(made["id"])}

    # Change tickets

    def find_change(self, mark: str) -> str:
        """Return the ticket with this label; search may lag a write by seconds."""
        issues = self._site.search(f"labels = {quoted([mark])}", ["status"])
        return next((issue["key"] for issue in issues), "")

    def open_change(self, mark: str, title: str, text: str, project: str, kind: str) -> Receipt:
        """Create a change ticket (REST, POST /issue)."""
        fields = {
            "project": {"key": project or self._settings.project},
            "issuetype": {"name": kind},
            "summary": title[:255],
            "description": self._text(text),
            "labels": [mark],
        }
        made = self._site.send("POST", "issue", {"fields": fields}, needs="CREATE_ISSUES")
        return {"ticket": made["key"]}

    def _text(self, markdown: str) -> Any:
        return to_adf(markdown) if self._site.is_cloud else to_wiki(markdown)


def _stand_of(issue: Json) -> TicketStand:
    status = issue["fields"]["status"]
    versions = tuple(version["name"] for version in issue["fields"].get("fixVersions") or ())
    return TicketStand(status["name"], category_of(status), versions)
