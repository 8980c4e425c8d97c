"""Configuration -> the things that steps and commands use. The only importer of connectors by name."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter

from gare.config.loader import Project, Station, load_station
from gare.config.models import ProjectConfig
from gare.config.station_file import ledger_url
from gare.config.trains import Scope, TrainConfig
from gare.connectors.git_survey import open_survey
from gare.connectors.process import kill_all
from gare.connectors.registry import (
    AnnounceSettings,
    SourceSettings,
    TargetSettings,
    connector,
    is_written,
)
from gare.domain.approvals import Voter
from gare.domain.plan import Kind, Plan, PlannedStep
from gare.domain.versions import is_newer, pick_previous
from gare.engine import Engine, deployment_of
from gare.errors import AuthenticationFailed, ConfigError, InternalError
from gare.freezing import Freezes
from gare.hosting import Hosting
from gare.ledger.keys import Keys
from gare.ledger.ledger import Ledger
from gare.planning.again import make_again
from gare.planning.boarding import Members, board, board_anew
from gare.planning.dag import environments
from gare.planning.fixed_lines import FixedLines, refuse_lost
from gare.planning.fleet import Asked, Prospect, look_over
from gare.planning.hotfix import make_hotfix
from gare.planning.members import quiet, with_go
from gare.planning.planner import Earlier, make_plan
from gare.planning.preflight import Ahead, is_told, of_hosting, of_tracker
from gare.planning.rollback import make_rollback
from gare.planning.standing import (
    check_environment,
    has_artifacts,
    read_rolled_back,
    read_standing,
    read_stock,
    read_undone,
    way_back,
)
from gare.planning.train_steps import Named
from gare.ports.notifier import Notifier
from gare.ports.source import Head, History, Source, TagWriter
from gare.ports.target import ReplaceTarget
from gare.ports.tracker import Ticket, Tracker
from gare.requests import HotfixRequest, ReleaseRequest, Request, RollbackRequest, TrainRequest
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

    def make_plan(
        self,
        request: Request,
        release_id: str = "",
        *,
        kept_by: str = "",
        is_preview: bool = False,
    ) -> tuple[str, Plan]:
        """Plan what is asked for and store the plan; return its digest and the plan. Changes nothing else.

        `release_id` is the release that is planned again; `kept_by` is what kept an earlier attempt, which a train says
        when it is too late by now. A preview tells who would board a train that does not depart.
        """
        match request:
            case ReleaseRequest():
                plan = self._plan_release(request, release_id)
            case HotfixRequest():
                plan = self._plan_hotfix(request)
            case RollbackRequest():
                plan = self._plan_rollback(request)
            case TrainRequest():
                train = self.station.train(request.name)
                members = self._members_of(train.config)
                plan = board(
                    train, request, self.ledger, members, is_preview=is_preview, kept_by=kept_by
                )
            case _:
                raise InternalError(f"nobody plans a {request.kind}", where="wiring")
        return self.ledger.plans.store(plan), plan

    def look_over(self) -> Iterator[Prospect]:
        """Yield what each project would release now; far quicker than to plan them all."""
        projects = list(self.station.projects.values())
        asked = (Asked(project.config, self._history(project)) for project in projects)
        names = [project.config.name for project in projects]
        return look_over(asked, {name: self._earlier(name) for name in names})

    def _history(self, project: Project) -> History:
        survey = open_survey(project.config.source, project.base)
        return survey or self.source_of(project.config, project.base)

    def _plan_hotfix(self, request: HotfixRequest) -> Plan:
        project = self.project(request.project)
        source = self.source_of(project.config, project.base)
        return make_hotfix(
            project.config,
            self.station.config,
            source,
            lambda commit: self.tracker(project.config, source, commit),
            request,
            replace(
                self._earlier_of(project),
                branches=self.ledger.fixes.branches(project.config.name),
            ),
            self.hosting.merge_requests(project.config),
            lambda ahead: self._foresee(project.config, ahead),
        )

    def _plan_rollback(self, request: RollbackRequest) -> Plan:
        project = self.project(request.project)
        target = self.target_in(project, request.environment)
        standing = read_standing(self.ledger, target, project.config.name, request.environment)
        way = way_back(request, standing)
        return make_rollback(
            project.config,
            self.station.config,
            request,
            standing,
            way,
            self.plan(self.ledger.releases.get(way.origin).plan),
            read_undone(self.ledger, way.undoes),
            read_stock(self.ledger, target, self.store, way),
        )

    def refuse_lost(self, plan: Plan, known_as: Collection[str]) -> None:
        """Raise LosesFix when what a plan releases lacks the fix of a hotfix that came before its version.

        `known_as` are the ids of its release, for which a fix may be waived.
        """
        fixes = self.ledger.fixes.of(plan.project)
        hosted = self.hosting.merge_requests(self.project(plan.project).config)
        refuse_lost(
            FixedLines(self.source(plan), fixes, hosted),
            fixes,
            Head(plan.branch, plan.commit),
            since=plan.previous_version,
            version=plan.version,
            known_as=known_as,
        )

    def _earlier(self, project: str) -> Earlier:
        effects = self.ledger.effects
        fixes = self.ledger.fixes.of(project)
        return Earlier(effects.own_commits(project), effects.deployed(project), fixes)

    def _earlier_of(self, project: Project) -> Earlier:
        """Return what is needed to plan one project; what was rolled back is not asked for each of a fleet."""
        name, places = project.config.name, environments(project.config, self.station.config)
        rolled = tuple(
            one for place in places for one in read_rolled_back(self.ledger, name, place)
        )
        live = self.ledger.verified_version(name, places[-1]) if places else ""
        return replace(self._earlier(name), live=live, rolled_back=rolled)

    def _plan_again(self, request: ReleaseRequest) -> Plan:
        project = self.project(request.project)
        source = self.source_of(project.config, project.base)
        earlier = self._earlier_of(project)
        return make_again(
            project.config,
            self.station.config,
            source,
            lambda commit: self.tracker(project.config, source, commit),
            request,
            earlier,
            has_artifacts=has_artifacts(
                self.ledger, self.store, earlier.deployed.get(request.again, "")
            ),
            foresee=lambda ahead: self._foresee(project.config, ahead),
        )

    def _plan_release(self, request: ReleaseRequest, release_id: str) -> Plan:
        if request.again:
            return self._plan_again(request)
        if not request.train:
            return self._plan_alone(request, release_id)
        train = self.plan(self.ledger.releases.get(request.train).plan)
        is_quiet = bool(train.details["announces"])
        return with_go(self._plan_alone(request, release_id, is_quiet=is_quiet), train)

    def _members_of(self, train: TrainConfig) -> Members:
        """Return how the members of a train are looked at."""

        def plan_member(request: ReleaseRequest) -> tuple[str, Plan]:
            plan = self._plan_alone(request, is_quiet=bool(train.announce))
            return self.ledger.plans.store(plan), plan

        return Members(
            plan_member,
            self._planned_tickets,
            self._why_not_standing,
            self._named_version,
            self.station.config.plans_at_once,
        )

    def _named_version(self, name: str, version: str) -> Named | None:
        """Return a version as the tracker of a project calls it, where releases write into that."""
        tracker = self.project(name).config.tickets.tracker
        if tracker is None or not is_written(tracker):
            return None
        return Named(self.tracking.name_of(tracker, version), tracker.model_dump(mode="json"))

    def open_tickets(self, name: str, version: str) -> list[str]:
        """Return the tickets that a project's tracker has planned for a version and that are not done."""
        found = self._planned_tickets(name, Scope(version=version))
        return [ticket.key for ticket in found if ticket.status != "done"]

    def _why_not_standing(self, name: str) -> str:
        """Say why a project's last version is not what stands in its last environment; empty when it is.

        Where nothing was verified yet, nobody knows.
        """
        project = self.project(name)
        last = environments(project.config, self.station.config)[-1:]
        history = self.ledger.verified_good(name, last[0]) if last else []
        source = self.source_of(project.config, project.base)
        tags = source.tags(reachable_from=source.head().commit)
        newest = pick_previous(tags, project.config.source.tag_prefix).final
        # A hotfix of another line may stand there, which is newer.
        if not history or newest is None or not is_newer(newest.version, history[-1].version):
            return ""
        by = f"{history[-1].release}, a {history[-1].kind}"
        return f"But {last[0]} stands at {history[-1].version} since {by}, not at {newest.version}."

    def _plan_alone(
        self, request: ReleaseRequest, release_id: str = "", *, is_quiet: bool = False
    ) -> Plan:
        project = self.project(request.project)
        source = self.source_of(project.config, project.base)
        return make_plan(
            quiet(project.config) if is_quiet else project.config,
            self.station.config,
            source,
            lambda commit: self.tracker(project.config, source, commit),
            request,
            self._earlier_of(project),
            self.hosting.merge_requests(project.config),
            known_as=(release_id, request.train),
            foresee=lambda ahead: self._foresee(project.config, ahead),
        )

    def _foresee(self, config: ProjectConfig, ahead: Ahead) -> list[str]:
        """Say what GitLab and the tracker will refuse of a plan."""
        told = list[str]()
        if hosted := self.hosting.of(config):
            told += of_hosting(hosted.access, ahead, self.ledger.now())
        planned = next((one.settings["tracker"] for one in ahead.steps if is_told(one)), None)
        if planned is not None:
            told += of_tracker(self.tracking.foresight(planned), ahead)
        return told

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
        return self.tracking.reader(config, lambda path: source.read_file(commit, path))

    def board_anew(self, before: Plan, without: Mapping[str, str]) -> tuple[str, Plan]:
        """Plan a departure again that waits; store the plan. `without` are members that were taken off, and why."""
        train = self.station.train(str(before.details["train"]))
        plan = board_anew(train, before, self._members_of(train.config), without)
        return self.ledger.plans.store(plan), plan

    def _planned_tickets(self, name: str, scope: Scope) -> list[Ticket]:
        """Return what a project's tracker has planned for a train. Raises ConfigError when it cannot be asked that."""
        project = self.project(name)
        if scope.sprint:
            boards = self.tracking.boards(project.config)
            sprints = boards.sprints(scope.sprint)
            return [ticket for sprint in sprints for ticket in boards.sprint_tickets(sprint.id)]
        source = self.source_of(project.config, project.base)
        tracker = self.tracker(project.config, source, source.head().commit)
        if tracker is None:
            raise ConfigError(
                f"{name} has no tracker, by which its train boards.",
                where=f"project {name}",
                hint="Write `tickets: {tracker: …}`, or take `board` out of the train's file.",
            )
        return tracker.tickets((), scope.version)

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
