"""What the project's file says now of a step that has failed in a tracker: people correct it there, then resume.

The plan of a release does not change otherwise. But nobody votes on how tickets are moved, and most are told when the
version is out: a new plan would not help them any more.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from gare.domain.plan import Plan, PlannedStep
from gare.domain.releases import Release
from gare.errors import ConfigError
from gare.ledger.effects import Effect, EffectRecord
from gare.ledger.ledger import Ledger
from gare.ledger.restored import withdraw_open
from gare.wiring import Gare

EVENT = "settings taken"
_TAKEN = {"rule": ("transition", "fields", "refused"), "change": ("phases", "fields")}
"""What is read anew, by the name of the step's settings."""


def corrected(
    gare: Gare, release: Release, plan: Plan, step: PlannedStep, name: str
) -> dict[str, Any]:
    """Return the settings `name` (`rule` or `change`) of a step: as planned; once it has failed, as the file says now.

    What is other than planned is noted in the ledger.
    """
    planned: dict[str, Any] = step.settings[name]
    if not _has_failed(gare.ledger, release.id, step.id):
        return planned
    said = _said_now(gare, plan.project, name)
    taken = {
        key: said[key] for key in _TAKEN[name] if key in said and said[key] != planned.get(key)
    }
    if taken:
        body: dict[str, object] = {"step": step.id, "settings": taken}
        gare.ledger.note(release.id, EVENT, "gare", body)
    # A phase that the plan has a step for keeps its status.
    if "phases" in taken:
        taken["phases"] = {**planned["phases"], **taken["phases"]}
    return {**planned, **taken}


def _has_failed(ledger: Ledger, release_id: str, step: str) -> bool:
    return any(
        event.kind == "step failed" and json.loads(event.body)["step"] == step
        for event in ledger.database.events(release_id)
    )


def _said_now(gare: Gare, project: str, name: str) -> Mapping[str, Any]:
    """Return what the file says; nothing where it does not say it any more."""
    try:
        tickets = gare.project(project).config.tickets
    except ConfigError:
        return {}
    found = tickets.on_release if name == "rule" else tickets.change
    return found.model_dump(mode="json") if found is not None else {}


def begun_moves(ledger: Ledger, release_id: str, step: str) -> list[EffectRecord]:
    """Return the moves of tickets that a step has begun."""
    every = ledger.effects.of(release_id)
    return [one for one in every if one.step == step and {"status", "fields"} <= one.intent.keys()]


def still_due(
    ledger: Ledger,
    release_id: str,
    step: str,
    move: Effect,
    key: str,
    begun: Iterable[EffectRecord],
) -> bool:
    """Tell whether a ticket is still to be moved; a move that was intended with other settings is taken back."""
    mine = [one for one in begun if one.target.startswith(f"{key} to ")]
    if any(one.receipt is not None for one in mine):
        return False
    others = [one.target for one in mine if (one.target, one.intent) != (move.target, move.wanted)]
    if others:
        said = "the project's file says otherwise now"
        withdraw_open(ledger.database, release_id, step, actor="gare", said=said, targets=others)
    return True
