"""version: the version by which a train boarded is released where tickets live, and what is left is told."""

from collections.abc import Mapping
from typing import Any

from gare.domain.journey import Stand, journey, turns_back
from gare.ledger.effects import Absent, AsWanted, Different, Effect, Look
from gare.ports.tracker import TicketWriter
from tasks.away import unless_away
from tasks.step import AskAgain, Value, Work, step_task


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
    released, left = list[str](), list[str]()
    for tracker in work.step.settings["trackers"]:
        missing = [name for name in tracker["members"] if name not in here]
        if missing:
            names = ", ".join(missing)
            left.append(f"{tracker['version']} is not released: {names} has not arrived")
            continue
        left += _release(work, tracker, released)
    told = f"released: {', '.join(released)}" if released else "nothing to release"
    return {"released": released, "left": left, "summary": "; ".join([told, *left])}


def _release(work: Work, tracker: Mapping[str, Any], released: list[str]) -> list[str]:
    """Release the version in one tracker; return what is left over there."""
    name = tracker["version"]
    writer = work.gare.tracking.writer(tracker["settings"])
    if writer.version(name) is None:
        return [f"{writer.place} has no version {name}"]
    open_tickets = work.gare.open_tickets(tracker["members"][0], work.step.settings["version"])
    work.ledger.effects.perform(work.release.id, work.step.id, _effect(work, writer, name))
    released.append(f"{name} in {writer.place}")
    if not open_tickets:
        return []
    return [f"not done in {name} of {writer.place}: {', '.join(open_tickets)}"]


def _effect(work: Work, writer: TicketWriter, name: str) -> Effect:
    def look() -> Look:
        found = writer.version(name)
        if found is not None and found.is_archived:
            return Different("an archived version of that name; unarchive it")
        is_released = found is not None and found.is_released
        return AsWanted({"version": name}) if is_released else Absent()

    return Effect(
        f"release of {name} in {writer.place}",
        {"version": name, "released": True},
        look,
        lambda: writer.release_version(name, work.ledger.now().date()),
    )
