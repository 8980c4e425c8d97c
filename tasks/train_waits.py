"""What the steps of a train wait for without a process: an instant, a free place, the end of a member's release."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from gare.domain.journey import has_failed, value_of, was_overtaken
from gare.domain.plan import Plan, PlannedStep
from gare.domain.releases import Release, ReleaseState, StepRecord
from gare.engine import UNAVAILABLE
from gare.wiring import Gare
from tasks.wait import Wait

BEGINNING = timedelta(seconds=20)
"""How long a member's run may take to open its release before it is looked at again."""
HOLD, ROLL_BACK = "hold", "roll back"


def look_at_train(gare: Gare, release: Release, plan: Plan, step: PlannedStep) -> Wait | None:
    """Return what a step of a train waits for, or None when it can run now."""
    find = _WAITS.get(step.type)
    return find(gare, release, plan, step) if find else None


def member_release(gare: Gare, train: Release, member: str) -> Release | None:
    """Return a member's release in a train: the newest, when it was tried again."""
    found = [one for one in gare.ledger.releases.members(train.id) if one.project == member]
    return found[-1] if found else None


def refusal_of(gare: Gare, run_id: str) -> str:
    """Return why a member's run ended without opening a release; empty when it has not ended so."""
    run = gare.engine.run(run_id)
    # One that crashed, or met a ledger that was away, is brought on by the reconciler.
    if not run.is_over or run.state_type == "CRASHED" or run.state_name == UNAVAILABLE:
        return ""
    return run.state_message or f"its run ended as {run.state_name}"


def turns_back(plan: Plan, records: Mapping[str, StepRecord]) -> bool:
    """Tell whether a member has failed in a train that rolls back."""
    if plan.details["rules"]["on_failure"] != ROLL_BACK:
        return False
    names = (one["project"] for one in plan.details["members"])
    return any(value_of(records, f"arrive-{name}").get("failed") for name in names)


def _instant(gare: Gare, release: Release, plan: Plan, step: PlannedStep) -> Wait | None:
    at = datetime.fromisoformat(step.settings["at"])
    if plan.details["refusal"] or gare.ledger.now() >= at:
        return None
    what = "its departure" if step.type == "leave" else "the notice of its departure"
    return Wait(f"{step.id}: {what} at {at:%Y-%m-%d %H:%M} UTC", at)


def _leave(gare: Gare, release: Release, plan: Plan, step: PlannedStep) -> Wait | None:
    return _instant(gare, release, plan, step) or _held(gare, release, step)


def _held(gare: Gare, release: Release, step: PlannedStep) -> Wait | None:
    stop = gare.ledger.trains.stopped(release.id)
    if stop is None:
        return None
    return Wait(f"{step.id}: the train is held: {stop.reason} (gare train resume {release.id})")


def _depart(gare: Gare, release: Release, plan: Plan, step: PlannedStep) -> Wait | None:
    if (wait := _held(gare, release, step)) is not None:
        return wait
    records = gare.ledger.releases.steps(release.id)
    names = [str(one["project"]) for one in plan.details["members"]]
    on_way = [n for n in names if f"depart-{n}" in records and not value_of(records, f"arrive-{n}")]
    # Several may be found ready in one pass: those before this one in the plan go first.
    first = [n for n in _ready(plan, records, names) if n not in on_way]
    limit = plan.details["rules"]["limit"]
    member = step.settings["member"]
    if member in on_way or len(on_way) + first.index(member) < limit:
        return None
    return Wait(f"{step.id}: a place, {limit} at once: {', '.join(on_way)} on the way")


def _ready(plan: Plan, records: Mapping[str, StepRecord], names: list[str]) -> list[str]:
    return [
        name
        for name in names
        if all(value_of(records, need) for need in plan.step(f"depart-{name}").needs)
    ]


def _arrive(gare: Gare, release: Release, plan: Plan, step: PlannedStep) -> Wait | None:
    records = gare.ledger.releases.steps(release.id)
    member = str(step.settings["member"])
    departed = value_of(records, f"depart-{member}")
    if departed.get("left"):
        return None
    rule = plan.details["rules"]["on_failure"]
    if (own := member_release(gare, release, member)) is None:
        if said := refusal_of(gare, departed["run"]):
            return _hold(release, step, said) if rule == HOLD else None
        return Wait(f"{step.id}: the run of {member} begins", gare.ledger.now() + BEGINNING)
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


def _hold(train: Release, step: PlannedStep, said: str, own: Release | None = None) -> Wait:
    """Return the wait of a held train: who must do what."""
    member = step.settings["member"]
    mend = f"gare resume {own.id}" if own and own.is_stopped else f"gare train resume {train.id} --again {member}"
    return Wait(
        f"{step.id}: {member} has failed and the train is held; {mend}, "
        f"or gare train resume {train.id} --without {member}; {said}"
    )


def _back(gare: Gare, release: Release, plan: Plan, step: PlannedStep) -> Wait | None:
    """Wait until the rollbacks that the step before has begun are over."""
    records = gare.ledger.releases.steps(release.id)
    after = step.settings.get("after") or _first_member(plan, step)
    runs = value_of(records, f"return-{after}").get("runs", {}) if after else {}
    for environment, run_id in runs.items():
        own = gare.ledger.releases.of_run(run_id)
        if own is None and not refusal_of(gare, run_id):
            return Wait(
                f"{step.id}: the rollback of {after} in {environment} begins", gare.ledger.now() + BEGINNING
            )
        if own is not None and not own.is_closed:
            # Nothing wakes the train when a rollback ends: it is no member of it.
            again = gare.ledger.now() + BEGINNING
            return Wait(f"{step.id}: {own.id}, the rollback of {after} in {environment}", again)
    return None


def _first_member(plan: Plan, step: PlannedStep) -> str:
    """Return the member that goes back last, which the arrival waits for."""
    is_arrival = step.type == "arrival" and plan.details["members"]
    return str(plan.details["members"][0]["project"]) if is_arrival else ""


_WAITS: Mapping[str, Callable[[Gare, Release, Plan, PlannedStep], Wait | None]] = {
    "notice": _instant,
    "leave": _leave,
    "depart": _depart,
    "arrive": _arrive,
    "return": _back,
    "arrival": _back,
}

__all__ = ["look_at_train", "member_release", "refusal_of", "turns_back", "was_overtaken"]
