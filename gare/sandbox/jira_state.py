"""What a simulated Jira remembers: projects, versions, issues and their workflow, boards, sprints. Knows no HTTP.

Statuses change by transitions alone, sprints go from future over active to closed, and a search may lag behind.
"""

import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

Seed = Mapping[str, Any]

CATEGORIES: Mapping[str, tuple[int, str, str]] = {
    "new": (2, "To Do", "blue-gray"),
    "indeterminate": (4, "In Progress", "yellow"),
    "done": (3, "Done", "green"),
}
"""Jira's three categories of statuses by key: number, name and colour."""

SIMPLE: Seed = {
    "statuses": {"To Do": "new", "In Progress": "indeterminate", "Done": "done"},
    "transitions": [
        {"name": "Start", "to": "In Progress", "from": ["To Do"]},
        {"name": "Finish", "to": "Done", "from": ["To Do", "In Progress"]},
        {"name": "Reopen", "to": "To Do", "from": ["Done", "In Progress"]},
    ],
}
"""The workflow of a project that names none."""


@dataclass
class Version:
    """A version of a project; its place in the project's list is its order."""

    id: str
    name: str
    description: str = ""
    released: bool = False
    archived: bool = False
    release_date: str = ""
    start_date: str = ""


@dataclass(frozen=True)
class Transition:
    """An arrow of a workflow. `screen` are the fields asked on the way, by id."""

    id: str
    name: str
    to: str
    origins: tuple[str, ...]
    screen: Mapping[str, Mapping[str, Any]]

    def leaves(self, status: str) -> bool:
        """Whether it may be taken from a status."""
        return not self.origins or status in self.origins


@dataclass(frozen=True)
class Change:
    """One change of status."""

    at: datetime
    origin: str
    to: str


@dataclass
class Issue:
    """A ticket."""

    id: str
    key: str
    kind: str
    summary: str
    status: str
    versions: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    history: list[Change] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    sprints: list[int] = field(default_factory=list)

    @property
    def project(self) -> str:
        """Return the key of its project."""
        return self.key.rpartition("-")[0]


@dataclass
class Sprint:
    """A sprint of one board."""

    id: int
    board: int
    name: str
    state: str = "future"
    start: str = ""
    end: str = ""
    completed: str = ""
    goal: str = ""


@dataclass
class Board:
    """A board over one project."""

    id: int
    name: str
    project: str
    kind: str = "scrum"


@dataclass
class Project:
    """A project with its workflow."""

    id: str
    key: str
    name: str
    statuses: dict[str, str]
    transitions: list[Transition]
    kinds: tuple[str, ...]
    asks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Fields that a new issue of a kind must have, by kind."""
    versions: list[Version] = field(default_factory=list)


class State:
    """Everything one Jira holds. Ids come from one counter: the same seed gives the same ids."""

    def __init__(self, seed: Seed, now: datetime) -> None:
        self._numbers = itertools.count(10_001)
        self._lag = timedelta(seconds=seed.get("search_lag_s", 0))
        self._before: dict[str, tuple[datetime, Issue | None]] = {}
        self.projects: dict[str, Project] = {}
        self.issues: dict[str, Issue] = {}
        self.boards: dict[int, Board] = {}
        self.sprints: dict[int, Sprint] = {}
        for key, section in seed.get("projects", {}).items():
            self.add_project(key, section, now)

    def number(self) -> int:
        """Return the next id."""
        return next(self._numbers)

    def version(self, version_id: str) -> tuple[Project, Version] | None:
        """Return a version and its project."""
        for project in self.projects.values():
            for version in project.versions:
                if version.id == version_id:
                    return project, version
        return None

    def category(self, issue: Issue) -> str:
        """Return the category of an issue's status."""
        return self.projects[issue.project].statuses[issue.status]

    def offered(self, issue: Issue) -> list[Transition]:
        """Return the transitions that may be taken now."""
        transitions = self.projects[issue.project].transitions
        return [transition for transition in transitions if transition.leaves(issue.status)]

    def take(self, issue: Issue, transition: Transition, fields: Seed, now: datetime) -> None:
        """Take a transition; leaving the done statuses clears the resolution."""
        self.touch(issue, now)
        issue.history.append(Change(now, issue.status, transition.to))
        issue.status = transition.to
        issue.fields |= fields
        if self.category(issue) != "done":
            issue.fields.pop("resolution", None)

    def add_issue(self, project: str, fields: Seed, now: datetime) -> Issue:
        """Create an issue in its workflow's first status."""
        number = 1 + max(
            (int(key.rpartition("-")[2]) for key in self.issues if key.startswith(f"{project}-")),
            default=0,
        )
        issue = Issue(str(self.number()), f"{project}-{number}", **fields)
        self._before[issue.key] = (now, None)
        self.issues[issue.key] = issue
        return issue

    def touch(self, issue: Issue, now: datetime) -> None:
        """Remember how an issue was: a search may still see that."""
        if self._lag:
            self._before[issue.key] = (now, copy.deepcopy(issue))

    def searched(self, now: datetime) -> Iterator[Issue]:
        """Yield the issues as a search sees them now."""
        for key, issue in self.issues.items():
            changed_at, before = self._before.get(key, (now, issue))
            if now - changed_at >= self._lag:
                yield issue
            elif before is not None:
                yield before

    def add_project(self, key: str, section: Seed, now: datetime) -> None:
        """Make a project as a seed says it."""
        workflow = section.get("workflow", SIMPLE)
        transitions = [
            Transition(
                str(10 * place + 1),
                found["name"],
                found["to"],
                tuple(found.get("from", ())),
                found.get("screen", {}),
            )
            for place, found in enumerate(workflow["transitions"], 1)
        ]
        kinds = tuple(section.get("kinds", ("Task", "Bug", "Story", "Change")))
        name, statuses = section.get("name", key), dict(workflow["statuses"])
        asks = section.get("asks", {})
        project = Project(str(self.number()), key, name, statuses, transitions, kinds, asks)
        self.projects[key] = project
        for version in section.get("versions", ()):
            project.versions.append(Version(str(self.number()), **_said(version)))
        for issue in section.get("issues", ()):
            self._add_seeded(project, issue, now)
        for board in section.get("boards", ()):
            self._add_board(project, board)

    def _add_seeded(self, project: Project, said: Seed, now: datetime) -> None:
        first = next(iter(project.statuses))
        issue = Issue(
            str(self.number()),
            said["key"],
            said.get("kind", "Task"),
            said["title"],
            said.get("status", first),
            list(said.get("versions", ())),
            list(said.get("labels", ())),
        )
        for change in said.get("history", ()):
            days = timedelta(days=change.get("days_ago", 0))
            issue.history.append(Change(now - days, change["from"], change["to"]))
        self.issues[issue.key] = issue

    def _add_board(self, project: Project, said: Seed) -> None:
        board = Board(self.number(), said["name"], project.key, said.get("kind", "scrum"))
        self.boards[board.id] = board
        for found in said.get("sprints", ()):
            state = found.get("state", "future")
            sprint = Sprint(self.number(), board.id, found["name"], state)
            self.sprints[sprint.id] = sprint
            for key in found.get("issues", ()):
                self.issues[key].sprints.append(sprint.id)


def _said(version: Any) -> Seed:
    return {"name": version} if isinstance(version, str) else version
