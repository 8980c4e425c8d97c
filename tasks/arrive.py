"""arrive: a member's release has ended. One that failed is dropped or turns the train back, by the train's rule."""

from contextlib import suppress

from gare.domain.journey import value_of, was_overtaken
from gare.domain.releases import Release, ReleaseState
from gare.errors import GareError, NotFound
from gare.timetables import apply_timetables
from tasks.step import Value, Work, step_task
from tasks.train_waits import member_release, refusal_of


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
    if own is not None and own.is_stopped:
        _let_go(work, own)
    stop_schedule(work, f"{work.release.id}: {member} failed: {said}")
    return {
        "release": own.id if own else "",
        "left": said,
        "failed": True,
        "keeps": True,
        "summary": said,
    }


def _let_go(work: Work, own: Release) -> None:
    """End a member's release that stands still: nobody brings it on any more."""
    with suppress(NotFound):
        work.gare.engine.cancel(own.flow_run_id, has_process=False)
    end = f"left out of {work.release.id}: {own.end}"
    work.ledger.releases.mark(own.id, ReleaseState.CANCELLED, actor="gare", end=end)


def stop_schedule(work: Work, reason: str) -> None:
    """Let the train's schedule stand still after a failed departure, unless it goes on as configured."""
    details = work.plan.details
    if details["rules"]["after_failure"] != "stop":
        return
    if work.ledger.trains.stop(str(details["train"]), reason, actor="gare"):
        # The ledger decides; that the engine's schedule is paused too only shows it.
        with suppress(GareError):
            apply_timetables(work.gare)
