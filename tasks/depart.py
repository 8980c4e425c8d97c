"""depart: a member's own release begins, as a run of its own, exactly as its stored plan says."""

from gare.domain.journey import turns_back, value_of
from gare.ledger.effects import Absent, AsWanted, Effect, Look, Receipt
from gare.requests import ReleaseRequest
from tasks.member_runs import member_release
from tasks.step import Value, Work, step_task


@step_task
def depart(work: Work) -> Value:
    """Start the member's release, once."""
    member = str(work.step.settings["member"])
    if left := _left(work):
        return {"left": left, "summary": left}
    effect = run_effect(work, member)
    receipt = work.ledger.effects.perform(work.release.id, work.step.id, effect)
    return {"run": receipt["run"], "summary": f"{member} is on its way"}


def run_effect(work: Work, member: str) -> Effect:
    """Return the member's run: the engine makes one of a train and a project, however often it is asked."""
    planned = next(one for one in work.plan.details["members"] if one["project"] == member)
    request = ReleaseRequest(
        project=member,
        plan=planned["plan"],
        ref=planned[
            "commit"
        ],  # planned anew, when another one was faster, it stays at what has boarded
        replan=True,
        train=work.release.id,
        requested_by=work.release.requested_by,
        reason=work.release.reason or f"{work.plan.title}, {work.plan.version}",
    )
    key = f"train {work.release.id} {member}"

    def look() -> Look:
        own = member_release(work.gare, work.release, member)
        return Absent() if own is None else AsWanted({"run": own.flow_run_id})

    def act() -> Receipt:
        return {"run": work.gare.start(request, key=key).id, "key": key}

    return Effect(f"release {member}", {"plan": planned["plan"], "key": key}, look, act)


def _left(work: Work) -> str:
    """Return why the member does not depart after all: what it needs was dropped, or the train goes back."""
    records = work.ledger.releases.steps(work.release.id)
    if turns_back(work.plan, records):
        return "the train goes back"
    for need in work.step.settings["needs"]:
        if value_of(records, f"arrive-{need}").get("keeps"):
            return f"needs {need}, which was left out"
    return ""
