"""The change ticket of a release: taken to the status of each phase, and told how the release ended."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gare.config.tickets import ChangePhase
from gare.domain.plan import PlannedStep
from gare.domain.releases import Release, ReleaseState, StepState
from gare.errors import GareError
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
    return Effect(f"{key} to {to}", wanted, look, lambda: writer.move(key, to, fields))


def in_phase(gare: Gare, step: PlannedStep, key: str, phase: str) -> Effect:
    """Return the change ticket in the status of a phase, as a step of the plan says."""
    settings = step.settings["change"]
    writer = gare.tracking.writer(step.settings["tracker"])
    return moved(writer, key, settings["phases"][phase], settings["fields"])


def tell_end(gare: Gare, release: Release) -> str:
    """Move the change ticket of a release that ended without being out; say why when it could not be moved.

    A tracker that is away does not change how the release ended.
    """
    if not release.is_closed or release.state is ReleaseState.RELEASED:
        return ""
    opened = gare.ledger.releases.steps(release.id).get(OPEN)
    if opened is None or opened.state is not StepState.DONE:
        return ""
    step = gare.plan(release.plan).step(OPEN)
    if ChangePhase.STOPPED not in step.settings["change"]["phases"]:
        return ""
    try:
        effect = replace(
            in_phase(gare, step, opened.value["key"], ChangePhase.STOPPED), tells_end=True
        )
        gare.ledger.effects.perform(release.id, OPEN, effect)
    except GareError as error:
        return f"The change ticket {opened.value['key']} was not moved: {error}"
    return ""
