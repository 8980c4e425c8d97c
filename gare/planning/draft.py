"""A step while the order of a release is being put together, and what becomes of it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from gare.config.models import Step, StepType
from gare.domain.plan import PlannedEffect, PlannedStep, Reversibility

MINUTE, HOUR = 60.0, 3600.0
TIMEOUTS_S: Mapping[StepType, float] = {
    StepType.PLAN: 10 * MINUTE,
    StepType.BUILD: HOUR,
    StepType.TEST: HOUR,
    StepType.VALIDATE: 15 * MINUTE,
    StepType.DEPLOY: 30 * MINUTE,
    StepType.VERIFY: 15 * MINUTE,
    StepType.RUN: HOUR,
}
DEFAULT_RETRIES = 2
"""Of faults that may pass by themselves (a host that is away). Failed commands are repeated only when asked for."""
DEFAULT_BACKOFF = timedelta(seconds=5)


@dataclass
class Draft:
    """A step while the order is being put together."""

    id: str
    type: StepType
    title: str
    needs: list[str]
    environment: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    effects: tuple[PlannedEffect, ...] = ()
    said: Step | None = None


def planned(draft: Draft) -> PlannedStep:
    """Return the step as the plan has it: with times, retries and how far it can be taken back."""
    said = draft.said
    worst = _worst(draft.effects)
    step = PlannedStep(
        id=draft.id,
        type=draft.type.value,
        title=draft.title,
        needs=tuple(dict.fromkeys(draft.needs)),
        environment=draft.environment,
        settings=draft.settings,
        retries=DEFAULT_RETRIES,
        backoff_s=DEFAULT_BACKOFF.total_seconds(),
        timeout_s=TIMEOUTS_S.get(draft.type, 10 * MINUTE),
        effects=draft.effects,
        reversibility=worst,
    )
    if said is None:
        return step
    return replace(
        step,
        point_of_no_return=said.point_of_no_return,
        retries=step.retries if said.retries is None else said.retries,
        repeats_failures=said.retries is not None,
        backoff_s=step.backoff_s if said.backoff is None else said.backoff.total_seconds(),
        timeout_s=step.timeout_s if said.timeout is None else said.timeout.total_seconds(),
    )


def _worst(effects: Sequence[PlannedEffect]) -> Reversibility:
    ranks = list(Reversibility)
    return max(
        (effect.reversibility for effect in effects),
        key=ranks.index,
        default=Reversibility.NOTHING_OUTSIDE,
    )
