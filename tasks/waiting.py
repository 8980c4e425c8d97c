"""What a release can wait for without a process: its turn, an open environment, people's approvals, manual steps."""

from datetime import datetime

from prefect.logging import get_run_logger

from gare.domain.approvals import Decision
from gare.domain.freezes import is_outward, move_of
from gare.domain.locks import PRIORITIES, Priority, locks_of
from gare.domain.manifest import manifest
from gare.domain.plan import Kind, Plan, PlannedStep
from gare.domain.releases import Release, ReleaseState, StepState
from gare.domain.schedule import ready
from gare.domain.waits import Cause, Waited
from gare.errors import ConnectorError
from gare.reports.markdown import approval_page
from gare.wiring import Gare
from tasks.train_waits import look_at_train
from tasks.wait import Sight, Wait


def line_up(gare: Gare, release: Release, plan: Plan) -> Wait | None:
    """Ask for all locks that the plan needs; None when the release has them now, else its place in the queue.

    Who frees the locks wakes who is next: there is no instant to look again. A train that does not depart needs none:
    it ends at once, and not behind the one that has taken its slot.
    """
    if plan.kind is Kind.TRAIN and plan.details["refusal"]:
        return None
    priority = PRIORITIES.get(plan.kind, Priority.RELEASE)
    place = gare.ledger.locks.ask(release.id, locks_of(plan), priority=priority)
    return None if place is None else Wait(Waited(str(place), Cause.QUEUE))


def take_up(gare: Gare, release: Release, plan: Plan) -> Wait | None:
    """Return what keeps a release from starting a step now: one written down as waiting may have lost its locks.

    Marked as running first: from then on it gives way to nobody.
    """
    if gare.ledger.releases.get(release.id).state is not ReleaseState.WAITING:
        return None
    gare.ledger.releases.mark(release.id, ReleaseState.RUNNING, actor="gare")
    return line_up(gare, release, plan)


def stand_aside(gare: Gare, release: Release, plan: Plan) -> list[Wait]:
    """Return the holds when nothing else is left to do but to wait for them; then it gives its locks up meanwhile.

    Otherwise the release of the person who would end the hold would be queued behind it.
    """
    states = gare.ledger.releases.step_states(release.id)
    done = {step for step, state in states.items() if state is StepState.DONE}
    held = [look_at_hold(gare, release, plan, step) for step in ready(plan.steps, done, done)]
    waits = [one for one in held if one is not None]
    if not waits or len(waits) < len(held):
        return []
    gare.ledger.locks.let_go(release.id)
    return waits


def look_at_hold(gare: Gare, release: Release, plan: Plan, step: PlannedStep) -> Wait | None:
    """Return what a deployment waits for that no person has asked for since a rollback put automation on hold."""
    if step.type != "deploy":
        return None
    hold = gare.ledger.holds.get(plan.project, step.environment)
    if hold is None or not hold.keeps(release):
        return None
    return Wait(Waited(str(hold), Cause.ON_HOLD, step.id))


def look(sight: Sight, plan: Plan, step: PlannedStep) -> Wait | None:
    """Return what the step waits for, or None when it can run now. Asks for an approval when due."""
    gare, release = sight.gare, sight.release
    # First: most members of a long train wait for a place, and cost no question to the ledger.
    if (found := look_at_train(sight, plan, step)) is not None:
        return found
    if (place := gare.ledger.locks.give_way(release.id)) is not None:
        return Wait(Waited(str(place), Cause.QUEUE))
    if (found := look_at_freezes(gare, release, plan, step)) is not None:
        return found
    if (found := look_at_hold(gare, release, plan, step)) is not None:
        return found
    if step.type == "approve":
        return _approval(gare, release, plan, step)
    if (found := _asked_again(gare, release, step)) is not None:
        return found
    if step.type == "manual":
        wanted = step.settings.get("instructions") or step.title
        what = f"somebody to do and tick off: {wanted} (gare done {release.id} {step.id})"
        return Wait(Waited(what, Cause.PEOPLE, step.id))
    return None


def look_at_freezes(gare: Gare, release: Release, plan: Plan, step: PlannedStep) -> Wait | None:
    """Return what a step waits for that may not change its environment now; None for one that may, or has begun."""
    if not is_outward(step):
        return None
    closed = look_at_windows(gare, release, plan, step)
    return None if closed is None or _has_begun(gare, release, step) else closed


def look_at_windows(gare: Gare, release: Release, plan: Plan, step: PlannedStep) -> Wait | None:
    """Return for which freeze a change has to wait that begins now; None when there is none."""
    found = gare.freezes.clearance(move_of(plan, step), release.id)
    if found.is_open:
        return None
    said = Waited(str(found), Cause.FREEZES, step.id)
    return Wait(said, found.wake_at, found.is_refusal)


def _has_begun(gare: Gare, release: Release, step: PlannedStep) -> bool:
    """Tell whether a step goes on in a freeze: half a rollout is worse, a pipeline that runs is only looked at.

    A deployment that has failed and is resumed begins anew.
    """
    mine = [effect for effect in gare.ledger.effects.of(release.id) if effect.step == step.id]
    match step.type:
        case "deploy":
            states = gare.ledger.releases.step_states(release.id)
            return bool(mine) and states.get(step.id) is StepState.RUNNING
        case "pipeline":
            return bool(mine) and all(effect.receipt is not None for effect in mine)
        case _:
            return False


def _asked_again(gare: Gare, release: Release, step: PlannedStep) -> Wait | None:
    """Return until when a step waits that has run and was not through; None once it is to run again."""
    if gare.ledger.releases.step_states(release.id).get(step.id) is not StepState.WAITING:
        return None
    value = gare.ledger.releases.steps(release.id)[step.id].value
    again_at = datetime.fromisoformat(value["again_at"])
    if again_at <= gare.ledger.now():
        return None
    cause = Cause(value.get("cause", Cause.SYSTEMS))
    return Wait(Waited(value["summary"], cause, step.id), again_at)


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
    return Wait(Waited(str(standing), Cause.APPROVALS, step.id), request.expires_at)


def _show(gare: Gare, release: Release, step: PlannedStep, page: str, *, is_new: bool) -> None:
    """Show what is asked in the run's artifacts; people vote without it while the engine is away."""
    key = f"{release.id.lower()}-{step.id}"
    try:
        # Looked for: a process that died, or an engine that was away, has asked and not shown it.
        if is_new or not gare.engine.artifact(key):
            gare.engine.publish(release.flow_run_id, key, page, step.title)
    except ConnectorError as error:
        get_run_logger().warning("The page of %s is shown later: %s", step.id, error)
