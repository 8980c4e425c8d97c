"""turn_back: a member goes back where its version was verified, because another member of its train has failed."""

from gare.engine import deployment_of
from gare.ledger.effects import Absent, Effect, Look, Receipt
from gare.requests import RollbackRequest
from tasks.step import Value, Work, step_task
from tasks.train_waits import member_release, turns_back


@step_task
def turn_back(work: Work) -> Value:
    """Start the rollbacks of one member, once each; nothing to do when nobody has failed."""
    member = str(work.step.settings["member"])
    if not turns_back(work.plan, work.ledger.releases.steps(work.release.id)):
        return {"summary": "not needed"}
    own = member_release(work.gare, work.release, member)
    places = [
        environment
        for environment in work.step.settings["environments"]
        if own is not None and work.ledger.verified_by(member, environment) == own.id
    ]
    runs = {place: _begin(work, member, place) for place in places}
    return {"runs": runs, "summary": ", ".join(places) or f"{member} has changed nothing"}


def _begin(work: Work, member: str, environment: str) -> str:
    request = RollbackRequest(
        project=member,
        environment=environment,
        requested_by=work.release.requested_by,
        reason=f"{work.release.id} goes back: a member has failed",
    )
    key = f"train {work.release.id} {member} back {environment}"

    def look() -> Look:
        return Absent()  # the engine gives the same run for the same key

    def act() -> Receipt:
        run = work.gare.engine.start(
            request.model_dump(mode="json"),
            deployment=deployment_of(request.kind),
            idempotency_key=key,
        )
        return {"run": run.id, "key": key}

    effect = Effect(f"roll back {member} in {environment}", {"key": key}, look, act)
    return str(work.ledger.effects.perform(work.release.id, work.step.id, effect)["run"])
