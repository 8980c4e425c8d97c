"""Wakes what is due: the station's own process that keeps releases and the engine's runs in step.

Each round, over the releases that have not ended: a suspended one whose wait is over is resumed; one whose run was
cancelled, deleted, or died, is marked so. Checkouts of ended releases are removed. Never decides about a release: the
flow does, from the ledger, when it wakes.
"""

import shutil
import signal
import threading
from datetime import datetime, timedelta

from gare.domain.approvals import Decision
from gare.domain.releases import Release, ReleaseState, StepState
from gare.engine import Run
from gare.errors import ConnectorError, NotFound
from gare.wiring import Gare, open_gare

INTERVAL_S = 2.0
GRACE = timedelta(seconds=3)
"""`gare resume` writes to the ledger first and to the engine a moment later."""


def main() -> None:
    """Reconcile until told to stop."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    gare = open_gare()
    while not stop.wait(INTERVAL_S):
        try:
            reconcile(gare)
            tidy(gare)
        except ConnectorError as error:
            # The server or the ledger is away: said, and looked again next round.
            print(f"reconciler: {error}", flush=True)  # noqa: T201 - its log is its stdout


def reconcile(gare: Gare) -> list[str]:
    """Do one round; return a sentence for each thing done."""
    open_releases = [
        release
        for release in gare.ledger.releases.find(is_open=True, limit=10_000)
        if release.state in (ReleaseState.RUNNING, ReleaseState.WAITING)
    ]
    if not open_releases:
        return []
    runs = gare.engine.runs([release.flow_run_id for release in open_releases])
    done = []
    for release in open_releases:
        if told := _bring_on(gare, release, runs.get(release.flow_run_id)):
            print(f"reconciler: {told}", flush=True)  # noqa: T201
            done.append(told)
    return done


def tidy(gare: Gare) -> None:
    """Remove the checkouts of releases that have ended; a released one has done so itself."""
    for folder in gare.work_folder.glob("R-*"):
        if folder.name[2:].isdecimal() and gare.ledger.releases.get(folder.name).is_closed:
            shutil.rmtree(folder, ignore_errors=True)


def _bring_on(gare: Gare, release: Release, run: Run | None) -> str:
    if run is None:
        end = "the engine has no run of it any more (deleted there?); end it with `gare cancel`"
        gare.ledger.releases.mark(release.id, ReleaseState.FAILED, actor="engine", end=end)
        return f"{release.id} failed: {end}"
    if run.state_type == "CANCELLED":
        gare.ledger.releases.mark(
            release.id, ReleaseState.CANCELLED, actor="engine", end="the run was cancelled"
        )
        return f"{release.id} is cancelled"
    is_fresh = gare.ledger.now() - release.changed_at < GRACE
    if run.state_type in ("CRASHED", "FAILED") and not is_fresh:
        end = f"the run ended as {run.state_name}: {run.state_message}"
        gare.ledger.releases.mark(release.id, ReleaseState.FAILED, actor="engine", end=end)
        return f"{release.id} failed: {end}"
    if run.is_suspended and is_due(gare, release, gare.ledger.now()) and gare.engine.resume(run.id):
        return f"{release.id} goes on"
    return ""


def is_due(gare: Gare, release: Release, now: datetime) -> bool:
    """Tell whether something that the release waits for has come: time, votes, a ticked-off step."""
    if release.wake_at is not None and now >= release.wake_at:
        return True
    try:
        plan = gare.plan(release.plan)
    except NotFound:
        return False
    records = gare.ledger.releases.steps(release.id)
    done = {step for step, record in records.items() if record.state is StepState.DONE}
    for step in plan.steps:
        if (
            step.type == "manual"
            and step.id in done
            and f"{step.id}:" in "\n".join(release.waiting)
        ):
            return True
    return any(
        rule.step not in done
        and gare.ledger.approvals.get(release.id, rule.step) is not None
        and gare.ledger.approvals.standing(release.id, rule).decision is not Decision.PENDING
        for rule in plan.approvals
    )


if __name__ == "__main__":
    main()
