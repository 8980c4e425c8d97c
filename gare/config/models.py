"""What a station and a project say about themselves: the models behind station.yaml and gare.yaml.

Holds no I/O: `gare.config.loader` reads files. Sections that a plugin owns (source, tracker, target, announce)
are unions over the plugins' own `Settings`, built from the registry.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gare.connectors.notify_settings import note_path
from gare.connectors.registry import (
    AnnounceSettings,
    SourceSettings,
    TargetSettings,
    TrackerSettings,
)
from gare.gates.settings import Gate
from gare.settings import Command, Duration, Settings, Slug

Votes = Annotated[int, Field(ge=1, le=50)]


class Person(Settings):
    """Somebody the station knows: who may vote and whose commits are whose."""

    name: Slug
    """Short name used in votes and commands, such as `alice`."""
    full_name: str = ""
    email: str
    """Matched with commit authors, so that an author's vote can be refused."""
    other_emails: tuple[str, ...] = ()
    """Further addresses this person commits under."""
    groups: tuple[Slug, ...] = ()
    """Approver groups this person belongs to."""


class ApprovalRule(Settings):
    """Who must say yes before a step that changes an environment."""

    groups: Annotated[dict[Slug, Votes], Field(min_length=1)]
    """Minimum votes per group. A person fills one slot in one group; groups never fill each other's."""
    author_may_vote: bool = False
    """Whether somebody with a commit in the release may vote on it."""
    requester_may_vote: bool = False
    """Whether the person who started the release may vote on it."""
    expires_after: Duration = timedelta(days=7)
    """How long the request stays open; then the release ends as *expired*."""


class StationEnvironment(Settings):
    """A place that projects run in; the order of the file is the order of promotion."""

    approval: ApprovalRule | None = None
    """Rule for every project here, unless the project gives its own."""


class ServerSettings(Settings):
    """Where the station's Prefect server listens."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 4200
    """TCP port of the Prefect server and UI; 0 takes a free one."""


class RescueSettings(Settings):
    """How the reconciler brings on a release whose process or worker died."""

    quiet: Duration = timedelta(seconds=10)
    """How long a dead run is left alone first: its worker reports a death a second time 4 to 6 s later."""
    attempts: Annotated[int, Field(ge=1, le=100)] = 5
    """How often it is tried without a further step done; then the release *needs attention*."""


class StationConfig(Settings):
    """station.yaml: one Gare installation."""

    name: Slug = "station"
    state: str = ".gare"
    """Folder of everything the station keeps; relative to station.yaml."""
    ledger: str = ""
    """SQLAlchemy URL of the ledger; empty: SQLite in the state folder. Take a `$NAME` reference for passwords."""
    server: ServerSettings = ServerSettings()
    worker_limit: Annotated[int, Field(ge=1, le=200)] = 10
    """How many runs may be alive at once; suspended ones do not count."""
    worker: Literal["warm", "stock"] = "warm"
    """How runs are started: forked from a process that has imported all they need, or each from nothing."""
    rescue: RescueSettings = RescueSettings()
    people: tuple[Person, ...] = ()
    environments: dict[Slug, StationEnvironment] = Field(default_factory=dict)
    repositories: tuple[str, ...] = ()
    """Checkouts whose gare.yaml is loaded as a project; relative to station.yaml."""


class VersionRule(Settings):
    """How the next version is found."""

    initial: str = "0.1.0"
    """Version of the first release, when no tag is a version."""
    major_on_zero: bool = False
    """Whether a breaking change moves 0.y.z to 1.0.0 (otherwise to 0.y+1.0)."""


class TicketRule(Settings):
    """How tickets are found in commits and where they live."""

    pattern: str = r"\b[A-Z][A-Z0-9]+-\d+\b"
    """Regular expression of a ticket key in a commit message."""
    tracker: TrackerSettings | None = None
    """Where tickets live; without it no scope is checked."""


class Build(Settings):
    """How artifacts are made from a clean checkout."""

    commands: tuple[Command, ...] = ()
    artifacts: tuple[str, ...] = ()
    """Glob patterns of the files to keep, relative to the checkout."""
    sbom: Literal["auto", "python", "none"] = "auto"
    """CycloneDX bill of materials: by what the checkout holds, for Python, or none."""


class Test(Settings):
    """How the project tests itself."""

    commands: tuple[Command, ...] = ()
    junit: tuple[str, ...] = ()
    """Glob patterns of JUnit XML reports. At least one executed test is required."""
    coverage: tuple[str, ...] = ()
    """Glob patterns of Cobertura coverage XML reports."""


class StepType(StrEnum):
    """What a step does. `run` is any command, `manual` something a person ticks off."""

    PLAN = "plan"
    BUILD = "build"
    TEST = "test"
    VALIDATE = "validate"
    APPROVE = "approve"
    DEPLOY = "deploy"
    VERIFY = "verify"
    PUBLISH = "publish"
    ANNOUNCE = "announce"
    CLOSE = "close"
    RUN = "run"
    MANUAL = "manual"


class Step(Settings):
    """A step the project adds, or replaces when a standard step has this id."""

    id: Slug
    type: StepType
    title: str = ""
    needs: tuple[Slug, ...] | None = None
    """Steps that must be done before; without it: those of the step it replaces, or `test` for a new one."""
    before: tuple[Slug, ...] = ()
    """Standard steps that shall wait for this one."""
    command: Command | None = None
    """For `run`, and to replace the commands of `build` and `test`."""
    instructions: str = ""
    """For `manual`: what the person does before ticking it off with `gare done`."""
    environment: str = ""
    """For `approve`, `deploy` and `verify`."""
    retries: Annotated[int, Field(ge=0, le=20)] | None = None
    backoff: Duration | None = None
    """First wait before a retry; doubles each time."""
    timeout: Duration | None = None
    skip: bool = False
    """Leave this standard step out; the plan shows it as skipped."""


class ProjectEnvironment(Settings):
    """How this project reaches one environment."""

    target: TargetSettings
    approval: ApprovalRule | None = None
    """Replaces the station's rule for this environment."""


def _notes_file(value: str) -> str:
    if value and "{version}" not in note_path(value):
        raise ValueError("each version has a file of its own; write `{version}` in its name")
    return value


class Publish(Settings):
    """What becomes public once production holds."""

    tag: bool = True
    """Create an annotated tag that carries the ledger's head digest."""
    push: bool = True
    """Push the tag (and the changelog's commit) to the remote."""
    changelog: str = ""
    """A Markdown file in the repository to put the notes into, committed on the branch."""
    notes_file: Annotated[str, AfterValidator(_notes_file)] = ""
    """A path outside the repository to write the notes to; `{version}` and `{project}` are filled in."""


class ProjectConfig(Settings):
    """gare.yaml or projects/*.yaml: one thing that is released."""

    name: Slug
    title: str = ""
    source: SourceSettings
    version: VersionRule = VersionRule()
    tickets: TicketRule = TicketRule()
    env: tuple[str, ...] = ()
    """Names of environment variables that commands may see besides PATH, HOME, LANG, TMPDIR."""
    build: Build = Build()
    test: Test = Test()
    gates: tuple[Gate, ...] | None = None
    """Gates to pass; without this key the built-in suites `changes`, `tests` and `artifacts`."""
    environments: dict[Slug, ProjectEnvironment] = Field(default_factory=dict)
    publish: Publish = Publish()
    announce: tuple[AnnounceSettings, ...] = ()
    steps: tuple[Step, ...] = ()
