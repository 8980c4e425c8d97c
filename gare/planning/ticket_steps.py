"""What a release tells its tracker as steps of a plan: `tickets` once a version is out, `change` for its own ticket.

Pure: which tickets there are was read before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gare.config.models import ProjectConfig, StepType
from gare.config.tickets import ChangePhase, OnRelease
from gare.connectors.jira_settings import JiraTrackerSettings
from gare.domain.plan import PlannedEffect, PlannedTicket, Reversibility
from gare.domain.scope import MATCHED

OPEN, DEPLOYING, RELEASED = "change-open", "change-deploying", "change-released"
_NAMED = 20


@dataclass(frozen=True)
class VendorStep:
    """A step in which a vendor takes part, to put into the order."""

    id: str
    type: StepType
    title: str
    settings: dict[str, Any] = field(default_factory=dict)
    effects: tuple[PlannedEffect, ...] = ()


def told_tickets(
    project: ProjectConfig, tickets: Sequence[PlannedTicket], *, version: str
) -> VendorStep | None:
    """Return the step that tells the tickets with code in the release; None when nothing is to be told."""
    tracker, rule = project.tickets.tracker, project.tickets.on_release
    if rule is None or not isinstance(tracker, JiraTrackerSettings):
        return None
    keys = [ticket.key for ticket in tickets if ticket.verdict == MATCHED]
    name = tracker.name(version)
    settings = {
        "tracker": tracker.model_dump(mode="json"),
        "rule": rule.model_dump(mode="json"),
        "keys": keys,
        "version": name,
    }
    effects = tuple(_effects(rule, keys, name, f"Jira {tracker.project}"))
    return VendorStep("tickets", StepType.TICKETS, "Tell the tickets", settings, effects)


def change_steps(project: ProjectConfig) -> dict[str, VendorStep]:
    """Return the steps of the release's change ticket by id; empty without one."""
    tracker, change = project.tickets.tracker, project.tickets.change
    if change is None or not isinstance(tracker, JiraTrackerSettings):
        return {}
    place = f"Jira {change.project or tracker.project}"
    settings = {
        "tracker": tracker.model_dump(mode="json"),
        "change": change.model_dump(mode="json"),
    }
    opened = PlannedEffect(
        f"create a change ticket of type {change.type}", place, Reversibility.COMPENSATED,
        "closed again when the release stops" if ChangePhase.STOPPED in change.phases else "",
    )  # fmt: skip
    steps = [VendorStep(OPEN, StepType.CHANGE, "Open change ticket", settings, (opened,))]
    for step_id, phase in ((DEPLOYING, ChangePhase.DEPLOYING), (RELEASED, ChangePhase.RELEASED)):
        if status := change.phases.get(phase):
            steps.append(_phase(step_id, phase, status, place, settings))
    return {step.id: step for step in steps}


def _phase(
    step_id: str, phase: ChangePhase, status: str, place: str, settings: dict[str, Any]
) -> VendorStep:
    effect = PlannedEffect(f"move the change ticket to {status}", place, Reversibility.REVERSIBLE)
    return VendorStep(
        step_id,
        StepType.CHANGE,
        f"Change ticket: {phase.value}",
        {**settings, "phase": phase.value},
        (effect,),
    )


def _effects(
    rule: OnRelease, keys: Sequence[str], name: str, place: str
) -> Iterable[PlannedEffect]:
    those = ", ".join(keys[:_NAMED]) + (
        f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    )
    if rule.version:
        yield PlannedEffect(f"release version {name}", place, Reversibility.REVERSIBLE)
    if rule.move_open_to:
        yield PlannedEffect(
            f"move what is open of {name} to the next version", place, Reversibility.COMPENSATED
        )
    if rule.archive_after:
        yield PlannedEffect(
            f"archive released versions but the last {rule.archive_after}", place,
            Reversibility.REVERSIBLE,
        )  # fmt: skip
    if not keys:
        return
    if rule.version:
        yield PlannedEffect(f"add fix version {name}", those, Reversibility.REVERSIBLE)
    if rule.transition:
        yield PlannedEffect(f"move to {rule.transition}", those, Reversibility.COMPENSATED)
    if rule.comment:
        yield PlannedEffect(
            "comment", those, Reversibility.POINT_OF_NO_RETURN, "people are told by mail"
        )
    if rule.link:
        yield PlannedEffect("link to the release", those, Reversibility.REVERSIBLE)
