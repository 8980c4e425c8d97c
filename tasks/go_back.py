"""deploy of a rollback: the environment goes back to a version that was good there, and automation there is on hold.

Releases that are taken back and have not ended end here; the record of each says by whom it was taken back.
"""

import json

from gare.domain.artifacts import all_made
from gare.domain.releases import ReleaseState
from gare.ledger.effects import Absent, AsWanted, Effect, Look, Receipt
from gare.strategies.rollout import revert, rollout
from tasks.deploy import make_shipment
from tasks.record import show_running
from tasks.step import Value, Work, step_task


@step_task
def go_back(work: Work) -> Value:
    """Switch the environment back to a version that was good there."""
    return switch_back(work)


def switch_back(work: Work) -> Value:
    """Switch back; a version that is no longer there is brought in again from the store."""
    environment, plan, before = work.step.environment, work.plan, work.plan.previous_version
    target = work.gare.target(plan, work.step, work.release.id)
    # From now on: what runs by a schedule must not bring the bad version back while this is under way.
    reason = work.release.reason or f"{before or 'nothing'} was rolled back to {plan.version}"
    work.ledger.holds.place(work.release.id, plan.project, environment, reason)
    show_running(work)

    def look() -> Look:
        receipt = target.look(plan.version)
        return Absent() if receipt is None else AsWanted(receipt)

    def act() -> Receipt:
        if plan.version in target.versions():
            return revert(target, plan.version, work.say)
        origin = plan.details["origin"]
        records = work.ledger.releases.steps(origin).values()
        made = all_made(record.value for record in records)
        return rollout(target, make_shipment(work, origin, made), work.say, [plan.version])

    wanted = {"version": plan.version, "before": before, "place": target.place}
    effect = Effect(f"roll back {environment}", wanted, look, act)
    receipt = work.ledger.effects.perform(work.release.id, work.step.id, effect)
    for release_id in plan.details["undoes"]:
        _note(work, release_id)
    return {"receipt": dict(receipt), "summary": f"back at {plan.version}, at {target.place}"}


def _note(work: Work, release_id: str) -> None:
    """Write into the record of a release that it was taken back; one that has not ended ends with it."""
    ledger, environment = work.ledger, work.step.environment
    body: dict[str, object] = {
        "environment": environment,
        "by": work.release.id,
        "to": work.plan.version,
    }
    said = [
        json.loads(event.body)
        for event in ledger.database.events(release_id)
        if event.kind == "taken back"
    ]
    if body not in said:
        ledger.note(release_id, "taken back", work.release.requested_by or "gare", body)
    end = f"{environment}: rolled back to {work.plan.version} by {work.release.id}"
    ledger.releases.mark(release_id, ReleaseState.ROLLED_BACK, actor="gare", end=end)
