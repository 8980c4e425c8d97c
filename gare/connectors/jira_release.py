"""What a release tells Jira: versions, fix versions, statuses, comments, links, and its change ticket.

Every write here is safe to repeat, or looked up first by the effect helper. Texts come as Markdown and are written as
ADF (Cloud) or wiki text (Data Center).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from gare.connectors.jira import category_of
from gare.connectors.jira_settings import JiraConnection, JiraTrackerSettings
from gare.connectors.jira_site import PAGE, Site, quoted
from gare.connectors.jira_text import adf_text, to_adf, to_wiki
from gare.connectors.jira_transition import Offer, chosen, offers
from gare.connectors.vendor_errors import understood
from gare.errors import Conflict, NotFound, Refused
from gare.ports.tracker import Receipt, TicketStand, TicketVersion

Json = Mapping[str, Any]


@understood("Jira")
class JiraRelease:
    """One project of a Jira, written to. Implements `TicketWriter` and `ChangeTickets`."""

    def __init__(
        self, settings: JiraTrackerSettings, connection: JiraConnection, base: Path
    ) -> None:
        """Take the settings, the connection they name, and the folder that file secrets are relative to."""
        self._settings, self._site = settings, Site(connection, base, settings.project)

    @property
    def place(self) -> str:
        """Name the tracker and the project in it."""
        return f"Jira {self._settings.project}"

    def account(self) -> str:
        """Return the name of the token's account (REST, GET /myself)."""
        return str(self._site.get("myself", needs="")["displayName"])

    def lacking(self, rights: Iterable[str]) -> list[str]:
        """Return those of these rights (Jira's own keys) that the account does not have in the project."""
        return self._site.lacking(rights)

    # Versions

    def version(self, name: str) -> TicketVersion | None:
        """Return a version of the project (REST, GET /project/{key}/versions)."""
        found = self._version(name)
        return _version_of(found) if found else None

    def make_version(self, name: str, text: str) -> Receipt:
        """Create a version (REST, POST /version)."""
        project = self._site.get(f"project/{self._settings.project}")
        body = {"name": name, "projectId": int(project["id"]), "description": text}
        return _receipt(self._site.send("POST", "version", body, needs="ADMINISTER_PROJECTS"))

    def release_version(self, name: str, on: date) -> Receipt:
        """Mark a version as released (REST, PUT /version/{id}); its day is a date alone, in the site's own zone."""
        body = {"released": True, "releaseDate": on.isoformat()}
        return self._change_version(name, body)

    def archive_version(self, name: str) -> Receipt:
        """Archive a version: nothing can be planned for it any more."""
        return self._change_version(name, {"archived": True})

    def move_version(self, name: str, after: str) -> Receipt:
        """Put a version after another one in the project's order (REST, POST /version/{id}/move)."""
        path = f"version/{self._needed(name)['id']}/move"
        body = {"after": self._needed(after)["self"]}
        return _receipt(self._site.send("POST", path, body, needs="ADMINISTER_PROJECTS"))

    def _change_version(self, name: str, body: Json) -> Receipt:
        found = self._needed(name)
        if found.get("archived"):
            raise Conflict(
                f"Version {name} of {self.place} is archived, and archived versions cannot be changed.",
                where=self._site.address,
                hint="Unarchive it in Jira, or release another version.",
            )
        path = f"version/{found['id']}"
        return _receipt(self._site.send("PUT", path, body, needs="ADMINISTER_PROJECTS"))

    def _needed(self, name: str) -> Json:
        found = self._version(name)
        if found is None:
            raise NotFound(
                f"{self.place} has no version {name}.",
                where=self._site.address,
                hint="It was renamed or removed since; make it again in Jira.",
            )
        return found

    def _version(self, name: str) -> Json | None:
        versions = self._site.get(f"project/{self._settings.project}/versions")
        return next((version for version in versions if version["name"] == name), None)

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
        """Take a ticket to a status, by the transitions that Jira offers now (REST, /issue/{key}/transitions)."""
        query = {"expand": "transitions.fields"}
        path = f"issue/{key}/transitions"
        answer = self._site.get(path, query, needs="TRANSITION_ISSUES")
        offered = offers(answer["transitions"])
        try:
            offer = chosen(offered, key, to, fields, self._site.address)
        except Refused as refusal:
            # Who may not take any transition is offered none, without a word.
            if not offered:
                self._site.require("TRANSITION_ISSUES", refusal)
            raise
        body: dict[str, Any] = {"transition": {"id": offer.id}}
        if mine := self._screen(offer, fields):
            body["fields"] = mine
        self._site.send("POST", path, body, needs="TRANSITION_ISSUES")
        return {"ticket": key, "status": offer.to, "transition": offer.name}

    def _screen(self, offer: Offer, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that this transition's screen has: one that is not on it would fail the whole."""
        return {
            field: {"name": value} if isinstance(value, str) and offer.is_choice(field) else value
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


def _version_of(found: Json) -> TicketVersion:
    return TicketVersion(
        found["name"],
        is_released=bool(found.get("released")),
        is_archived=bool(found.get("archived")),
        released_on=found.get("releaseDate", ""),
    )


def _stand_of(issue: Json) -> TicketStand:
    status = issue["fields"]["status"]
    versions = tuple(version["name"] for version in issue["fields"].get("fixVersions") or ())
    return TicketStand(status["name"], category_of(status), versions)


def _receipt(version: Json) -> Receipt:
    kept = ("id", "name", "released", "releaseDate", "archived")
    return {name: version[name] for name in kept if name in version}
