"""deploy of a rollback: the environment goes back to a version that was good there, and automation there is on hold.

Releases that are taken back and have not ended end here; the record of each says by whom it was taken back.
"""

from gare.domain.releases import ReleaseState
from tasks.put_back import hold, put_back
from tasks.record import show_running
from tasks.step import Value, Work, step_task


@step_task
def go_back(work: Work) -> Value:
    """Switch the environment back to a version that was good there."""
    return switch_back(work)


def switch_back(work: Work) -> Value:
    """Switch back, and write it into the records of those that are taken back."""
    plan, before = work.plan, work.plan.previous_version
    hold(work, work.release.reason or f"{before or 'nothing'} was rolled back to {plan.version}")
    show_running(work)
    receipt = put_back(work, plan.version, before, origin=plan.details["origin"])
    for release_id in plan.details["undoes"]:
        _note(work, release_id)
    return {"receipt": dict(receipt), "summary": f"back at {plan.version}, at {receipt['place']}"}


def _note(work: Work, release_id: str) -> None:
    """Write into the record of a release that it was taken back; one that has not ended ends with it."""
    ledger, environment, version = work.ledger, work.step.environment, work.plan.version
    actor = work.release.requested_by or "gare"
    ledger.taken_back.note(release_id, environment, by=work.release.id, to=version, actor=actor)
    end = f"{environment}: rolled back to {version} by {work.release.id}"
    ledger.releases.mark(release_id, ReleaseState.ROLLED_BACK, actor="gare", end=end)
