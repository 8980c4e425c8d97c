"""What a release can wait for without a process: its turn, people's approvals, manual steps."""

from dataclasses import dataclass
from datetime import datetime

from prefect.logging import get_run_logger

from gare.domain.approvals import Decision
from gare.domain.locks import Priority, locks_of
from gare.domain.manifest import manifest
from gare.domain.plan import Plan, PlannedStep
from gare.domain.releases import Release, StepState
from gare.errors import ConnectorError
from gare.reports.markdown import approval_page
from gare.wiring import Gare


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing waited for. `reason` names whom; the run is woken at `wake_at` at the latest."""

    reason: str
    wake_at: datetime | None = None


def line_up(
    gare: Gare, release: Release, plan: Plan, priority: Priority = Priority.RELEASE
) -> Wait | None:
    """Ask for all locks that the plan needs; None when the release has them now, else its place in the queue.

    Who frees the locks wakes who is next: there is no instant to look again.
    """
    place = gare.ledger.locks.ask(release.id, locks_of(plan), priority=priority)
    return None if place is None else Wait(str(place))


def look(gare: Gare, release: Release, plan: Plan, step: PlannedStep) -> Wait | None:
    """Return what the step waits for, or None when it can run now. Asks for an approval when due."""
    if step.type == "approve":
        return _approval(gare, release, plan, step)
    if step.type == "manual":
        wanted = step.settings.get("instructions") or step.title
        return Wait(
            f"{step.id}: somebody to do and tick off: {wanted} (gare done {release.id} {step.id})"
        )
    return None


def _approval(gare: Gare, release: Release, plan: Plan, step: PlannedStep) -> Wait | None:
    rule = next(rule for rule in plan.approvals if rule.step == step.id)
    values = {
        record.step: record.value
        for record in gare.ledger.releases.steps(release.id).values()
        if record.state is StepState.DONE
    }
    wanted = manifest(plan, release.plan, step.id, values)
    before = gare.ledger.approvals.get(release.id, step.id)
    request = gare.ledger.approvals.ask(release.id, rule, wanted)
    standing = gare.ledger.approvals.standing(release.id, rule)
    if standing.decision is not Decision.PENDING:
        return None
    is_new = before is None or before.manifest != request.manifest
    _show(
        gare,
        release,
        step,
        approval_page(plan, rule, release, wanted.digest, values),
        is_new=is_new,
    )
    return Wait(f"{step.id}: {standing}", request.expires_at)


def _show(gare: Gare, release: Release, step: PlannedStep, page: str, *, is_new: bool) -> None:
    """Show what is asked in the run's artifacts; people vote without it while the engine is away."""
    key = f"{release.id.lower()}-{step.id}"
    try:
        # Looked for: a process that died, or an engine that was away, has asked and not shown it.
        if is_new or not gare.engine.artifact(key):
            gare.engine.publish(release.flow_run_id, key, page, step.title)
    except ConnectorError as error:
        get_run_logger().warning("The page of %s is shown later: %s", step.id, error)
