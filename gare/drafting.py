"""What each kind of plan is made of: asked of ledger, repository, tracker, hosting and target; `gare.planning` plans.

Stores the plans that it makes, and changes nothing else.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from gare.config.loader import Project, Station
from gare.config.models import ProjectConfig
from gare.config.trains import Scope, TrainConfig
from gare.connectors.git_survey import open_survey
from gare.connectors.registry import is_written
from gare.domain.plan import Plan
from gare.domain.versions import is_newer, pick_previous
from gare.errors import ConfigError, InternalError
from gare.hosting import Hosting
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
    has_artifacts,
    read_rolled_back,
    read_standing,
    read_stock,
    read_undone,
    way_back,
)
from gare.planning.train_steps import Named
from gare.ports.source import Head, History, Source
from gare.ports.target import Target
from gare.ports.tracker import Ticket, Tracker
from gare.requests import HotfixRequest, ReleaseRequest, Request, RollbackRequest, TrainRequest
from gare.tracking import Tracking


class Wired(Protocol):
    """What is asked of a station, whose wiring this is a part of."""

    @property
    def station(self) -> Station:
        """Return its files."""

    @property
    def ledger(self) -> Ledger:
        """Return its ledger."""

    @property
    def store(self) -> Path:
        """Return its folder of artifacts."""

    @property
    def hosting(self) -> Hosting:
        """Return where its projects are hosted."""

    @property
    def tracking(self) -> Tracking:
        """Return its trackers."""

    def plan(self, digest: str) -> Plan:
        """Return a stored plan."""

    def project(self, name: str) -> Project:
        """Return a project."""

    def source(self, plan: Plan) -> Source:
        """Return the repository that a plan is about."""

    def source_of(self, config: ProjectConfig, base: Path) -> Source:
        """Return the repository of a project."""

    def target_in(self, project: Project, environment: str) -> Target:
        """Return the target of an environment."""


class Drafting:
    """Makes the plans of one station."""

    def __init__(self, gare: Wired) -> None:
        self._gare = gare

    def make(
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
                train = self._gare.station.train(request.name)
                members = self._members_of(train.config)
                plan = board(
                    train,
                    request,
                    self._gare.ledger,
                    members,
                    is_preview=is_preview,
                    kept_by=kept_by,
                )
            case _:
                raise InternalError(f"nobody plans a {request.kind}", where="drafting")
        return self._gare.ledger.plans.store(plan), plan

    def board_anew(self, before: Plan, without: Mapping[str, str]) -> tuple[str, Plan]:
        """Plan a departure again that waits; store the plan. `without` are members that were taken off, and why."""
        train = self._gare.station.train(str(before.details["train"]))
        plan = board_anew(train, before, self._members_of(train.config), without)
        return self._gare.ledger.plans.store(plan), plan

    def look_over(self) -> Iterator[Prospect]:
        """Yield what each project would release now; far quicker than to plan them all."""
        projects = list(self._gare.station.projects.values())
        asked = (Asked(project.config, self._history(project)) for project in projects)
        names = [project.config.name for project in projects]
        return look_over(asked, {name: self._earlier(name) for name in names})

    def refuse_lost(self, plan: Plan, known_as: Collection[str]) -> None:
        """Raise LosesFix when what a plan releases lacks the fix of a hotfix that came before its version.

        `known_as` are the ids of its release, for which a fix may be waived.
        """
        fixes = self._gare.ledger.fixes.of(plan.project)
        hosted = self._gare.hosting.merge_requests(self._gare.project(plan.project).config)
        refuse_lost(
            FixedLines(self._gare.source(plan), fixes, hosted),
            fixes,
            Head(plan.branch, plan.commit),
            since=plan.previous_version,
            version=plan.version,
            known_as=known_as,
        )

    def open_tickets(self, name: str, version: str) -> list[str]:
        """Return the tickets that a project's tracker has planned for a version and that are not done."""
        found = self._planned_tickets(name, Scope(version=version))
        return [ticket.key for ticket in found if ticket.status != "done"]

    def _plan_release(self, request: ReleaseRequest, release_id: str) -> Plan:
        if request.again:
            return self._plan_again(request)
        if not request.train:
            return self._plan_alone(request, release_id)
        train = self._gare.plan(self._gare.ledger.releases.get(request.train).plan)
        is_quiet = bool(train.details["announces"])
        return with_go(self._plan_alone(request, release_id, is_quiet=is_quiet), train)

    def _plan_alone(
        self, request: ReleaseRequest, release_id: str = "", *, is_quiet: bool = False
    ) -> Plan:
        project = self._gare.project(request.project)
        source = self._gare.source_of(project.config, project.base)
        return make_plan(
            quiet(project.config) if is_quiet else project.config,
            self._gare.station.config,
            source,
            lambda commit: self._tracker(project.config, source, commit),
            request,
            self._earlier_of(project),
            self._gare.hosting.merge_requests(project.config),
            known_as=(release_id, request.train),
            foresee=lambda ahead: self._foresee(project.config, ahead),
        )

    def _plan_again(self, request: ReleaseRequest) -> Plan:
        project = self._gare.project(request.project)
        source = self._gare.source_of(project.config, project.base)
        earlier = self._earlier_of(project)
        return make_again(
            project.config,
            self._gare.station.config,
            source,
            lambda commit: self._tracker(project.config, source, commit),
            request,
            earlier,
            has_artifacts=has_artifacts(
                self._gare.ledger, self._gare.store, earlier.deployed.get(request.again, "")
            ),
            foresee=lambda ahead: self._foresee(project.config, ahead),
        )

    def _plan_hotfix(self, request: HotfixRequest) -> Plan:
        project = self._gare.project(request.project)
        source = self._gare.source_of(project.config, project.base)
        return make_hotfix(
            project.config,
            self._gare.station.config,
            source,
            lambda commit: self._tracker(project.config, source, commit),
            request,
            replace(
                self._earlier_of(project),
                branches=self._gare.ledger.fixes.branches(project.config.name),
            ),
            self._gare.hosting.merge_requests(project.config),
            lambda ahead: self._foresee(project.config, ahead),
        )

    def _plan_rollback(self, request: RollbackRequest) -> Plan:
        project = self._gare.project(request.project)
        target = self._gare.target_in(project, request.environment)
        standing = read_standing(
            self._gare.ledger, target, project.config.name, request.environment
        )
        way = way_back(request, standing)
        return make_rollback(
            project.config,
            self._gare.station.config,
            request,
            standing,
            way,
            self._gare.plan(self._gare.ledger.releases.get(way.origin).plan),
            read_undone(self._gare.ledger, way.undoes),
            read_stock(self._gare.ledger, target, self._gare.store, way),
        )

    def _foresee(self, config: ProjectConfig, ahead: Ahead) -> list[str]:
        """Say what GitLab and the tracker will refuse of a plan."""
        told = list[str]()
        if hosted := self._gare.hosting.of(config):
            told += of_hosting(hosted.access, ahead, self._gare.ledger.now())
        planned = next((one.settings["tracker"] for one in ahead.steps if is_told(one)), None)
        if planned is not None:
            told += of_tracker(self._gare.tracking.foresight(planned), ahead)
        return told

    def _earlier(self, project: str) -> Earlier:
        effects = self._gare.ledger.effects
        fixes = self._gare.ledger.fixes.of(project)
        return Earlier(effects.own_commits(project), effects.deployed(project), fixes)

    def _earlier_of(self, project: Project) -> Earlier:
        """Return what is needed to plan one project; what was rolled back is not asked for each of a fleet."""
        name, places = project.config.name, environments(project.config, self._gare.station.config)
        rolled = tuple(
            one for place in places for one in read_rolled_back(self._gare.ledger, name, place)
        )
        live = self._gare.ledger.verified_version(name, places[-1]) if places else ""
        return replace(self._earlier(name), live=live, rolled_back=rolled)

    def _history(self, project: Project) -> History:
        survey = open_survey(project.config.source, project.base)
        return survey or self._gare.source_of(project.config, project.base)

    def _tracker(self, config: ProjectConfig, source: Source, commit: str) -> Tracker | None:
        """Return the tracker of a project as of a commit; None when it has none."""
        return self._gare.tracking.reader(config, lambda path: source.read_file(commit, path))

    def _members_of(self, train: TrainConfig) -> Members:
        """Return how the members of a train are looked at."""

        def plan_member(request: ReleaseRequest) -> tuple[str, Plan]:
            plan = self._plan_alone(request, is_quiet=bool(train.announce))
            return self._gare.ledger.plans.store(plan), plan

        return Members(
            plan_member,
            self._planned_tickets,
            self._why_not_standing,
            self._named_version,
            self._name_of,
            self._unknown_version,
            self._gare.station.config.plans_at_once,
        )

    def _named_version(self, name: str, version: str) -> Named | None:
        """Return a version as the tracker of a project calls it, where releases write into that."""
        tracker = self._gare.project(name).config.tickets.tracker
        if tracker is None or not is_written(tracker):
            return None
        return Named(self._name_of(name, version), tracker.model_dump(mode="json"))

    def _unknown_version(self, name: str, version: str) -> str:
        """Say that the tracker of a project has no such version; empty when it has, or keeps none."""
        named = self._named_version(name, version)
        if named is None:
            return ""
        there = self._gare.tracking.writer(named.tracker).versions
        return "" if there.version(named.name) else f"{there.place} has no version {named.name}"

    def _name_of(self, name: str, version: str) -> str:
        """Return what the tracker of a project calls a version."""
        tracker = self._gare.project(name).config.tickets.tracker
        return self._gare.tracking.name_of(tracker, version) if tracker else version

    def _why_not_standing(self, name: str) -> str:
        """Say why a project's last version is not what stands in its last environment; empty when it is.

        Where nothing was verified yet, nobody knows.
        """
        project = self._gare.project(name)
        last = environments(project.config, self._gare.station.config)[-1:]
        history = self._gare.ledger.verified_good(name, last[0]) if last else []
        source = self._gare.source_of(project.config, project.base)
        tags = source.tags(reachable_from=source.head().commit)
        newest = pick_previous(tags, project.config.source.tag_prefix).final
        # A hotfix of another line may stand there, which is newer.
        if not history or newest is None or not is_newer(newest.version, history[-1].version):
            return ""
        by = f"{history[-1].release}, a {history[-1].kind}"
        return f"But {last[0]} stands at {history[-1].version} since {by}, not at {newest.version}."

    def _planned_tickets(self, name: str, scope: Scope) -> list[Ticket]:
        """Return what a project's tracker has planned for a train. Raises ConfigError when it cannot be asked that."""
        project = self._gare.project(name)
        if scope.sprint:
            boards = self._gare.tracking.boards(project.config)
            sprints = boards.sprints(scope.sprint)
            return [ticket for sprint in sprints for ticket in boards.sprint_tickets(sprint.id)]
        source = self._gare.source_of(project.config, project.base)
        tracker = self._tracker(project.config, source, source.head().commit)
        if tracker is None:
            raise ConfigError(
                f"{name} has no tracker, by which its train boards.",
                where=f"project {name}",
                hint="Write `tickets: {tracker: …}`, or take `board` out of the train's file.",
            )
        return tracker.tickets((), scope.version)
