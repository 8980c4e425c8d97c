"""What the steps of a train wait for without a process: an instant, a free place, the end of a member's release."""

from collections.abc import Callable, Mapping
from datetime import datetime

from gare.departures import taken_off
from gare.domain.journey import (
    HOLD,
    ROLL_BACK,
    has_failed,
    holds,
    place_waited_for,
    stands_behind_hotfix,
    value_of,
    without_place,
)
from gare.domain.plan import Plan, PlannedStep
from gare.domain.releases import Release
from gare.domain.waits import Cause, Waited
from tasks.member_runs import begins, refusal_of, under_way, ways_on
from tasks.train_back import look_back
from tasks.wait import Sight, Wait

NAMED = 5
"""How many members are named that wait for a place."""


def look_at_train(sight: Sight, plan: Plan, step: PlannedStep) -> Wait | None:
    """Return what a step of a train waits for, or None when it can run now."""
    find = _WAITS.get(step.type)
    return find(sight, plan, step) if find else None


def _instant(sight: Sight, plan: Plan, step: PlannedStep) -> Wait | None:
    at = datetime.fromisoformat(step.settings["at"])
    if plan.details["refusal"] or sight.gare.ledger.now() >= at:
        return None
    what = "its departure" if step.type == "leave" else "the notice of its departure"
    return Wait(Waited(f"{what} at {at:%Y-%m-%d %H:%M} UTC", Cause.TIMETABLE, step.id), at)


def _leave(sight: Sight, plan: Plan, step: PlannedStep) -> Wait | None:
    if off := taken_off(sight.gare.ledger, sight.release, plan):
        said = f"it boards anew without {', '.join(off)}"
        return Wait(Waited(said, Cause.MEMBERS, step.id), sight.gare.ledger.now())
    # A hold first: at its instant such a train does not go on by itself, and who resumes it wakes it.
    return _held(sight) or _instant(sight, plan, step)


def _held(sight: Sight) -> Wait | None:
    stop = sight.gare.ledger.trains.stopped(sight.release.id)
    if stop is None:
        return None
    ways = (f"`gare train resume {sight.release.id}`",)
    return Wait(Waited(f"the train is {stop.reason}", Cause.HELD, "leave", ways=ways))


def _depart(sight: Sight, plan: Plan, step: PlannedStep) -> Wait | None:
    """Wait for a place. Several may be found ready in one round: those before this one in the plan go first.

    While a train that rolls back stands, nobody departs who might have to go back.
    """
    is_new = step.id not in sight.records
    if is_new and (stands := _standing(sight, plan)):
        return Wait(
            Waited(f"{', '.join(stands)}: the train may have to go back", Cause.MEMBERS, "depart")
        )
    if is_new and step.settings["member"] not in sight.next_to_depart:
        # The same words for all of them: a large train says it once.
        names = without_place(plan, sight.records, sight.own)
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        verb = "waits" if len(names) == 1 else "wait"
        said = f"{', '.join(names[:NAMED])}{more} {verb} for {place_waited_for(plan)}"
        return Wait(Waited(said, Cause.MEMBERS, "depart"))
    return _held(sight)


def _standing(sight: Sight, plan: Plan) -> list[str]:
    """Return the members for which a train stands that rolls back."""
    if plan.details["rules"]["on_failure"] != ROLL_BACK:
        return []
    return [
        f"{one.id} of {name}, which a hotfix overtook"
        for name, one in sight.own.items()
        if stands_behind_hotfix(one) and holds(plan, sight.records, one)
    ]


def _arrive(sight: Sight, plan: Plan, step: PlannedStep) -> Wait | None:
    gare, release, member = sight.gare, sight.release, str(step.settings["member"])
    departed = value_of(sight.records, f"depart-{member}")
    if departed.get("left"):
        return None
    if (own := sight.own.get(member)) is None:
        if said := refusal_of(gare, departed["run"]):
            is_held = plan.details["rules"]["on_failure"] == HOLD
            return _hold(release, step, said) if is_held else None
        return begins(gare, f"the run of {member} begins", step)
    if has_failed(own):
        if not holds(plan, sight.records, own):
            return None
        goes_back = plan.details["rules"]["on_failure"] == ROLL_BACK
        without = "the train goes back" if goes_back else ""
        return _hold(release, step, f"{own.id} {own.state}: {own.end}", own, without)
    return None if own.is_closed else under_way(gare, own, f" of {member}", step)


def _hold(
    train: Release, step: PlannedStep, said: str, own: Release | None = None, without: str = ""
) -> Wait:
    """Return the wait of a held train: why, and who must do what."""
    member = str(step.settings["member"])
    what = f"{member} has failed and the train is held: {said}"
    ways = ways_on(train, member, own, without)
    return Wait(Waited(what, Cause.FAILED, step.id, own.id if own else "", ways))


_WAITS: Mapping[str, Callable[[Sight, Plan, PlannedStep], Wait | None]] = {
    "notice": _instant,
    "leave": _leave,
    "depart": _depart,
    "arrive": _arrive,
    "return": look_back,
}
