"""The simulated Jira's boards and sprints (agile REST 1.0): future, active, closed, and no way back."""

from typing import Any

from gare.sandbox import jira_replies as replies
from gare.sandbox.clock import stamp
from gare.sandbox.jira_base import JiraBase
from gare.sandbox.jira_replies import refused
from gare.sandbox.jira_state import Board, Sprint
from gare.sandbox.vendor import Reply, Request, route

_NEXT = {"future": "active", "active": "closed"}
_MOST_ISSUES = 50


class JiraAgile(JiraBase):
    """Routes below /rest/agile/1.0."""

    @route("GET", "/rest/agile/1.0/board")
    def boards(self, request: Request) -> Reply:
        """List boards, of one project where it is named."""
        project = request.asked("projectKeyOrId")
        name = request.asked("name").lower()
        if project:
            project = self.project(request, project).key
        found = [
            replies.board(board, request.base_url)
            for board in self.state.boards.values()
            if project in ("", board.project) and name in board.name.lower()
        ]
        return Reply(200, replies.page("values", found, *self.span(request), has_last=True))

    @route("GET", "/rest/agile/1.0/board/{id}/sprint")
    def sprints(self, request: Request) -> Reply:
        """List the sprints of a board."""
        board = self._board(request.parts["id"])
        states = {state for said in request.every("state") for state in said.split(",")}
        if states - {"future", "active", "closed"}:
            raise refused(400, "The state is one of future, active, closed.")
        if board.kind != "scrum":
            raise refused(400, "The board does not support sprints")
        found = [
            replies.sprint(sprint, request.base_url)
            for sprint in self.state.sprints.values()
            if sprint.board == board.id and (not states or sprint.state in states)
        ]
        return Reply(200, replies.page("values", found, *self.span(request), has_last=True))

    @route("POST", "/rest/agile/1.0/sprint")
    def create(self, request: Request) -> Reply:
        """Create a future sprint."""
        self._manage(request)
        fields = request.fields
        board = self._board(str(fields.get("originBoardId", "")))
        if not str(fields.get("name", "")).strip():
            raise refused(400, name="Sprint name is required.")
        sprint = Sprint(self.state.number(), board.id, str(fields["name"]))
        self._set_sprint(sprint, fields)
        self.state.sprints[sprint.id] = sprint
        return Reply(201, replies.sprint(sprint, request.base_url))

    @route("GET", "/rest/agile/1.0/sprint/{id}")
    def sprint(self, request: Request) -> Reply:
        """Return a sprint."""
        return Reply(200, replies.sprint(self._sprint(request), request.base_url))

    @route("POST", "/rest/agile/1.0/sprint/{id}")
    def update(self, request: Request) -> Reply:
        """Change some fields of a sprint."""
        self._manage(request)
        sprint = self._sprint(request)
        self._enter(sprint, str(request.fields.get("state", sprint.state)), request.fields)
        self._set_sprint(sprint, request.fields)
        return Reply(200, replies.sprint(sprint, request.base_url))

    @route("PUT", "/rest/agile/1.0/sprint/{id}")
    def replace(self, request: Request) -> Reply:
        """Change all fields of a sprint: what is not sent is emptied."""
        self._manage(request)
        sprint, fields = self._sprint(request), request.fields
        if not fields.get("name") or not fields.get("state"):
            raise refused(400, "name and state are needed in a full update.")
        self._enter(sprint, str(fields["state"]), fields)
        sprint.start = sprint.end = sprint.goal = ""
        self._set_sprint(sprint, fields)
        return Reply(200, replies.sprint(sprint, request.base_url))

    @route("GET", "/rest/agile/1.0/sprint/{id}/issue")
    def issues(self, request: Request) -> Reply:
        """List the issues of a sprint."""
        sprint, base = self._sprint(request), self.base(request)
        wanted = [name for said in request.every("fields") for name in said.split(",")]
        found = [
            replies.issue(issue, self.state, base, wanted)
            for issue in self.state.issues.values()
            if sprint.id in issue.sprints
        ]
        return Reply(200, replies.page("issues", found, *self.span(request)))

    @route("POST", "/rest/agile/1.0/sprint/{id}/issue")
    def add(self, request: Request) -> Reply:
        """Move issues to a sprint that is not closed."""
        self._manage(request)
        sprint, keys = self._sprint(request), list(request.fields.get("issues", ()))
        if sprint.state == "closed":
            raise refused(400, "Issues can't be moved to a closed sprint.")
        if len(keys) > _MOST_ISSUES:
            raise refused(400, f"The maximum number of issues is {_MOST_ISSUES}.")
        if missing := [key for key in keys if key not in self.state.issues]:
            raise refused(400, f"Issues do not exist: {', '.join(missing)}")
        for key in keys:
            self.state.issues[key].sprints = [sprint.id]
        return Reply(204)

    def _enter(self, sprint: Sprint, state: str, fields: dict[str, Any]) -> None:
        if state == sprint.state:
            return
        if _NEXT.get(sprint.state) != state:
            raise refused(400, f"A {sprint.state} sprint cannot become {state}.")
        if state == "active":
            self._start(sprint, fields)
        else:
            sprint.completed = stamp(self.clock.now())
        sprint.state = state

    def _start(self, sprint: Sprint, fields: dict[str, Any]) -> None:
        if not (fields.get("startDate", sprint.start) and fields.get("endDate", sprint.end)):
            raise refused(400, "startDate and endDate are needed to start a sprint.")
        others = (s for s in self.state.sprints.values() if s.board == sprint.board)
        if any(s.state == "active" for s in others) and not self.seed.get("parallel_sprints"):
            raise refused(400, "There is an active sprint on this board already.")

    def _set_sprint(self, sprint: Sprint, fields: dict[str, Any]) -> None:
        sprint.name = str(fields.get("name", sprint.name))
        sprint.start = str(fields.get("startDate", sprint.start))
        sprint.end = str(fields.get("endDate", sprint.end))
        sprint.goal = str(fields.get("goal", sprint.goal))

    def _manage(self, request: Request) -> None:
        if not self.may(request, "MANAGE_SPRINTS_PERMISSION"):
            raise refused(403, "You do not have permission to manage sprints on this board.")

    def _board(self, number: str) -> Board:
        found = self.state.boards.get(int(number)) if number.isdigit() else None
        if found is None:
            raise refused(404, "Board does not exist or you do not have permission to see it.")
        return found

    def _sprint(self, request: Request) -> Sprint:
        number = request.parts["id"]
        found = self.state.sprints.get(int(number)) if number.isdigit() else None
        if found is None:
            raise refused(404, "Sprint does not exist.")
        return found
