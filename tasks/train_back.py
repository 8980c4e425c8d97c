"""What a train waits for that goes back: the rollbacks of a member, each judged by its own release."""

from collections.abc import Mapping

from gare.domain.ground import Ground, ground_of
from gare.domain.plan import Plan, PlannedStep
from gare.domain.releases import Release, ReleaseState, StepState
from gare.domain.waits import Cause, Waited
from gare.wiring import Gare
from tasks.member_runs import begins, refusal_of, under_way, ways_on
from tasks.wait import Sight, Wait


def look_back(sight: Sight, _plan: Plan, step: PlannedStep) -> Wait | None:
    """Return what a member waits for whose rollbacks have begun; None when another one of them can begin."""
    record = sight.records.get(step.id)
    if record is None or record.state is not StepState.WAITING:
        return None
    runs = record.value["runs"]
    grounds = grounds_of(sight.gare, step, sight.own.get(str(step.settings["member"])))
    if any(ground.is_own and not runs.get(place) for place, ground in grounds.items()):
        return None  # what was on top of it is gone
    return look_at_rollbacks(sight, step, runs)


def grounds_of(gare: Gare, step: PlannedStep, own: Release | None) -> dict[str, Ground]:
    """Return how each environment stands to what a member brought there; without those where it brought nothing."""
    if own is None:
        return {}
    found = {
        place: ground_of(gare.ledger.verified_good(own.project, place), own.id)
        for place in step.settings["environments"]
    }
    return {place: ground for place, ground in found.items() if ground is not None}


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
    ground = grounds_of(gare, step, sight.own.get(member)).get(environment)
    if ground is None or ground.is_gone:
        return None  # somebody has brought it back by hand
    if ground.is_below:
        newest = ground.newest
        said = f"{newest.release} has brought {newest.version} there since, on top of its {ground.version}"
        return _stands(sight, step, environment, said)
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
    what = f"{member} has not gone back in {environment} and the train stands: {said}"
    ways = ways_on(sight.release, member, own, "it stays, with what it needs")
    return Wait(Waited(what, Cause.FAILED, step.id, own.id if own else "", ways))
