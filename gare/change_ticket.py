"""The change ticket of a release: taken to the status of each phase, and told how the release ended."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gare.config.tickets import ChangePhase
from gare.domain.plan import Plan, PlannedStep
from gare.domain.releases import Release, StepState
from gare.ledger.effects import Absent, AsWanted, Effect, Look
from gare.planning.ticket_steps import OPEN
from gare.ports.tracker import TicketWriter
from gare.wiring import Gare


def moved(writer: TicketWriter, key: str, to: str, fields: Mapping[str, Any]) -> Effect:
    """Return a ticket in the status that it shall have; read by its key, as a search lags behind."""
    receipt = {"ticket": key, "status": to}

    def look() -> Look:
        return AsWanted(receipt) if writer.stand(key).is_in(to) else Absent()

    wanted = {"status": to, "fields": dict(fields)}
    return Effect(_target(key, to), wanted, look, lambda: writer.move(key, to, fields))


def in_phase(
    gare: Gare, step: PlannedStep, key: str, phase: str, settings: Mapping[str, Any]
) -> Effect:
    """Return the change ticket in the status of a phase, as the settings of a change ticket say."""
    writer = gare.tracking.writer(step.settings["tracker"])
    return moved(writer, key, settings["phases"][phase], settings["fields"])


def stop_target(gare: Gare, release: Release, plan: Plan) -> tuple[str, str, str] | None:
    """Return step, ticket and effect of what an ended release tells its change ticket; None when it tells nothing."""
    opened = gare.ledger.releases.steps(release.id).get(OPEN)
    if opened is None or opened.state is not StepState.DONE:
        return None
    to = plan.step(OPEN).settings["change"]["phases"].get(ChangePhase.STOPPED)
    key = str(opened.value["key"])
    return (OPEN, key, _target(key, to)) if to else None


def tell_stop(gare: Gare, release: Release, plan: Plan) -> None:
    """Move the change ticket of a release that ended without being out."""
    step = plan.step(OPEN)
    key = gare.ledger.releases.steps(release.id)[OPEN].value["key"]
    effect = replace(
        in_phase(gare, step, key, ChangePhase.STOPPED, step.settings["change"]), tells_end=True
    )
    gare.ledger.effects.perform(release.id, OPEN, effect)


def _target(key: str, to: str) -> str:
    return f"{key} to {to}"
