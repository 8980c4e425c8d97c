"""Boards and sprints of Jira Software (agile REST 1.0, same paths on Cloud and Data Center)."""

from collections.abc import Sequence
from functools import cached_property

from gare.connectors.jira import FIELDS, ticket_of
from gare.connectors.jira_project import JiraProject
from gare.connectors.jira_site import PAGE
from gare.connectors.vendor_errors import understood
from gare.errors import NotFound
from gare.ports.tracker import Sprint, Ticket


@understood("Jira")
class JiraBoards(JiraProject):
    """The boards of one project. Implements `Boards`."""

    @cached_property
    def _known(self) -> dict[str, tuple[int, str]]:
        return {}

    def sprints(self, board: str, states: Sequence[str] = ("active",)) -> list[Sprint]:
        """Return the sprints of a board in these states, in the board's order."""
        number, name = self._board(board)
        query = {"state": ",".join(states), "maxResults": PAGE}
        found = self._site.paged(f"board/{number}/sprint", "values", query, agile=True)
        return [Sprint(sprint["id"], sprint["name"], sprint["state"], name) for sprint in found]

    def sprint_tickets(self, sprint: int) -> list[Ticket]:
        """Return the tickets of a sprint, sorted by key; those that are not done are what is left."""
        query = {"fields": ",".join(FIELDS), "maxResults": PAGE}
        found = self._site.paged(f"sprint/{sprint}/issue", "issues", query, agile=True)
        return sorted((ticket_of(issue) for issue in found), key=lambda ticket: ticket.key)

    def _board(self, board: str) -> tuple[int, str]:
        """Return number and name of a board that is given by either, asked once."""
        if board not in self._known:
            self._known[board] = self._find(board)
        return self._known[board]

    def _find(self, board: str) -> tuple[int, str]:
        query = {"projectKeyOrId": self._settings.project, "maxResults": PAGE}
        boards = list(self._site.paged("board", "values", query, agile=True))
        for found in boards:
            if board in (str(found["id"]), found["name"]):
                return int(found["id"]), str(found["name"])
        raise NotFound(
            f"{self._settings.project} has no board {board!r}.",
            where=self._site.address,
            hint=f"Boards are: {', '.join(found['name'] for found in boards) or 'none'}.",
        )
