"""deploy: the environment switches to the version. When the switch itself fails, what was there is put back at once."""

from gare.domain.plan import Kind
from gare.domain.standing import Verified, good_versions, no_return
from gare.domain.versions import is_between
from gare.errors import GareError, Refused, RolloutFailed, StepFailed
from gare.ledger.effects import Absent, AsWanted, Effect, Look, Receipt
from gare.ledger.releases import number_of
from gare.planning.older import OLDER_THAN, older_than
from gare.strategies.rollout import rollout
from tasks.put_back import deployed, end_put_back, hold, make_shipment, put_back_by_itself
from tasks.record import show_running
from tasks.step import STOPPING, Value, Work, step_task


@step_task
def deploy(work: Work) -> Value:
    """Bring the release's artifacts to the environment and switch to them."""
    environment, plan = work.step.environment, work.plan
    refuse_overtaken(work)
    show_running(work)
    target = work.gare.target(plan, work.step, work.release.id)
    artifacts = work.artifacts
    shipment = make_shipment(work, work.release.id, artifacts, plan.version)
    good = [work.ledger.verified_version(plan.project, environment)]

    def look() -> Look:
        receipt = target.look(shipment.version, shipment.files)
        return Absent() if receipt is None else AsWanted(receipt)

    def act() -> Receipt:
        kept = [version for version in good if version]
        return rollout(target, shipment, work.say, kept, stays=stays_because(work))

    files = {artifact["name"]: artifact["sha256"] for artifact in deployed(artifacts)}
    wanted = {"version": plan.version, "place": target.place, "files": files}
    effect = Effect(f"deploy {environment}", wanted, look, act)
    try:
        receipt = work.ledger.effects.perform(work.release.id, work.step.id, effect)
    except (RolloutFailed, StepFailed) as error:
        # When somebody ends the release it is cancelled, not rolled back.
        if not STOPPING.is_set():
            end_failed_rollout(work, error, target.live())
        raise
    owe_checks(work)
    return {"receipt": dict(receipt), "summary": f"{plan.version} at {target.place}"}


def end_failed_rollout(work: Work, error: GareError, live: str) -> None:
    """End a release whose rollout failed with the version before live again; else put that back from elsewhere.

    Where nothing was touched, or nothing may be put back, it is left to a person.
    """
    if isinstance(error, RolloutFailed):
        if not error.is_back:
            put_back_by_itself(work, error)
        hold(work, f"{work.step.environment}: {error.what}")
        end_put_back(work, error, error.what, live)
    elif stays_because(work):
        hold(work, f"{work.step.environment}: {error.what}")


def owe_checks(work: Work) -> None:
    """Owe what a hotfix has skipped from the moment on at which its last environment runs it, however it ends.

    Of one that is deployed nowhere, once it is published.
    """
    plan = work.plan
    if plan.kind is Kind.HOTFIX and work.step.environment in ("", *plan.environments[-1:]):
        work.ledger.later.owe(work.release.id, plan.project, plan.details["skipped"])


def refuse_overtaken(work: Work) -> None:
    """Raise Refused when this would take the environment back behind the version that is good there now.

    One that was rolled back since is not there any more.
    """
    environment, plan = work.step.environment, work.plan
    good = good_versions(work.ledger.verified_good(plan.project, environment))
    if good and _is_behind(work, good[-1]):
        newest = good[-1]
        raise Refused(
            f"{environment} has {newest.version} of {newest.release} by now; "
            f"{plan.version} would go back behind it.",
            where=f"{work.release.id}, step {work.step.id}",
            hint=f"End this one with `gare cancel {work.release.id}`.",
        )


def _is_behind(work: Work, newest: Verified) -> bool:
    """Tell whether a release comes after the one that was verified good there last."""
    plan = work.plan
    if number_of(newest.release) > number_of(work.release.id):
        # A hotfix of an earlier version overtook this one, whose plan was looked at again since.
        overtook = newest.kind is Kind.HOTFIX and is_between(newest.version, "", plan.version)
        return not overtook
    return (
        work.step.environment in plan.environments[-1:]
        and bool(older_than(plan.version, newest.version))
        and newest.version != plan.details.get(OLDER_THAN)  # what a person has allowed
    )


def stays_because(work: Work) -> str:
    """Say why the environment cannot go back any more; empty when it can."""
    states = work.ledger.releases.step_states(work.release.id)
    step = no_return(work.plan, states, work.step.environment)
    return f"step {step.id} is a point of no return: {step.point_of_no_return}." if step else ""
