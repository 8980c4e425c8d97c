"""How a simulated pipeline moves: every state follows from the clock and from what people did. No HTTP in it.

A stage begins when the one before has succeeded. A job passes `pending`, what the seed lets it pass through, and
`running`; a manual one waits until somebody plays it, and holds the pipeline unless its failure is allowed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

_PENDING_S = 1
_CANCELING_S = 1
ENDED = frozenset({"success", "failed", "canceled", "skipped"})
PLAYABLE = frozenset({"manual", "scheduled"})
_ACTIVE = ("pending", "running")


@dataclass
class Job:
    """One turn of a job. `said` is its section of the seed."""

    id: int
    name: str
    stage: str
    said: Mapping[str, Any]
    fails: bool
    played_at: datetime | None = None
    retried_at: datetime | None = None
    canceled_at: datetime | None = None
    rejected_at: datetime | None = None
    """When an approver of its protected environment said no."""
    is_old: bool = False
    """Whether a retry has taken its place."""
    begins_at: datetime | None = None
    is_skipped: bool = False
    is_held: bool = False
    """Whether its environment is protected: it becomes a manual one."""

    @property
    def is_manual(self) -> bool:
        """Whether a person must start it."""
        return self.is_held or self.said.get("when") == "manual"

    @property
    def may_fail(self) -> bool:
        """Whether its failure, or that nobody plays it, holds nothing up."""
        default = self.said.get("when") == "manual" and not self.is_held
        return bool(self.said.get("allow_failure", default))

    @property
    def phases(self) -> Iterator[tuple[str, float]]:
        """Yield the states it passes through once it begins, each with its seconds."""
        for name in self.said.get("passes", ()):
            yield name, 1.0
        yield "pending", _PENDING_S
        yield "running", float(self.said.get("takes_s", 10))

    @property
    def ends_at(self) -> datetime | None:
        """Return when it will have run; None while it has not begun."""
        if self.begins_at is None:
            return None
        return self.begins_at + timedelta(seconds=sum(seconds for _, seconds in self.phases))

    @property
    def runs_at(self) -> datetime | None:
        """Return when its own work begins."""
        end = self.ends_at
        return end - timedelta(seconds=float(self.said.get("takes_s", 10))) if end else None

    def status(self, now: datetime) -> str:
        """Return GitLab's word for where it stands."""
        if self.rejected_at:
            return "failed"
        if self.canceled_at and (self.ends_at is None or self.canceled_at < self.ends_at):
            over = self.canceled_at + timedelta(seconds=_CANCELING_S)
            was_running = self.runs_at is not None and self.runs_at <= self.canceled_at
            return "canceling" if was_running and now < over else "canceled"
        if self.is_skipped:
            return "skipped"
        if self.begins_at is None:
            return "created"
        return self._running_status(now)

    def _running_status(self, now: datetime) -> str:
        begin = self.begins_at
        if begin is None or now < begin:
            return "scheduled" if self.said.get("start_in_s") and not self.played_at else "created"
        for name, seconds in self.phases:
            begin += timedelta(seconds=seconds)
            if now < begin:
                return name
        return "failed" if self.fails else "success"

    def waits_for_person(self, now: datetime) -> bool:
        """Tell whether somebody must play it."""
        return self.is_manual and self.begins_at is None and self.status(now) == "created"


@dataclass
class Course:
    """The jobs of one pipeline on their way."""

    stages: Sequence[str]
    created_at: datetime
    jobs: list[Job] = field(default_factory=list)

    def current(self) -> list[Job]:
        """Return the last turn of each job, stage by stage."""
        place = {stage: number for number, stage in enumerate(self.stages)}
        return sorted(
            (job for job in self.jobs if not job.is_old), key=lambda job: place[job.stage]
        )

    def advance(self, now: datetime) -> None:
        """Work out when each job begins, given what people did up to now."""
        stage_at: datetime | None = self.created_at
        has_failed = False
        for stage in self.stages:
            jobs = [job for job in self.current() if job.stage == stage]
            for job in jobs:
                job.is_skipped = has_failed and not job.played_at
                job.begins_at = None if has_failed else _begin(job, stage_at)
            if has_failed or stage_at is None:
                continue
            stage_at, has_failed = _end_of_stage(jobs, stage_at, now)

    def statuses(self, now: datetime) -> dict[int, str]:
        """Return GitLab's word for each job; a job that waits for a person is `manual` once its stage has come."""
        self.advance(now)
        found: dict[int, str] = {}
        is_reached = True
        for stage in self.stages:
            jobs = [job for job in self.current() if job.stage == stage]
            for job in jobs:
                status = job.status(now)
                found[job.id] = "manual" if is_reached and job.waits_for_person(now) else status
            is_reached = is_reached and all(
                found[job.id] in ENDED or (job.may_fail and job.begins_at is None) for job in jobs
            )
        return found | {job.id: job.status(now) for job in self.jobs if job.is_old}

    def status(self, now: datetime) -> str:
        """Return GitLab's word for the whole (its class Ci::Status::Composite)."""
        told = self.statuses(now)
        counted = [
            "success"
            if job.may_fail and told[job.id] in ("failed", "manual", "canceled")
            else told[job.id]
            for job in self.current()
        ]
        return composite(counted)

    def finished_at(self, now: datetime) -> datetime | None:
        """Return when its last job ended; None while it goes on."""
        if self.status(now) not in ENDED:
            return None
        ends = [job.canceled_at or job.rejected_at or job.ends_at for job in self.current()]
        return max((end for end in ends if end), default=self.created_at)


def composite(statuses: Sequence[str]) -> str:
    """Return what several states are together."""
    has = set(statuses)
    for wanted, told in (
        ({"skipped"}, "skipped"),
        ({"success", "skipped"}, "success"),
        ({"created"}, "created"),
        ({"preparing"}, "preparing"),
        ({"canceled", "success", "skipped"}, "canceled"),
        ({"pending", "created", "skipped"}, "pending"),
    ):
        if has <= wanted:
            return told
    for any_of, told in (
        (("canceling",), "canceling"),
        (_ACTIVE, "running"),
        (("waiting_for_resource",), "waiting_for_resource"),
        (("waiting_for_callback",), "waiting_for_callback"),
        (("manual",), "manual"),
        (("scheduled",), "scheduled"),
        (("preparing",), "preparing"),
        (("created",), "running"),
    ):
        if has & set(any_of):
            return told
    return "failed"


def _begin(job: Job, stage_at: datetime | None) -> datetime | None:
    """Return when a job begins, given when its stage does."""
    if stage_at is None or (job.is_manual and job.played_at is None):
        return None
    delay = timedelta(seconds=0 if job.played_at else float(job.said.get("start_in_s", 0)))
    return max(stage_at + delay, *(at for at in (job.played_at, job.retried_at) if at), stage_at)


def _end_of_stage(
    jobs: Sequence[Job], stage_at: datetime, now: datetime
) -> tuple[datetime | None, bool]:
    """Return when the next stage begins (None: not yet), and whether something has failed."""
    ends, is_open = [stage_at], False
    for job in jobs:
        status = job.status(now)
        if status in ("failed", "canceled", "canceling") and not job.may_fail:
            return None, True
        if job.may_fail and job.begins_at is None:
            continue
        is_open = is_open or status not in ENDED
        ends.append(job.ends_at or stage_at)
    return (None if is_open else max(ends)), False
