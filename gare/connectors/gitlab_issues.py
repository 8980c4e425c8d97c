"""GitLab's issues as the tracker. Part of gare.connectors.gitlab."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from gare.connectors.gitlab_settings import GitLabTrackerSettings
from gare.connectors.gitlab_site import PAGE, GitLabSite
from gare.connectors.vendor_errors import understood
from gare.ports.tracker import Ticket

_NUMBER = re.compile(r"(\d+)$")


@understood("GitLab")
class GitLabIssues:
    """The issues of a project. Implements `Tracker`: a request per hundred issues, none per issue."""

    def __init__(self, settings: GitLabTrackerSettings, site: GitLabSite) -> None:
        self._settings, self._site = settings, site

    def tickets(
        self, keys: Iterable[str], version: str, since: datetime | None = None
    ) -> list[Ticket]:
        """Return the issues named in `keys` (`#12`) and those of the version's milestone, sorted by key.

        GitLab does not tell in lists that an issue was taken up again: a label says so, where configured.
        """
        spelled = {int(found[1]): key for key in keys if (found := _NUMBER.search(key))}
        milestone = self._settings.milestone.format(version=version)
        issues = {one["iid"]: one for one in self._ask(milestone=milestone)}
        issues |= {one["iid"]: one for one in self._by_number(sorted(spelled.keys() - issues))}
        prefix = self._settings.prefix
        tickets = (
            self._ticket(spelled.get(number, f"{prefix}{number}"), one, milestone, version)
            for number, one in issues.items()
        )
        return sorted(tickets, key=lambda ticket: ticket.key)

    def _by_number(self, numbers: Sequence[int]) -> Iterator[Mapping[str, Any]]:
        left = iter(numbers)
        while batch := list(islice(left, PAGE)):
            yield from self._ask(**{"iids[]": batch})

    def _ask(self, **query: Any) -> Iterator[Mapping[str, Any]]:
        with self._site.asking("read issues"):
            yield from self._site.rows("issues", {**query, "per_page": PAGE})

    def _ticket(self, key: str, said: Mapping[str, Any], milestone: str, version: str) -> Ticket:
        planned = (said.get("milestone") or {}).get("title") or ""
        return Ticket(
            key,
            said.get("title") or "",
            said.get("issue_type") or "issue",
            self._status(said),
            version if planned == milestone else planned,
        )

    def _status(self, said: Mapping[str, Any]) -> str:
        labels = said.get("labels") or ()
        if said["state"] == "closed":
            return "done"
        if self._settings.reopened_label and self._settings.reopened_label in labels:
            return "reopened"
        return "doing" if self._settings.doing_label in labels else "todo"
