"""What every step shares: its surroundings (`Work`), and the wrapper that makes a function a Prefect task.

The wrapper writes start, value and error to the ledger; a step whose value is there does not run again. Knows
nothing of any one step.
"""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger
from prefect.states import Completed

from gare.boundaries import reached
from gare.domain.artifacts import all_made
from gare.domain.plan import Plan, PlannedStep
from gare.domain.releases import Release, StepState
from gare.domain.waits import Cause
from gare.errors import ConnectorError, GareError, InternalError, LedgerAway, StepFailed
from gare.ledger.effects import Effect, Receipt
from gare.ledger.ledger import Ledger
from gare.ports.target import Say
from gare.reports.markdown import escape
from gare.wiring import Gare, open_gare
from tasks.wait import Wait
from tasks.waiting import look_at_freezes

Value = dict[str, Any]
STOPPING = threading.Event()
"""Set when the run is being ended from outside: what fails from then on is no failure of the step."""


@dataclass(frozen=True, slots=True)
class AskAgain:
    """What a step returns that is not through yet: it runs once more at that instant; until then no process is left."""

    reason: str
    at: datetime
    cause: Cause = Cause.SYSTEMS
    more: Mapping[str, Any] = field(default_factory=dict)
    """What the step keeps meanwhile."""


Body = Callable[["Work"], Value | AskAgain]


@dataclass(frozen=True, slots=True)
class Work:
    """Everything a step may use."""

    gare: Gare
    release: Release
    plan: Plan
    step: PlannedStep
    attempt: int
    say: Say

    @property
    def values(self) -> Mapping[str, Any]:
        """Return the values of the steps that are done, by step."""
        records = self.ledger.releases.steps(self.release.id)
        return {
            step: record.value for step, record in records.items() if record.state is StepState.DONE
        }

    @property
    def artifacts(self) -> list[dict[str, Any]]:
        """Return what the release has made so far. Raises StepFailed when two of one name differ."""
        values = self.values
        return all_made(values[step.id] for step in self.plan.steps if step.id in values)

    @property
    def ledger(self) -> Ledger:
        """Return the station's ledger."""
        return self.gare.ledger

    @property
    def checkout(self) -> Path:
        """Return the release's own working tree, outside the worker's folder."""
        return self.gare.work_folder / self.release.id / "checkout"

    def perform(self, effect: Effect) -> Receipt:
        """Change something outside in the step's name, once, and say what came of it."""
        receipt = self.ledger.effects.perform(self.release.id, self.step.id, effect)
        self.say(f"{effect.target}: {dict(receipt)}")
        return receipt

    def show(self, key: str, markdown: str, title: str) -> None:
        """Show a page in the run's artifacts; a step does not fail for a page that cannot be shown."""
        try:
            self.gare.engine.publish(
                self.release.flow_run_id, f"{self.release.id.lower()}-{key}", markdown, title
            )
        except ConnectorError as error:
            self.say(f"The page {key} is not shown: {error}")

    def show_link(self, address: str, text: str) -> None:
        """Show a link in the run's artifacts."""
        self.show(f"link-{self.step.id}", f"[{escape(text)}]({address})", text)

    def log_file(self, name: str) -> Path:
        """Return where the output of one command of this attempt goes."""
        folder = self.gare.logs_folder / self.release.id
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self.step.id}-{self.attempt}-{name}.log"

    def env(self) -> dict[str, str]:
        """Return what commands learn about the release."""
        return {
            "GARE_RELEASE": self.release.id,
            "GARE_PROJECT": self.plan.project,
            "GARE_VERSION": self.plan.version,
            "GARE_COMMIT": self.plan.commit,
            "GARE_STEP": self.step.id,
            "GARE_ENVIRONMENT": self.step.environment,
        }


