"""Configuration -> the things that steps and commands use. The only importer of connectors by name."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter

from gare.config.loader import Project, Station, load_station
from gare.config.models import ProjectConfig
from gare.config.station_file import ledger_url
from gare.connectors.process import kill_all
from gare.connectors.registry import (
    AnnounceSettings,
    SourceSettings,
    TargetSettings,
    connector,
)
from gare.domain.approvals import Voter
from gare.domain.plan import Kind, Plan, PlannedStep
from gare.drafting import Drafting
from gare.engine import Engine, deployment_of
from gare.errors import AuthenticationFailed, ConfigError
from gare.freezing import Freezes
from gare.hosting import Hosting
from gare.ledger.keys import Keys
from gare.ledger.ledger import Ledger
from gare.planning.standing import check_environment
from gare.ports.notifier import Notifier
from gare.ports.source import Source, TagWriter
from gare.ports.target import ReplaceTarget
from gare.requests import Request
from gare.run_lists import Run
from gare.station_state import StateFolder, api_url
from gare.tracking import Tracking

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
        return Ledger(ledger_url(self.station.state, self.station.config.ledger))

    @cached_property
    def engine(self) -> Engine:
        """Return the engine of the station that is up here (or of PREFECT_API_URL inside a run)."""
        state = self.station.state
        url = api_url(state) or os.environ.get("PREFECT_API_URL", "")
        return Engine(url, bell=StateFolder(state).bell)

    def start(self, request: Request, *, key: str = "") -> Run:
        """Start the run of a request; the same key again gives the run it made before."""
        return self.engine.start(
            request.model_dump(mode="json"),
            deployment=deployment_of(request.kind),
            idempotency_key=key,
        )

    @cached_property
    def freezes(self) -> Freezes:
        """Return what says when environments may be changed."""
        return Freezes(self.station, self.ledger, self.hosting.freeze_sources)

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

    @cached_property
    def drafting(self) -> Drafting:
        """Return what makes the station's plans."""
        return Drafting(self)

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

    @cached_property
    def tracking(self) -> Tracking:
        """Return the trackers of the station."""
        return Tracking(self.station)

    @cached_property
    def hosting(self) -> Hosting:
        """Return where the station's projects are hosted."""
        return Hosting(self.station)

    def target(self, plan: Plan, step: PlannedStep, release_id: str) -> ReplaceTarget:
        """Return the target of a deploy or verify step."""
        settings = _TARGET.validate_python(step.settings["target"])
        base = self.project(plan.project).base
        return self._target(settings, base, release_id, plan.env)

    def target_in(self, project: Project, environment: str) -> ReplaceTarget:
        """Return the target of an environment as it is configured now. Raises ConfigError with the nearest name."""
        check_environment(project.config, environment)
        settings = project.config.environments[environment].target
        return self._target(settings, project.base, "environments", project.config.env)

    def _target(
        self, settings: TargetSettings, base: Path, logs: str, env_names: Sequence[str]
    ) -> ReplaceTarget:
        made: ReplaceTarget = connector("target", settings.type)(
            settings, base, log_folder=self.logs_folder / logs, env_names=env_names
        )
        return made

    def notifiers(self, plan: Plan, step: PlannedStep) -> list[Notifier]:
        """Return the places of an announce step."""
        base = self.station.root if plan.kind is Kind.TRAIN else self.project(plan.project).base
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
