"""verify: ask the environment what really runs. When it is not the version, or not well, the last good one returns."""

from gare.domain.plan import Kind
from gare.errors import GareError, LedgerAway, RolloutFailed, StepFailed
from gare.ledger.effects import Absent, Effect, Receipt
from gare.ports.target import Target
from gare.strategies.rollout import revert
from tasks.deploy import roll_back_end, stays_because
from tasks.step import STOPPING, Value, Work, step_task
from tasks.undo import take_back_own


@step_task
def verify(work: Work) -> Value:
    """Ask the environment which version runs and whether it is well."""
    environment, version = work.step.environment, work.plan.version
    evidence = check_or_put_back(work)
    target = work.gare.target(work.plan, work.step, work.release.id)
    if target.address:
        work.show_link(target.address, f"{work.plan.title} {version} in {environment}")
    soaks = [step for step in work.plan.steps if step.type == "soak"]
    if environment not in [step.environment for step in soaks]:
        work.ledger.set_verified(work.release.id, work.plan.project, environment, version)
    return {"running": version, "evidence": evidence, "summary": f"{environment} runs {version}"}


def check_or_put_back(work: Work) -> dict[str, str]:
    """Return how we know that the version runs well. When it does not, the last good one returns: RolloutFailed."""
    target = work.gare.target(work.plan, work.step, work.release.id)
    try:
        return _check(work, target)
    except StepFailed as error:
        # Cut off, there is no answer about the version; and a rollback is never rolled back.
        if STOPPING.is_set() or work.plan.kind is Kind.ROLLBACK:
            raise
        _refuse_no_return(work, error)
        _put_back(work, target, error)
        raise


def _check(work: Work, target: Target) -> dict[str, str]:
    """Return how we know that the version runs well. Raises StepFailed."""
    health = target.check_health(work.say)
    running = target.running(work.say, expect=work.plan.version)
    work.say(f"{target.place} runs {running.version or 'nothing'}: {running.evidence}")
    if running.version != work.plan.version:
        raise StepFailed(
            f"{work.step.environment} runs {running.version or 'nothing'}, not {work.plan.version}.",
            where=running.evidence,
            hint="",
        )
    return {"health": health, "version": running.evidence}


def _refuse_no_return(work: Work, error: StepFailed) -> None:
    """Raise RolloutFailed when the environment cannot go back: then what fails is left running, for a person."""
    if stays := stays_because(work):
        raise RolloutFailed(
            f"{error.what} It is not put back: {stays}",
            where=f"{work.step.environment}, {error.where}",
            hint=f"{work.step.environment} needs a person now. Repair it, then "
            f"`gare resume {work.release.id}`; or release a repaired version.",
        ) from error


def _put_back(work: Work, target: Target, error: StepFailed) -> None:
    """Put the version last verified good there back, end the release, and raise RolloutFailed."""
    environment = work.step.environment
    before = good_version(work)
    work.say(f"{error} Putting {before or 'nothing'} back.")

    def act() -> Receipt:
        return revert(target, before, work.say)

    effect = Effect(
        f"put back {environment}", {"version": before, "place": target.place}, Absent, act
    )
    try:
        work.ledger.effects.perform(work.release.id, work.step.id, effect)
    except LedgerAway:
        raise  # says nothing about the environment: looked at again when the ledger is back
    except GareError as second:
        raise RolloutFailed(
            f"Verification failed ({error.what}) and {before or 'nothing'} could not be put back: {second.what}",
            where=second.where or target.place,
            hint=f"{environment} needs a person now. {second.hint}",
        ) from error
    take_back_own(work)
    live = f"{before} is live again." if before else "Nothing is live there now."
    roll_back_end(work, f"{environment}: {error.what} {live}")
    raise RolloutFailed(
        f"{error.what} {live}", where=f"{environment}, {error.where}", hint=error.hint
    ) from error


def good_version(work: Work) -> str:
    """Return the version to go back to: last verified good there, else what was live before this release."""
    verified = work.ledger.verified_version(work.plan.project, work.step.environment)
    if verified and verified != work.plan.version:
        return verified
    for step in work.plan.steps:
        value = work.values.get(step.id)
        if step.type == "deploy" and step.environment == work.step.environment and value:
            return str(value["receipt"].get("previous", ""))
    return ""
