"""Brings the rehearsed release to its end: votes, ticks off and plays jobs for the people who would."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gare.domain.approvals import Decision
from gare.domain.plan import Plan, PlannedApproval
from gare.domain.releases import Release, StepState
from gare.engine import has_ended
from gare.errors import StepFailed
from gare.own_station import OwnStation, Say, call
from gare.polling import looks
from gare.rehearsal.people import voters_for
from gare.requests import ReleaseRequest
from gare.sandbox.gitlab import GitLab
from gare.sandbox.host import Sandbox
from gare.wiring import Gare

_OPENS_WITHIN_S = 120.0
_PATIENCE_S = 300.0
"""Longest time in which nothing may happen while no step runs."""
_COMMENT = "rehearsed"


@dataclass(slots=True)
class Play:
    """One release on the throw-away station."""

    gare: Gare
    station: OwnStation
    sandbox: Sandbox
    say: Say
    _tokens: dict[str, str] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def to_the_end(self, digest: str, requester: str) -> Release:
        """Release exactly this plan and return how it ended. Raises StepFailed when it stands still."""
        plan = self.gare.plan(digest)
        request = ReleaseRequest(project=plan.project, plan=digest, requested_by=requester)
        run = self.gare.start(request)
        opened = self._opened(run.id)
        seen, since = "", time.monotonic()
        for _left_s in looks(None, longest_s=0.3):
            release = self.gare.ledger.releases.get(opened.id)
            self._tell(release, plan)
            if not release.is_moving:
                return release
            self._act(release, plan)
            stand = self.gare.ledger.database.head(release.id)
            if stand != seen or self._is_at_work(release):
                seen, since = stand, time.monotonic()
            self._check(release, still_s=time.monotonic() - since)
        raise AssertionError("looks never ends")

    def _opened(self, run_id: str) -> Release:
        for _left_s in looks(_OPENS_WITHIN_S, longest_s=0.3):
            if (found := self.gare.ledger.releases.of_run(run_id)) is not None:
                return found
            run = self.gare.engine.run(run_id)
            if has_ended(run):
                raise StepFailed(f"The run has not opened its release: {run.state_message}")
        raise StepFailed(f"The run has not begun within {_OPENS_WITHIN_S:g} s.", where=run_id)

    def _act(self, release: Release, plan: Plan) -> None:
        """Do what people would be asked for now."""
        for rule in plan.approvals:
            self._vote(release, plan, rule)
        for step in self._to_tick_off(release, plan):
            name = self._anybody()
            self._as_person(name, "done", release.id, step)
            self.say(f"{name} ticks off {step}")
        self._play_jobs()

    def _vote(self, release: Release, plan: Plan, rule: PlannedApproval) -> None:
        """Let everybody say yes who is needed, once they are asked."""
        if self.gare.ledger.approvals.get(release.id, rule.step) is None:
            return
        standing = self.gare.ledger.approvals.standing(release.id, rule)
        if standing.decision is not Decision.PENDING:
            return
        people = [self.gare.voter(person.name) for person in self.gare.station.config.people]
        for name in voters_for(rule, people, plan, release.requested_by):
            if name not in standing.approvers:
                self._as_person(name, "approve", release.id, "--env", rule.environment)
                self.say(f"{name} approves {rule.environment}")

    def _to_tick_off(self, release: Release, plan: Plan) -> list[str]:
        states = self.gare.ledger.releases.step_states(release.id)
        return [
            step.id
            for step in plan.steps
            if step.type == "manual"
            and states.get(step.id) is not StepState.DONE
            and all(states.get(need) is StepState.DONE for need in step.needs)
        ]

    def _play_jobs(self) -> None:
        for vendor in self.sandbox.vendors.values():
            if isinstance(vendor, GitLab):
                for project, job in _waiting(vendor):
                    vendor.controls["play"]({"project": project, "job": job})
                    self.say(f"somebody starts the job {job} in GitLab")

    def _anybody(self) -> str:
        for person in self.gare.station.config.people:
            return person.name
        raise StepFailed(
            "Nobody could tick off a manual step: the station knows no people.",
            where="station.yaml: people",
            hint="Write down who may: `{name: alice, email: alice@example.org}`.",
        )

    def _as_person(self, name: str, *words: str) -> None:
        """Type a command as this person would."""
        if name not in self._tokens:
            self._tokens[name] = self.gare.ledger.tokens.create(name, actor="rehearsal")
        call(self.gare.station.root, *words, "--comment", _COMMENT, token=self._tokens[name])

    def _is_at_work(self, release: Release) -> bool:
        """Tell whether a step runs; each has its own time limit."""
        states = self.gare.ledger.releases.step_states(release.id)
        return StepState.RUNNING in states.values()

    def _tell(self, release: Release, plan: Plan) -> None:
        records = self.gare.ledger.releases.steps(release.id)
        for step in plan.steps:
            record = records.get(step.id)
            if record is None or record.ended_at is None or step.id in self._told:
                continue
            if record.state in (StepState.DONE, StepState.FAILED):
                self._told.add(step.id)
                took_s = (record.ended_at - record.started_at).total_seconds()
                self.say(f"{step.id}: {record.state} in {took_s:.1f} s")

    def _check(self, release: Release, *, still_s: float) -> None:
        if not self.station.is_alive:
            raise StepFailed("The throw-away station has ended.", where=str(self.station.log))
        if still_s > _PATIENCE_S:
            raise StepFailed(
                f"The rehearsal stands still: nothing has happened for {_PATIENCE_S:g} s.",
                where="; ".join(release.waiting) or release.id,
            )


def _waiting(vendor: GitLab) -> Iterator[tuple[str, str]]:
    """Yield the jobs that hold a pipeline until somebody plays them, with their projects."""
    now = vendor.clock.now()
    for project in vendor.projects:
        for pipeline in tuple(vendor.pipelines_of(project).values()):
            told: Mapping[int, str] = pipeline.course.statuses(now)
            for job in pipeline.course.current():
                if told[job.id] == "manual" and not job.may_fail:
                    yield project.path, job.name
