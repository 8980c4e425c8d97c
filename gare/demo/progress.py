"""Follows one release of the demo from the ledger: a line for every step that starts or ends."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from gare.domain.approvals import Decision
from gare.domain.plan import PlannedApproval
from gare.domain.releases import Release, ReleaseState, StepRecord, StepState
from gare.errors import StepFailed
from gare.own_station import Say
from gare.wiring import Gare

Found = TypeVar("Found")
_TICK_S = 0.25
_PATIENCE_S = 180.0
"""Longest time in which nothing at all may happen."""


@dataclass(slots=True)
class Follower:
    """One release being followed. `is_alive` tells whether the station still runs."""

    gare: Gare
    run_id: str
    say: Say
    is_alive: Callable[[], bool]
    _seen: dict[str, tuple[StepState, int]] = field(default_factory=dict)

    def until_open(self) -> Release:
        """Wait until the run has planned and opened its release."""
        return self._wait(
            lambda: self.gare.ledger.releases.of_run(self.run_id), "opened its release"
        )

    def until_asked_or_ended(self, release_id: str) -> tuple[Release, PlannedApproval | None]:
        """Tell what happens until people must decide, or the release has ended; return what is asked, if anything."""
        return self._wait(lambda: self._look(release_id), "ended or asked")

    def _look(self, release_id: str) -> tuple[Release, PlannedApproval | None] | None:
        release = self.gare.ledger.releases.get(release_id)
        plan = self.gare.plan(release.plan)
        records = self.gare.ledger.releases.steps(release_id)
        for step in plan.steps:
            if (record := records.get(step.id)) and self._seen.get(step.id) != (
                record.state,
                record.attempt,
            ):
                self._seen[step.id] = (record.state, record.attempt)
                if line := _spoken(record):
                    self.say(line)
        if not release.is_moving:
            return release, None
        if release.state is ReleaseState.WAITING:
            for rule in plan.approvals:
                asked = self.gare.ledger.approvals.get(release_id, rule.step)
                standing = self.gare.ledger.approvals.standing(release_id, rule)
                if asked is not None and standing.decision is Decision.PENDING:
                    return release, rule
        return None

    def _wait(self, look: Callable[[], Found | None], wanted: str) -> Found:
        last, deadline = dict(self._seen), time.monotonic() + _PATIENCE_S
        while (found := look()) is None:
            if last != self._seen:
                last, deadline = dict(self._seen), time.monotonic() + _PATIENCE_S
            self._check(wanted, is_late=time.monotonic() > deadline)
            time.sleep(_TICK_S)
        return found

    def _check(self, wanted: str, *, is_late: bool) -> None:
        """Raise StepFailed when waiting any longer makes no sense."""
        if not self.is_alive():
            raise StepFailed(
                "The station ended while a release was under way.", where="station.log"
            )
        if self._seen and not is_late:
            return
        run = self.gare.engine.run(self.run_id)
        where = f"{run.name}: {run.state_name} {run.state_message}".rstrip()
        if is_late:
            raise StepFailed(
                f"The release has not {wanted}; nothing happened for {_PATIENCE_S:g} s.",
                where=where,
            )
        if run.is_over:
            raise StepFailed("The run ended before it opened a release.", where=where)


def _spoken(record: StepRecord) -> str:
    """Say one step for people; steps that only start are told by their end, if they are quick."""
    took = (
        f"{(record.ended_at - record.started_at).total_seconds():5.1f} s"
        if record.ended_at
        else " " * 7
    )
    match record.state:
        case StepState.DONE:
            summary = record.value.get("summary", "") if isinstance(record.value, dict) else ""
            return f"ok      {record.step:<18} {took}  {summary}".rstrip()
        case StepState.FAILED:
            return f"FAILED  {record.step:<18} {took}  {record.error}"
        case _:
            return ""
