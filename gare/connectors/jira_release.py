"""What a release tells Jira's tickets: fix versions, statuses, comments, links; and its change ticket.

Every write here is safe to repeat, or looked up first by the effect helper. Texts come as Markdown and are written as
ADF (Cloud) or wiki text (Data Center).
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from gare.connectors.jira_moves import Moves, stand_of
from gare.connectors.jira_project import JiraProject
from gare.connectors.jira_site import PAGE, quoted
from gare.connectors.jira_text import adf_text, to_adf, to_wiki
from gare.connectors.jira_versions import JiraVersions
from gare.connectors.vendor_errors import understood
from gare.ports.tracker import Receipt, TicketStand

Json = Mapping[str, Any]


@understood("Jira")
class JiraRelease(JiraProject):
    """The tickets of one project of a Jira, written to. Implements `TicketWriter` and `ChangeTickets`."""

    @cached_property
    def _moves(self) -> Moves:
        return Moves(self._site)

    @cached_property
    def versions(self) -> JiraVersions:
        """The project's versions."""
        return JiraVersions(self._settings, self._site)

    # Tickets

    def stands(self, keys: Sequence[str]) -> Mapping[str, TicketStand]:
        """Return how tickets stand, in pages; those that do not exist (any more) are left out."""
        found = self._site.issues(keys, ["status", "fixVersions"])
        return {issue["key"]: stand_of(issue) for issue in found}

    def stand(self, key: str) -> TicketStand:
        """Return how one ticket stands, read by its key: search lags behind writes."""
        return self._moves.stand(key)

    def has_versions(self, key: str) -> bool:
        """Tell whether the ticket belongs to the project that has the versions."""
        return key.rpartition("-")[0] == self._settings.project

    def plan_for(self, key: str, version: str) -> Receipt:
        """Add a version to a ticket (REST, PUT /issue/{key} with `update: add`): others keep theirs."""
        body = {"update": {"fixVersions": [{"add": {"name": version}}]}}
        self._site.send("PUT", f"issue/{key}", body, needs="EDIT_ISSUES")
        return {"ticket": key, "version": version}

    def move(self, key: str, to: str, fields: Mapping[str, Any]) -> Receipt:
        """Take a ticket to a status (REST, POST /issue/{key}/transitions); one that is done already may stay."""
        way = self._moves.way(key, to, fields)
        if way.offer is None:
            return {"ticket": key, "status": way.status, "stays": True}
        body: dict[str, Any] = {"transition": {"id": way.offer.id}}
        if way.fields:
            body["fields"] = way.fields
        self._site.send("POST", f"issue/{key}/transitions", body, needs="TRANSITION_ISSUES")
        return {"ticket": key, "status": way.status, "transition": way.offer.name}

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
