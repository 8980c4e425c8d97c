"""version: the version by which a train boarded is released where tickets live, and what is left is told."""

from collections.abc import Mapping
from typing import Any

from gare.domain.journey import Stand, journey, turns_back
from tasks.away import unless_away
from tasks.step import AskAgain, Value, Work, step_task
from tasks.ticket_versions import released


@step_task
def version(work: Work) -> Value | AskAgain:
    """Release the train's version where all its members have arrived."""
    return unless_away(work, lambda: release_versions(work))


def release_versions(work: Work) -> Value:
    """Do what the step does. `left` says what is left over, a sentence each."""
    releases = work.ledger.releases
    records = releases.steps(work.release.id)
    if turns_back(work.plan, records):
        return {"left": [], "summary": "not needed: the train went back"}
    members = journey(work.plan, records, releases.members(work.release.id))
    here = {one.project for one in members if one.stand is Stand.ARRIVED}
    told, left = list[str](), list[str]()
    for tracker in work.step.settings["trackers"]:
        missing = [name for name in tracker["members"] if name not in here]
        if missing:
            names = ", ".join(missing)
            left.append(f"{tracker['version']} is not released: {names} has not arrived")
            continue
        left += _release(work, tracker, told)
    summary = f"released: {', '.join(told)}" if told else "nothing to release"
    return {"released": told, "left": left, "summary": "; ".join([summary, *left])}


def _release(work: Work, tracker: Mapping[str, Any], told: list[str]) -> list[str]:
    """Release the version in one tracker; return what is left over there."""
    name = tracker["version"]
    there = work.gare.tracking.writer(tracker["settings"]).versions
    if there.version(name) is None:
        return [f"{there.place} has no version {name}"]
    open_tickets = work.gare.drafting.open_tickets(
        tracker["members"][0], work.step.settings["version"]
    )
    work.ledger.effects.perform(work.release.id, work.step.id, released(work, there, name))
    told.append(f"{name} in {there.place}")
    if not open_tickets:
        return []
    return [f"not done in {name} of {there.place}: {', '.join(open_tickets)}"]
