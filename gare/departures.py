"""What becomes of a departure's members and of its train's schedule when something failed, whoever says so."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from gare.domain.approvals import Answer
from gare.domain.journey import failures, forward, has_failed, turns_back, value_of
from gare.domain.plan import Kind, Plan, of_train
from gare.domain.releases import Release, ReleaseState, StepState
from gare.domain.timetable import Kept
from gare.errors import GareError, NotFound
from gare.ledger.ledger import Ledger
from gare.ledger.replay import load
from gare.timetables import apply_timetables
from gare.wiring import Gare

BEFORE_DEPARTURE = ("notice", "go", "leave")
"""Steps of a train that begin anew when a member is taken off; the last one is the departure itself."""
ARRIVAL = "arrival"
"""The step in which a train ends that has departed."""
DOES_NOT_DEPART = "does not depart"
"""How the end of a train begins that ended by itself at its departure."""
_OPEN_AT_MOST = 1000
TAKEN_OFF = "member taken off"
"""The event that says so: the run of the train plans it anew."""


def has_departed(ledger: Ledger, departure: Release) -> bool:
    """Tell whether a train has left: from then on its plan does not change."""
    return ledger.releases.step_states(departure.id).get("leave") is StepState.DONE


def under_way(ledger: Ledger, train: str) -> list[Release]:
    """Return the departures of a train that have not ended, the newest first."""
    return ledger.releases.find(project=of_train(train), is_open=True)


def boarded_for(ledger: Ledger, train: str, slot: str) -> Release | None:
    """Return the departure of a train that is under way for a slot."""
    return next((one for one in under_way(ledger, train) if one.version == slot), None)


def outdated(gare: Gare) -> Iterator[str]:
    """Tell of departures that have boarded by a file that says otherwise now: they depart as they boarded."""
    for one in reversed(gare.ledger.releases.find(is_open=True, limit=_OPEN_AT_MOST)):
        if one.kind is Kind.TRAIN and (said := outdated_one(gare, one)):
            yield said


def outdated_one(gare: Gare, departure: Release) -> str:
    """Tell how a departure has boarded whose train has no such slot, or other members, by its file now; or nothing."""
    details = gare.plan(departure.plan).details
    name, slot = str(details["train"]), departure.version
    if has_departed(gare.ledger, departure) or name in gare.station.trains.broken:
        return ""
    names = {
        kind: [str(one["project"]) for one in details[kind]] for kind in ("members", "left_out")
    }
    train = gare.station.trains.get(name)
    if train is not None:
        has_slot = not details["is_scheduled"] or train.timetable.has(train.timetable.slot(slot))
        if has_slot and set(train.members) == {*names["members"], *names["left_out"]}:
            return ""
    return (
        f"{departure.id} has boarded for {slot} of {name} and departs as it boarded "
        f"({', '.join(names['members']) or 'nobody'}); `gare cancel {departure.id}` ends it"
    )


def going_back(gare: Gare, project: str) -> Iterator[str]:
    """Tell of trains that go back and will take a project's version with them: what is put on it now goes as well."""
    releases = gare.ledger.releases
    for train in reversed(releases.find(is_open=True, limit=_OPEN_AT_MOST)):
        if train.kind is not Kind.TRAIN:
            continue
        records, own = releases.steps(train.id), forward(releases.members(train.id)).get(project)
        if own is None or not turns_back(gare.plan(train.plan), records):
            continue
        if own.state is ReleaseState.RELEASED and not value_of(records, f"return-{project}"):
            yield f"{train.id} goes back and takes {own.version} of {project} back"


def kept_by_people(ledger: Ledger, plan: Plan) -> Kept | None:
    """Tell whether the departure of a plan is skipped, or the schedule stands still; a train of no timetable leaves."""
    if not plan.details["is_scheduled"]:
        return None
    train = str(plan.details["train"])
    if skip := ledger.trains.skips(train).get(plan.version):
        return Kept(str(skip), f"gare train unskip {train} {plan.version}")
    if stop := ledger.trains.stopped(train):
        return Kept(f"the schedule stands still: {stop.reason}", f"gare train resume {train}")
    return None


def kept_now(ledger: Ledger, departure: Release, plan: Plan) -> Kept | None:
    """Tell what people keep a train back by that is still ahead of its departure."""
    if departure.is_closed or has_departed(ledger, departure):
        return None
    return kept_by_people(ledger, plan)


def held_by(ledger: Ledger, departure: Release) -> str:
    """Tell by whom a departure is held that has not ended, and why; nothing when it is not."""
    stop = None if departure.is_closed else ledger.trains.stopped(departure.id)
    return stop.reason if stop else ""


def objections(ledger: Ledger, departure: Release) -> list[str]:
    """Return what people said who gave a no go."""
    votes = ledger.approvals.votes(departure.id, "go")
    return [
        f"{one.person} said: {one.comment}"
        for one in votes
        if one.answer is Answer.REJECT and one.comment
    ]


def taken_off(ledger: Ledger, departure: Release, plan: Plan) -> dict[str, str]:
    """Return the members of the plan that a person has taken off before the departure, each with the reason."""
    if has_departed(ledger, departure):
        return {}
    members = {str(one["project"]) for one in plan.details["members"]}
    said = [
        load(event.body, event.kind)
        for event in ledger.database.events(departure.id)
        if event.kind == TAKEN_OFF
    ]
    return {one["member"]: one["reason"] for one in said if one["member"] in members}


def drop(
    gare: Gare, departure: Release, member: str, own: Release | None, said: str, *, actor: str
) -> dict[str, Any]:
    """End the release of a member that failed or is left out, and stop the schedule; return what its step tells.

    `left` is the reason; it `keeps` back those that need it.
    """
    if own is not None and not own.is_closed:
        end_run(gare, own.flow_run_id)
        end = f"left out of {departure.id}: {own.end}" if own.end else said
        gare.ledger.releases.mark(own.id, ReleaseState.CANCELLED, actor=actor, end=end)
    stop_schedule(gare, gare.plan(departure.plan), f"{departure.id}: {member} {said}", actor=actor)
    return {"release": own.id if own else "", "left": said, "failed": True, "keeps": True}


def end_run(gare: Gare, run_id: str) -> None:
    """End a run of the engine; one that it does not know has nothing to end."""
    with suppress(NotFound):
        gare.engine.cancel(run_id, has_process=gare.engine.run(run_id).state_type == "RUNNING")


def stop_schedule(gare: Gare, plan: Plan, reason: str, *, actor: str) -> None:
    """Let a train's schedule stand still after a failed departure, unless it goes on as configured."""
    if plan.details["rules"]["after_failure"] != "stop":
        return
    if gare.ledger.trains.stop(str(plan.details["train"]), reason, actor=actor):
        # The ledger decides; that the engine's schedule is paused too only shows it.
        with suppress(GareError):
            apply_timetables(gare)


def note_cancelled(gare: Gare, departure: Release, *, actor: str) -> None:
    """Stop the schedule of a train that was cancelled while a member of it stood failed and was not repaired."""
    if departure.kind is not Kind.TRAIN:
        return
    plan, releases = gare.plan(departure.plan), gare.ledger.releases
    own = forward(releases.members(departure.id))
    failed = {name for name, release in own.items() if has_failed(release)}
    failed |= set(failures(plan, releases.steps(departure.id)))
    if failed:
        reason = f"{departure.id}: cancelled after {', '.join(sorted(failed))} failed"
        stop_schedule(gare, plan, reason, actor=actor)
