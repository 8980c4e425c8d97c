"""What a seed may say of a simulated GitLab."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gare.sandbox.seed_model import Section

Role = Literal["nobody", "guest", "reporter", "developer", "maintainer", "owner"]
Scope = Literal["api", "read_api", "read_user", "read_repository", "write_repository"]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


def _repository(value: str) -> str:
    folder = Path(value).expanduser()
    if not ((folder / ".git").exists() or (folder / "HEAD").is_file()):
        raise ValueError(f"there is no Git repository in {folder}")
    return value


class Token(Section):
    """A token of a user."""

    user: str
    scopes: tuple[str, ...] = ("api",)
    expires: date | None = None
    revoked: bool = False


class Commit(Section):
    """A commit of an invented repository."""

    subject: str
    tag: str = ""
    author: str = ""
    email: str = ""


class TagRule(Section):
    """Who may make tags of a name."""

    name: str
    create: Role = "maintainer"
    users: tuple[str, ...] = ()


class BranchRule(Section):
    """Who may push to branches of a name, and merge into them."""

    name: str
    push: Role = "maintainer"
    merge: Role = "maintainer"


class Environment(Section):
    """Where a project runs; `approvals` protect it."""

    tier: Literal["production", "staging", "testing", "development", "other"] = "other"
    approvals: Count = 0


class FreezePeriod(Section):
    """A deploy freeze, by cron lines."""

    start: str
    end: str
    zone: str = "UTC"


class Issue(Section):
    """An issue."""

    title: str
    iid: int | None = None
    description: str | None = None
    state: Literal["opened", "closed"] = "opened"
    labels: list[str] | None = None
    milestone: str | None = None
    kind: str = "issue"
    closed_at: str | None = None


class MergeRequest(Section):
    """A merge request."""

    source: str
    target: str = ""
    title: str
    description: str = ""
    author: str = ""
    iid: int | None = None
    labels: tuple[str, ...] = ()
    state: Literal["opened", "merged", "closed"] = "opened"
    commit: str = ""
    fast_forward: bool = False


class Tests(Section):
    """What a job's tests report."""

    passed: Count = 0
    failed: tuple[str, ...] = ()
    skipped: Count = 0
    only_on_failure: bool = False


class Job(Section):
    """A job of the pipeline."""

    stage: str = ""
    takes_s: Seconds = 10
    artifacts: dict[str, str | int | float | bytes] = Field(default_factory=dict)
    log: str = ""
    tests: Tests | None = None
    fails: bool | Literal["once"] = False
    when: Literal["manual", "on_success"] = "on_success"
    environment: str = ""
    passes: tuple[str, ...] = ()
    allow_failure: bool = False
    start_in_s: Seconds = 0


class Pipeline(Section):
    """The pipeline of a project."""

    jobs: dict[str, Job | None] = Field(default_factory=dict)
    stages: list[str] | None = None


class Project(Section):
    """A project. `path` is what people name it by who make it by hand."""

    path: str = ""
    members: dict[str, Role] = Field(default_factory=dict)
    repository: Annotated[str, AfterValidator(_repository)] | None = None
    default_branch: str = "main"
    commits: list[Commit] | None = None
    approvals: Count = 0
    protected_tags: tuple[TagRule, ...] = ()
    protected_branches: tuple[BranchRule, ...] = ()
    environments: dict[str, Environment | None] | None = None
    freeze_periods: tuple[FreezePeriod, ...] = ()
    issues: tuple[Issue, ...] = ()
    merge_requests: tuple[MergeRequest, ...] = ()
    pipeline: Pipeline | None = None
    unique_package_files: bool = False


class GitLabSeed(Section):
    """One GitLab."""

    type: str = "gitlab"
    version: str = ""
    tokens: dict[str, str | Token] = Field(default_factory=dict)
    projects: dict[str, Project | None] = Field(default_factory=dict)
