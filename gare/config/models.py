"""What a station and a project say about themselves: the models behind station.yaml and gare.yaml.

Holds no I/O: `gare.config.loader` reads files. Sections that a plugin owns (source, tracker, target, announce)
are unions over the plugins' own `Settings`, built from the registry.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag

from gare.config.freezes import CalendarFile, Freeze
from gare.config.tickets import TicketRule
from gare.connectors.connection import Address
from gare.connectors.gitlab_settings import GitLabProject
from gare.connectors.notify_settings import note_path
from gare.connectors.registry import (
    AnnounceSettings,
    ConnectionSettings,
    SourceSettings,
    TargetSettings,
)
from gare.gates.settings import Gate
from gare.settings import Command, Duration, Settings, Slug

VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
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


class GatewaySettings(Settings):
    """Where the station's own HTTP API listens."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 4280
    """TCP port of the gateway; 0 takes a free one."""


class Rights(Settings):
    """Which groups may start what, with a command or over the gateway. A key that is left out: everybody."""

    release: tuple[Slug, ...] | None = None
    """Groups that may start releases; an empty list is nobody."""
    hotfix: tuple[Slug, ...] | None = None
    """Groups that may start hotfixes; an empty list is nobody."""
    rollback: tuple[Slug, ...] | None = None
    """Groups that may start rollbacks; an empty list is nobody."""
    train: tuple[Slug, ...] | None = None
    """Groups that may let trains depart, skip, hold and resume them; an empty list is nobody. The station's alone."""
    freeze: tuple[Slug, ...] | None = None
    """Groups that may add freezes and stop the line; an empty list is nobody."""
    lift: tuple[Slug, ...] | None = None
    """Groups that may lift what others have frozen or stopped; an empty list is nobody."""
    override: tuple[Slug, ...] | None = None
    """Groups that may let a release go on in a closed environment; left out, nobody may."""
    hold: tuple[Slug, ...] | None = None
    """Groups that may let automation go on after a rollback; an empty list is nobody."""
    waive: tuple[Slug, ...] | None = None
    """Groups that may let a line go without the fix of a hotfix; an empty list is nobody."""


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
    gateway: Annotated[
        Annotated[GatewaySettings, Tag("section")] | Annotated[Literal[False], Tag("off")],
        Discriminator(lambda value: "off" if value is False else "section"),
    ] = GatewaySettings()
    """The station's own HTTP API; `false` turns it off."""
    worker_limit: Annotated[int, Field(ge=1, le=200)] = 10
    """How many runs may be alive at once; suspended ones do not count."""
    worker: Literal["warm", "stock"] = "warm"
    """How runs are started: forked from a process that has imported all they need, or each from nothing."""
    plans_at_once: Annotated[int, Field(ge=1, le=50)] = 8
    """How many members of a train are planned side by side when it boards."""
    rescue: RescueSettings = RescueSettings()
    people: tuple[Person, ...] = ()
    rights: Rights = Rights()
    environments: dict[Slug, StationEnvironment] = Field(default_factory=dict)
    connections: dict[Slug, ConnectionSettings] = Field(default_factory=dict)
    """Servers of vendors, by the name that projects call them."""
    freezes: tuple[Freeze, ...] = ()
    """Times in which environments may not be changed, or only then."""
    calendars: tuple[CalendarFile, ...] = ()
    """iCalendar files whose events are such times."""
    repositories: tuple[str, ...] = ()
    """Checkouts whose gare.yaml is loaded as a project; relative to station.yaml."""


