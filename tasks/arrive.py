"""arrive: a member's release has ended. One that failed is dropped or turns the train back, by the train's rule."""

from gare.departures import drop
from gare.domain.journey import value_of, was_overtaken
from gare.domain.releases import ReleaseState
from tasks.member_runs import member_release, refusal_of
from tasks.step import Value, Work, step_task


@step_task
def arrive(work: Work) -> Value:
    """Write down how the member has arrived.

    `left` is the reason of one that did not; it `keeps` back those that need it.
    """
    member = str(work.step.settings["member"])
    records = work.ledger.releases.steps(work.release.id)
    departed = value_of(records, f"depart-{member}")
    if left := departed.get("left"):
        return {"left": left, "keeps": True, "summary": left}
    own = member_release(work.gare, work.release, member)
    if own is not None and own.state is ReleaseState.RELEASED:
        return {"release": own.id, "version": own.version, "summary": f"{own.id}: {own.end}"}
    if own is not None and was_overtaken(own):
        return {"release": own.id, "left": own.end, "summary": f"{own.id}: {own.end}"}
    said = f"{own.id} {own.state}: {own.end}" if own else refusal_of(work.gare, departed["run"])
    value = drop(work.gare, work.release, member, own, f"failed: {said}", actor="gare")
    return value | {"left": said, "summary": said}
