"""What the steps of a train wait for without a process: an instant, a free place, the end of a member's release."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from gare.domain.journey import failures, has_failed, value_of
from gare.domain.plan import Plan, PlannedStep
from gare.domain.releases import Release, ReleaseState, StepRecord
from gare.engine import BROUGHT_ON
from gare.wiring import Gare
from tasks.wait import Sight, Wait

BEGINNING = timedelta(seconds=20)
"""How long a member's run may take to open its release before it is looked at again."""
HOLD, ROLL_BACK = "hold", "roll back"


def look_at_train(sight: Sight, plan: Plan, step: PlannedStep) -> Wait | None:
    """Return what a step of a train waits for, or None when it can run now."""
    find = _WAITS.get(step.type)
    return find(sight, plan, step) if find else None


def member_release(gare: Gare, train: Release, member: str) -> Release | None:
    """Return a member's release in a train: the newest, when it was tried again."""
    return newest_of(gare.ledger.releases.members(train.id), member)


def newest_of(members: Sequence[Release], project: str) -> Release | None:
    """Return a member's newest release among those of a train."""
    return next((one for one in reversed(members) if one.project == project), None)


def refusal_of(gare: Gare, run_id: str) -> str:
    """Return why a member's run ended without opening a release; empty when it has not ended so."""
    run = gare.engine.run(run_id)
    # One that crashed, or met something that was away, is brought on by the reconciler.
    if not run.is_over or run.state_type == "CRASHED" or run.state_name in BROUGHT_ON:
        return ""
    return run.state_message or f"its run ended as {run.state_name}"


def turns_back(plan: Plan, records: Mapping[str, StepRecord]) -> bool:
    """Tell whether a member has failed in a train that rolls back."""
    return plan.details["rules"]["on_failure"] == ROLL_BACK and bool(failures(plan, records))


def _instant(sight: Sight, plan: Plan, step: PlannedStep) -> Wait | None:
    at = datetime.fromisoformat(step.settings["at"])
    if plan.details["refusal"] or sight.gare.ledger.now() >= at:
        return None
    what = "its departure" if step.type == "leave" else "the notice of its departure"
    return Wait(f"{step.id}: {what} at {at:%Y-%m-%d %H:%M} UTC", at)


def _leave(sight: Sight, plan: Plan, step: PlannedStep) -> Wait | None:
    return _instant(sight, plan, step) or _held(sight)


def _held(sight: Sight) -> Wait | None:
    stop = sight.gare.ledger.trains.stopped(sight.release.id)
    if stop is None:
        return None
    again = f"gare train resume {sight.release.id}"
    return Wait(f"leave: the train is held: {stop.reason} ({again})")


def _depart(sight: Sight, plan: Plan, step: PlannedStep) -> Wait | None:
    """Wait for a place. Several may be found ready in one round: those before this one in the plan go first."""
    limit = plan.details["rules"]["limit"]
    if step.id not in sight.records:
        first = _before(plan, sight.records, str(step.settings["member"]), limit)
        if _on_way(sight, plan) + first >= limit:
            return Wait(f"depart: a place; {limit} are on their way at once")
    return _held(sight)


def _on_way(sight: Sight, plan: Plan) -> int:
    """Count the members on their way; one that stands still has given its place up."""
    newest = {one.project: one for one in sight.members}
    stands_still = {name for name, one in newest.items() if has_failed(one)}
    return sum(
        f"depart-{name}" in sight.records
        and not value_of(sight.records, f"arrive-{name}")
        and name not in stands_still
        for name in _names(plan)
    )


def _before(plan: Plan, records: Mapping[str, StepRecord], member: str, limit: int) -> int:
    """Count the members before this one that could depart as well, up to the limit."""
    count = 0
    for one in plan.details["members"]:
        name = str(one["project"])
        if name == member or count >= limit:
            break
        is_ready = all(value_of(records, f"arrive-{need}") for need in one["needs"])
        count += is_ready and f"depart-{name}" not in records
    return count


def _names(plan: Plan) -> list[str]:
    return [str(one["project"]) for one in plan.details["members"]]


def _arrive(sight: Sight, plan: Plan, step: PlannedStep) -> Wait | None:
    gare, release, member = sight.gare, sight.release, str(step.settings["member"])
    departed = value_of(sight.records, f"depart-{member}")
    if departed.get("left"):
        return None
    rule = plan.details["rules"]["on_failure"]
    if (own := newest_of(sight.members, member)) is None:
        if said := refusal_of(gare, departed["run"]):
            return _hold(release, step, said) if rule == HOLD else None
        return Wait(f"{step.id}: the run of {member} begins", _soon(gare))
    if has_failed(own):
        is_let_go = own.state is ReleaseState.CANCELLED
        if rule != HOLD or is_let_go:
            return None
        return _hold(release, step, f"{own.id} {own.state}: {own.end}", own)
    if own.is_closed:
        return None
    place = gare.ledger.locks.place(own.id)
    waits = f" for {'; '.join(own.waiting)}" if own.waiting else ""
    return Wait(f"{step.id}: {own.id} of {member} is {place or own.state.value + waits}")


def _soon(gare: Gare) -> datetime:
    """Return when to look again at a run that is about to begin: the same instant for all looks of a moment."""
    now = gare.ledger.now().timestamp()
    length = BEGINNING.total_seconds()
    return datetime.fromtimestamp(now // length * length + 2 * length, UTC)


def _hold(train: Release, step: PlannedStep, said: str, own: Release | None = None) -> Wait:
    """Return the wait of a held train: who must do what."""
    member, train_resume = step.settings["member"], f"gare train resume {train.id}"
    ways = [f"{train_resume} --again {member}", f"{train_resume} --without {member}"]
    if own and own.is_stopped:
        ways = [f"gare resume {own.id}", *ways]
    mend = f"{', '.join(ways[:-1])}, or {ways[-1]}"
    return Wait(f"{step.id}: {member} has failed and the train is held; {mend}; {said}")


def _back(sight: Sight, plan: Plan, step: PlannedStep) -> Wait | None:
    """Wait until the rollbacks that the step before has begun are over."""
    gare = sight.gare
    after = step.settings.get("after") or _first_member(plan, step)
    runs = value_of(sight.records, f"return-{after}").get("runs", {}) if after else {}
    for environment, run_id in runs.items():
        own = gare.ledger.releases.of_run(run_id)
        what = f"{own.id}, the rollback" if own else "the rollback"
        if (own is None and not refusal_of(gare, run_id)) or (own and not own.is_closed):
            # Nothing wakes the train when a rollback ends: it is no member of it.
            return Wait(f"{step.id}: {what} of {after} in {environment}", _soon(gare))
    return None


def _first_member(plan: Plan, step: PlannedStep) -> str:
    """Return the member that goes back last, which the arrival waits for."""
    is_arrival = step.type == "arrival" and plan.details["members"]
    return str(plan.details["members"][0]["project"]) if is_arrival else ""


_WAITS: Mapping[str, Callable[[Sight, Plan, PlannedStep], Wait | None]] = {
    "notice": _instant,
    "leave": _leave,
    "depart": _depart,
    "arrive": _arrive,
    "return": _back,
    "arrival": _back,
}