class VersionRule(Settings):
    """How the next version is found."""

    initial: str = "0.1.0"
    """Version of the first release, when no tag is a version."""
    major_on_zero: bool = False
    """Whether a breaking change moves 0.y.z to 1.0.0 (otherwise to 0.y+1.0)."""


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
    SOAK = "soak"
    PIPELINE = "pipeline"
    RECORD = "record"
    PUBLISH = "publish"
    PAGE = "page"
    TICKETS = "tickets"
    CHANGE = "change"
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
    """For `approve`, `deploy` and `verify`; for `run`, the environment that it changes."""
    outward: bool | None = None
    """For `run`: whether the command changes something outside, so that freezes keep it. Left out: yes, unless only
    gates and votes wait for it."""
    undo: Command | None = None
    """For `run`: takes back what `command` did, in the same checkout; run by a rollback."""
    point_of_no_return: Annotated[str, Field(max_length=500)] = ""
    """Why nothing can go back once this step has run, such as `the schema only goes forward`: no rollback after it."""
    ref: str = ""
    """For `pipeline`: the branch or tag to run on, whose head must be the released commit; empty is the branch."""
    variables: dict[VariableName, str] = Field(default_factory=dict)
    """For `pipeline`: variables that its jobs see, besides GARE_VERSION, GARE_COMMIT and the like."""
    play: tuple[str, ...] = ()
    """For `pipeline`: the manual jobs that Gare starts; it approves their deployments in GitLab first."""
    artifacts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """For `pipeline`: what its jobs made and the release takes, patterns by job, such as `{package: [dist/*]}`."""
    every: Duration = timedelta(seconds=30)
    """For `pipeline`: how often GitLab is asked how it stands."""
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
    soak: Duration | None = None
    """How long a version is watched here after its verification, before it counts as good and the release goes on."""
    gitlab_environment: str = ""
    """Environment of the GitLab project where each verified deployment is recorded; empty for none."""
    rollback: Literal["at once", "approval"] = "at once"
    """Whether a rollback here begins at once or asks for the approval that a release asks for."""


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
    gitlab_release: bool = False
    """Make the release of the tag in GitLab, with the notes."""
    gitlab_packages: bool = False
    """Upload what the build made to GitLab's package registry, and link it from the release."""
    links: dict[str, Address] = Field(default_factory=dict)
    """Further links of the release in GitLab, by name."""
    changelog: str = ""
    """A Markdown file in the repository to put the notes into, committed on the branch."""
    notes_file: Annotated[str, AfterValidator(_notes_file)] = ""
    """A path outside the repository to write the notes to; `{version}` and `{project}` are filled in."""


class SkippedStep(Settings):
    """A step that a hotfix leaves out."""

    step: Slug
    """A standard step, such as `deploy-staging`; its approval and verification go with it."""
    later: Annotated[str, Field(min_length=3, max_length=500)]
    """What a person checks afterwards instead; stays open until it is ticked off with `gare done`."""


class Hotfix(Settings):
    """How a hotfix differs from a release of the project."""

    skip: tuple[SkippedStep, ...] = ()
    """Steps left out because it is urgent, each with what is checked later instead."""
    approval: ApprovalRule | None = None
    """Who must say yes to a hotfix; replaces the rules of all environments."""
    lines: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Maintenance branches that need every fix too, as names or patterns such as `maintenance/*`."""


class ProjectConfig(Settings):
    """gare.yaml or projects/*.yaml: one thing that is released."""

    name: Slug
    title: str = ""
    labels: tuple[Slug, ...] = ()
    """Words that trains choose their members by, such as `customer`."""
    source: SourceSettings
    gitlab: GitLabProject | None = None
    """The GitLab project that this project is; without it GitLab takes no part."""
    version: VersionRule = VersionRule()
    tickets: TicketRule = TicketRule()
    env: tuple[str, ...] = ()
    """Names of environment variables that commands may see besides PATH, HOME, LANG, TMPDIR."""
    build: Build = Build()
    test: Test = Test()
    gates: tuple[Gate, ...] | None = None
    """Gates to pass; without this key the built-in suites `changes`, `tests` and `artifacts`."""
    rights: Rights = Rights()
    """Replaces, key by key, the station's rights for this project."""
    environments: dict[Slug, ProjectEnvironment] = Field(default_factory=dict)
    publish: Publish = Publish()
    announce: tuple[AnnounceSettings, ...] = ()
    announce_in_train: bool = False
    """Whether it announces by itself, too, when it is released by a train that announces its arrival."""
    steps: tuple[Step, ...] = ()
    hotfix: Hotfix = Hotfix()
    freezes: tuple[Freeze, ...] = ()
    """Freeze windows of this project, besides the station's."""
