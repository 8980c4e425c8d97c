"""Configuration -> the things that steps and commands use. The only importer of connectors by name."""

import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter

from gare.config.loader import Project, Station, load_station
from gare.config.models import ProjectConfig
from gare.connectors.process import kill_all
from gare.connectors.registry import AnnounceSettings, SourceSettings, TargetSettings, connector
from gare.domain.approvals import Voter
from gare.domain.plan import Plan, PlannedStep
from gare.engine import Engine
from gare.errors import AuthenticationFailed, ConfigError, InternalError
from gare.ledger.keys import Keys
from gare.ledger.ledger import Ledger
from gare.planning.planner import Earlier, make_plan
from gare.ports.notifier import Notifier
from gare.ports.source import Source, TagWriter
from gare.ports.target import ReplaceTarget
from gare.ports.tracker import Tracker
from gare.requests import ReleaseRequest, Request
from gare.secrets import resolve
from gare.station_state import StateFolder, api_url

_SOURCE: TypeAdapter[SourceSettings] = TypeAdapter(SourceSettings)
_TARGET: TypeAdapter[TargetSettings] = TypeAdapter(TargetSettings)
_ANNOUNCE: TypeAdapter[AnnounceSettings] = TypeAdapter(AnnounceSettings)


class Repository(Source, TagWriter, Protocol):
    """What a release needs of version control: reads and writes."""


@dataclass(frozen=True)
class Gare:
    """One station, wired."""

    station: Station

    @cached_property
    def ledger(self) -> Ledger:
        """Return the station's ledger, migrated."""
        StateFolder(self.station.state).check_whole()
        return Ledger(ledger_url(self.station))

    @cached_property
    def engine(self) -> Engine:
        """Return the engine of the station that is up here (or of PREFECT_API_URL inside a run)."""
        state = self.station.state
        url = api_url(state) or os.environ.get("PREFECT_API_URL", "")
        return Engine(url, bell=StateFolder(state).bell)

    @property
    def store(self) -> Path:
        """Return the folder of artifacts and evidence, by content."""
        return self.station.state / "store"

    @cached_property
    def keys(self) -> Keys:
        """Return the keys with which the station signs its evidence."""
        return Keys(self.ledger.database, self.station.state / "keys")

    @property
    def work_folder(self) -> Path:
        """Return the folder of checkouts."""
        return self.station.state / "work"

    @property
    def logs_folder(self) -> Path:
        """Return the folder of the logs of releases' commands."""
        return self.station.state / "logs"

    def plan(self, digest: str) -> Plan:
        """Return a stored plan; plans do not change, so the last ones are kept in memory."""
        return _plan(self.ledger, digest)

    def make_plan(self, request: Request) -> tuple[str, Plan]:
        """Plan what is asked for and store the plan; return its digest and the plan. Changes nothing else."""
        match request:
            case ReleaseRequest():
                plan = self._plan_release(request)
            case _:
                raise InternalError(f"nobody plans a {request.kind}", where="wiring")
        return self.ledger.plans.store(plan), plan

    def _plan_release(self, request: ReleaseRequest) -> Plan:
        project = self.project(request.project)
        source = self.source_of(project.config, project.base)
        return make_plan(
            project.config,
            self.station.config,
            source,
            lambda commit: self.tracker(project.config, source, commit),
            request,
            Earlier(
                self.ledger.effects.own_commits(project.config.name),
                self.ledger.effects.deployed(project.config.name),
            ),
        )

    def project(self, name: str) -> Project:
        """Return a project of the station. Raises ConfigError with the nearest name."""
        return self.station.project(name)

    def source_of(self, config: ProjectConfig, base: Path) -> Repository:
        """Return the repository of a project."""
        made: Repository = connector("source", config.source.type)(
            config.source, base, self.station.state
        )
        return made

    def source(self, plan: Plan) -> Repository:
        """Return the repository that a plan is about, as it was configured when planned."""
        settings = _SOURCE.validate_python(plan.source)
        base = self.project(plan.project).base
        made: Repository = connector("source", settings.type)(settings, base, self.station.state)
        return made

    def tracker(self, config: ProjectConfig, source: Source, commit: str) -> Tracker | None:
        """Return the tracker of a project as of a commit; None when it has none."""
        settings = config.tickets.tracker
        if settings is None:
            return None
        made: Tracker = connector("tracker", settings.type)(
            settings, lambda path: source.read_file(commit, path)
        )
        return made

    def target(self, plan: Plan, step: PlannedStep, release_id: str) -> ReplaceTarget:
        """Return the target of a deploy or verify step."""
        settings = _TARGET.validate_python(step.settings["target"])
        base = self.project(plan.project).base
        made: ReplaceTarget = connector("target", settings.type)(
            settings, base, log_folder=self.logs_folder / release_id, env_names=plan.env
        )
        return made

    def notifiers(self, plan: Plan, step: PlannedStep) -> list[Notifier]:
        """Return the places of an announce step."""
        base = self.project(plan.project).base
        found = [_ANNOUNCE.validate_python(place) for place in step.settings["places"]]
        return [connector("announce", place.type)(place, base) for place in found]

    def voter(self, name: str) -> Voter:
        """Return a person of the station as approval rules see them."""
        for person in self.station.config.people:
            if person.name == name:
                emails = {person.email.lower(), *(email.lower() for email in person.other_emails)}
                return Voter(person.name, frozenset(person.groups), frozenset(emails))
        raise AuthenticationFailed(
            f"{name} is not among the people of this station.",
            where="station.yaml: people",
            hint="Add the person there, or vote with another token.",
        )

    @staticmethod
    def stop_commands() -> None:
        """End every command that this process has running."""
        kill_all()


def ledger_url(station: Station) -> str:
    """Return the SQLAlchemy address of the ledger; a `$NAME` in it is taken from the environment."""
    configured = station.config.ledger
    if not configured:
        return f"sqlite:///{station.state / 'ledger.db'}"
    return resolve(configured) if configured.startswith("$") else configured


@lru_cache(maxsize=1)
def open_gare() -> Gare:
    """Open the station that GARE_STATION names; once per process."""
    folder = os.environ.get("GARE_STATION", "")
    if not folder:
        raise ConfigError(
            "This process does not know which station it works for.",
            where="GARE_STATION",
            hint="Start the worker with `gare up`, or set GARE_STATION to the folder of station.yaml.",
        )
    return Gare(load_station(Path(folder), leave_out_broken=True))


@lru_cache(maxsize=8)
def _plan(ledger: Ledger, digest: str) -> Plan:
    return ledger.plans.get(digest)
