"""What a seed may say of a simulated Jira."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from gare.sandbox.jira_state import SIMPLE
from gare.sandbox.seed_model import Section, named

Category = Literal["new", "indeterminate", "done"]
Right = Literal[
    "BROWSE_PROJECTS",
    "CREATE_ISSUES",
    "EDIT_ISSUES",
    "TRANSITION_ISSUES",
    "ADD_COMMENTS",
    "ADMINISTER_PROJECTS",
    "MANAGE_SPRINTS_PERMISSION",
]
ProjectKey = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]+$")]


class User(Section):
    """Who may sign in."""

    name: str
    email: str = ""
    token: str
    expired: bool = False
    lacks: tuple[Right, ...] = ()


class Limit(Section):
    """How many requests are answered in a time."""

    requests: Annotated[int, Field(ge=1)]
    interval_s: Annotated[int, Field(ge=1)]


class Version(Section):
    """A version of a project."""

    name: str
    description: str = ""
    released: bool = False
    archived: bool = False
    release_date: str = ""
    start_date: str = ""


class ScreenField(Section):
    """A field of a transition's screen."""

    name: str = ""
    required: bool = False
    values: tuple[str, ...] = ()
    default: str = ""
    type: str = ""
    items: str = ""
    custom: str = ""


class Transition(Section):
    """An arrow of a workflow; without `from` it may be taken everywhere."""

    name: str
    to: str
    origins: tuple[str, ...] = Field(default=(), alias="from")
    screen: dict[str, ScreenField] = Field(default_factory=dict)


class Workflow(Section):
    """Statuses by what they mean, and the ways between them."""

    statuses: dict[str, Category]
    transitions: list[Transition]

    @model_validator(mode="after")
    def _leads_somewhere(self) -> "Workflow":
        for one in self.transitions:
            for status in (one.to, *one.origins):
                if status not in self.statuses:
                    raise ValueError(
                        f"the transition {one.name} is about {status!r}; statuses are {named(self.statuses)}"
                    )
        return self


class Change(Section):
    """A change of status in the past."""

    origin: str = Field(alias="from")
    to: str
    days_ago: float = 0


class Issue(Section):
    """A ticket."""

    key: str
    title: str
    kind: str = "Task"
    status: str = ""
    versions: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    history: tuple[Change, ...] = ()


class Sprint(Section):
    """A sprint of a board."""

    name: str
    state: Literal["future", "active", "closed"] = "future"
    issues: tuple[str, ...] = ()


class Board(Section):
    """A board."""

    name: str
    kind: str = "scrum"
    sprints: tuple[Sprint, ...] = ()


class Project(Section):
    """A project. `key` is what people name it by who make it by hand."""

    key: str = ""
    name: str = ""
    versions: tuple[str | Version, ...] = ()
    workflow: Workflow | None = None
    kinds: tuple[str, ...] = ("Task", "Bug", "Story", "Change")
    asks: dict[str, list[str]] = Field(default_factory=dict)
    issues: tuple[Issue, ...] = ()
    boards: tuple[Board, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> "Project":
        if wrong := next(self._wrong(), ""):
            raise ValueError(wrong)
        return self

    def _wrong(self) -> Iterator[str]:
        statuses: Any = self.workflow.statuses if self.workflow else SIMPLE["statuses"]
        versions = {one if isinstance(one, str) else one.name for one in self.versions}
        for issue in self.issues:
            if issue.status and issue.status not in statuses:
                yield f"{issue.key} is {issue.status!r}; statuses are {named(statuses)}"
            if issue.kind not in self.kinds:
                yield f"{issue.key} is a {issue.kind!r}; kinds are {', '.join(self.kinds)}"
            if unknown := [name for name in issue.versions if name not in versions]:
                yield f"{issue.key} is planned for {unknown[0]!r}, which is not among `versions`"
        known = {issue.key for issue in self.issues}
        for board in self.boards:
            for key in (key for sprint in board.sprints for key in sprint.issues):
                if key not in known:
                    yield f"a sprint of {board.name} holds {key}, which is not among `issues`"


class JiraSeed(Section):
    """One Jira."""

    type: str = "jira"
    deployment: Literal["cloud", "data-center"] = "cloud"
    users: tuple[User, ...] = ()
    search_lag_s: Annotated[float, Field(ge=0)] = 0
    limit: Limit | None = None
    projects: dict[ProjectKey, Project] = Field(default_factory=dict)
    answers_strangers: bool = False
    parallel_sprints: bool = False

    @model_validator(mode="after")
    def _keys_fit(self) -> "JiraSeed":
        for key, project in self.projects.items():
            for issue in project.issues:
                if issue.key.rpartition("-")[0] != key:
                    raise ValueError(f"{issue.key} stands under the project {key}")
        return self
