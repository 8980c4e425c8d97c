"""What a train waits for that goes back: the rollbacks of a member, each judged by its own release."""

from collections.abc import Mapping

from gare.domain.plan import Plan, PlannedStep
from gare.domain.releases import Release, ReleaseState, StepState
from gare.domain.waits import Cause, Waited
from tasks.member_runs import begins, refusal_of, under_way, ways_on
from tasks.wait import Sight, Wait


def look_back(sight: Sight, _plan: Plan, step: PlannedStep) -> Wait | None:
    """Return what a member waits for whose rollbacks have begun."""
    record = sight.records.get(step.id)
    if record is None or record.state is not StepState.WAITING:
        return None
    return look_at_rollbacks(sight, step, record.value["runs"])


def look_at_rollbacks(sight: Sight, step: PlannedStep, runs: Mapping[str, str]) -> Wait | None:
    """Return what is waited for before a member is back in all its environments; None when it is."""
    for environment, run_id in runs.items():
        if (wait := _look(sight, step, environment, run_id)) is not None:
            return wait
    return None


def _look(sight: Sight, step: PlannedStep, environment: str, run_id: str) -> Wait | None:
    gare, member = sight.gare, str(step.settings["member"])
    own = _newest(sight, member, environment)
    if own is not None and own.state is ReleaseState.RELEASED:
        return None
    if own is not None and own.is_moving:
        what = f", the rollback of {member} in {environment},"
        return under_way(gare, own, what, step)
    if own is not None and own.is_stopped:
        return _stands(sight, step, environment, f"{own.id} {own.state}: {own.end}", own)
    departed = sight.own.get(member)
    if departed is None or gare.ledger.verified_by(member, environment) != departed.id:
        return None  # somebody has brought it back by hand
    if own is not None:
        return _stands(sight, step, environment, f"{own.id} {own.state}: {own.end}", own)
    if said := refusal_of(gare, run_id):
        return _stands(sight, step, environment, f"its rollback is refused: {said}")
    return begins(gare, f"the rollback of {member} in {environment} begins", step)


def _newest(sight: Sight, member: str, environment: str) -> Release | None:
    return next(
        (
            one
            for one in reversed(sight.back.get(member, ()))
            if environment in sight.gare.plan(one.plan).environments
        ),
        None,
    )


def _stands(
    sight: Sight, step: PlannedStep, environment: str, said: str, own: Release | None = None
) -> Wait:
    """Return the wait of a train that cannot go back: who must do what."""
    member = str(step.settings["member"])
    what = (
        f"{member} has not gone back in {environment} and the train stands; "
        f"{ways_on(sight.release, member, own)}: it stays, with what it needs; {said}"
    )
    return Wait(Waited(what, Cause.FAILED, step.id, own.id if own else ""))