def step_task(body: Body) -> Task[[str, str], State[Any]]:
    """Make `body` the Prefect task of its kind of step; it is submitted with (release id, step id)."""

    @task(
        name=body.__name__,
        description=(body.__doc__ or "").strip(),
        task_run_name="{step_id}",
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    def run_step(release_id: str, step_id: str) -> State[Any]:
        return _run(body, release_id, step_id)

    return run_step


def options(step: PlannedStep) -> dict[str, Any]:
    """Return the task options that a planned step asks for: retries with doubling waits and jitter."""
    return {
        "retries": step.retries,
        "retry_delay_seconds": [step.backoff_s * 2**turn for turn in range(step.retries)] or 0,
        "retry_jitter_factor": 0.2,
        "retry_condition_fn": _repeats_failures if step.repeats_failures else _repeats_faults,
        "tags": [
            f"step:{step.type}",
            *([f"environment:{step.environment}"] if step.environment else []),
        ],
    }


def _run(body: Body, release_id: str, step_id: str) -> State[Any]:
    gare = open_gare()
    releases = gare.ledger.releases
    release = releases.get(release_id)
    plan = gare.plan(release.plan)
    step = plan.step(step_id)
    reached(f"before start {step_id}")
    record = releases.begin_step(release_id, step_id, actor=_actor())
    reached(f"after start {step_id}")
    if record.state is StepState.DONE:
        return Completed(message="Done before.")
    logger = get_run_logger()
    work = Work(gare, release, plan, step, record.attempt, lambda line: logger.info("%s", line))
    try:
        # Once more, and before each attempt: a window may have closed since the step was found ready.
        closed = look_at_freezes(gare, release, plan, step)
        value = _put_off(closed, gare.ledger.now()) if closed else body(work)
    except Exception as error:
        if not STOPPING.is_set():
            _note_failure(gare.ledger, release_id, step, error)
        raise
    state = StepState.DONE
    if isinstance(value, AskAgain):
        state = StepState.WAITING
        value = {
            "summary": value.reason,
            "again_at": value.at.isoformat(),
            "cause": value.cause.value,
            **value.more,
        }
    reached(f"before end {step_id}")
    # What it took to get here is not done twice for a ledger that is away for a moment.
    gare.ledger.database.lasting(
        lambda: releases.end_step(release_id, step_id, state, value=value, actor=_actor())
    )
    reached(f"after end {step_id}")
    return Completed(message=str(value.get("summary", "")) or "Done.")


def _put_off(closed: Wait, now: datetime) -> AskAgain:
    return AskAgain(closed.reason, now, closed.said.cause)


def _note_failure(ledger: Ledger, release_id: str, step: PlannedStep, error: Exception) -> None:
    """Tell the ledger; an attempt that will be repeated leaves the step running."""
    if isinstance(error, LedgerAway):
        # No failure of the step's: it stays running, and the run is brought on when the ledger is back.
        return
    if not isinstance(error, GareError):
        error = InternalError(
            f"{type(error).__name__}: {error}", where=f"{release_id}, step {step.id}"
        )
    context = TaskRunContext.get()
    turn = context.task_run.run_count if context else step.retries + 1
    if turn <= step.retries and may_repeat(error, failures=step.repeats_failures):
        ledger.note(release_id, "step repeats", _actor(), {"step": step.id, "error": str(error)})
        return
    said = str(error)
    ledger.database.lasting(
        lambda: ledger.releases.end_step(
            release_id, step.id, StepState.FAILED, error=said, actor=_actor()
        )
    )


def may_repeat(error: object, *, failures: bool) -> bool:
    """Tell whether the same step may succeed when done once more."""
    return isinstance(error, GareError) and (
        error.retryable or (failures and isinstance(error, StepFailed))
    )


def _repeats_faults(_task: Any, _task_run: Any, state: State[Any]) -> bool:
    return may_repeat(state.result(raise_on_failure=False), failures=False)


def _repeats_failures(_task: Any, _task_run: Any, state: State[Any]) -> bool:
    return may_repeat(state.result(raise_on_failure=False), failures=True)


def _actor() -> str:
    return f"gare[{os.getpid()}]"
