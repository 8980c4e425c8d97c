"""What went wrong with a release: failed steps, too many rescues, the run in the engine. Pure."""

from collections.abc import Iterator

from gare.domain.releases import Release, ReleaseState, StepState
from gare.reports.why_view import KEEPER, Blocker, View


def failures(view: View) -> Iterator[Blocker]:
    """Yield each failed step with its error and where to read more; why it needs attention."""
    if view.release.state is ReleaseState.ATTENTION:
        yield _attention(view.release)
        return
    failed = [
        step
        for step in view.plan.steps
        if step.id in view.records and view.records[step.id].state is StepState.FAILED
    ]
    if view.release.state is not ReleaseState.FAILED:
        return
    resume = f"gare resume {view.release.id}"
    for step in failed:
        record = view.records[step.id]
        logs = tuple(f"log: {path}" for path in view.logs.get(step.id, ()))
        again = f" (attempt {record.attempt})" if record.attempt > 1 else ""
        first = "Ask there and say so" if "`gare done " in record.error else "Remove the cause"
        yield Blocker(
            f"Step {step.id} failed{again}: {record.error}",
            view.release.requested_by or "whoever started it",
            f"{first}, then `{resume}`; or end it with `gare cancel {view.release.id}`.",
            step.id,
            record.ended_at,
            details=logs,
        )
    if not failed:
        again = f"gare train resume {view.release.train} --again {view.release.project}"
        mended = f"`{again}` (from its branch as it is now), or " if view.may_come_again else ""
        yield Blocker(
            view.release.end or "The release failed.",
            view.release.requested_by or "whoever started it",
            f"Remove the cause, then {mended}`{resume}`; or end it with `gare cancel {view.release.id}`.",
            since=view.release.changed_at,
        )


def _attention(release: Release) -> Blocker:
    do = f"Remove the cause, then `gare resume {release.id}`; or end it with `gare cancel {release.id}`."
    if "`gare recover " in release.end:
        do = "One of these two. `gare recover` alone does it for all releases without a run."
    return Blocker(
        release.end or "It was brought back too often.",
        KEEPER,
        do,
        since=release.changed_at,
    )


def engine_trouble(view: View) -> Iterator[Blocker]:
    """Yield what is wrong with the run itself."""
    engine, release = view.engine, view.release
    if engine.problem:
        yield Blocker(
            f"The station does not answer: {engine.problem}",
            KEEPER,
            "Start it with `gare up`; votes and ticks are kept meanwhile.",
        )
        return
    said = f": {engine.message}" if engine.message else ""
    resume = f"`gare resume {release.id}`"
    by_itself = f"Nothing: the station brings it on by itself; {resume} does it now."
    match engine.type:
        case "SCHEDULED" | "PENDING" if engine.name == "Late":
            yield Blocker(
                "No worker has taken the run yet.", KEEPER, "Look at the worker: `gare doctor`."
            )
        case "CRASHED":
            yield Blocker(f"The run's process died{said}", KEEPER, by_itself)
        case "CANCELLED" | "CANCELLING":
            do = f"End it for good with `gare cancel {release.id}`, or bring it back with {resume}."
            yield Blocker(f"The run was cancelled in the engine{said}", "whoever cancelled it", do)
        case "COMPLETED" | "FAILED" if not release.is_stopped:
            yield Blocker(f"The run ended as {engine.name}{said}", KEEPER, by_itself)
        case "PAUSED" if release.state is ReleaseState.RUNNING:
            yield Blocker(
                "The run sleeps although nothing is waited for.", KEEPER, f"Wake it with {resume}."
            )
        case _:
            return
