"""turn_back: a member goes back where its version was verified, because another member of its train has failed."""

from collections.abc import Mapping

from gare.domain.ground import Ground
from gare.domain.journey import staying, turns_back
from gare.domain.releases import Release
from gare.domain.waits import Cause
from gare.ledger.effects import Absent, Effect, Look, Receipt
from gare.requests import RollbackRequest
from tasks.member_runs import member_release
from tasks.step import AskAgain, Value, Work, step_task
from tasks.train_back import grounds_of, look_at_rollbacks
from tasks.wait import Sight


@step_task
def turn_back(work: Work) -> Value | AskAgain:
    """Start the rollbacks of one member, once each, and see them through; nothing to do when nobody has failed."""
    return bring_back(work)


def bring_back(work: Work) -> Value | AskAgain:
    """Do what the step does. A member stays that others need which stay."""
    member = str(work.step.settings["member"])
    records = work.ledger.releases.steps(work.release.id)
    if not turns_back(work.plan, records):
        return {"summary": "not needed"}
    if needing := staying(work.plan, records, member):
        said = f"it is needed by {', '.join(needing)}, which stays"
        return {"stays": said, "summary": f"{member} stays: {said}"}
    own = member_release(work.gare, work.release, member)
    runs = _begin_all(work, member, grounds_of(work.gare, work.step, own))
    if not runs:
        said = _untouched(work, own)
        return {"untouched": said, "summary": f"nothing to take back: {said}"}
    wait = look_at_rollbacks(Sight(work.gare, work.release), work.step, runs)
    if wait is not None:
        return AskAgain(wait.said.what, work.ledger.now(), Cause.MEMBERS, {"runs": runs})
    back = {place: work.ledger.verified_version(member, place) for place in runs}
    told = ", ".join(f"{place} is back at {version}" for place, version in back.items())
    return {"back": back, "summary": told}


def _begin_all(work: Work, member: str, grounds: Mapping[str, Ground]) -> Mapping[str, str]:
    """Begin the rollbacks that are due; those that had begun before count whatever stands there by now.

    No run (an empty one) has a place where somebody else was there since: who has taken the version back already, or
    has brought another one on top of it, which no train takes away by itself.
    """
    begun = {
        one.target for one in work.ledger.effects.of(work.release.id) if one.step == work.step.id
    }
    return {
        place: _begin(work, member, place, ground.before)
        if ground.is_own or _target(member, place) in begun
        else ""
        for place, ground in grounds.items()
    }


def _untouched(work: Work, own: Release | None) -> str:
    if own is None:
        return "it has not departed"
    if not work.step.settings["environments"]:
        return "it has no environment, and what it has published stays"
    return "its version was not verified good anywhere"


def _target(member: str, environment: str) -> str:
    return f"roll back {member} in {environment}"


def _begin(work: Work, member: str, environment: str, to: str) -> str:
    """Begin a rollback, once; it names its version, so that what comes on top meanwhile goes back with it."""
    request = RollbackRequest(
        project=member,
        environment=environment,
        to=to,
        requested_by=work.release.requested_by,
        reason=f"{work.release.id} goes back: a member has failed",
        train=work.release.id,
    )
    key = f"train {work.release.id} {member} back {environment}"

    def look() -> Look:
        return Absent()  # the engine gives the same run for the same key

    def act() -> Receipt:
        return {"run": work.gare.start(request, key=key).id, "key": key}

    effect = Effect(_target(member, environment), {"key": key}, look, act)
    return str(work.ledger.effects.perform(work.release.id, work.step.id, effect)["run"])
