"""verify: ask the environment what really runs. When it is not the version, or not well, the last good one returns."""

from gare.domain.plan import Kind
from gare.errors import RolloutFailed, StepFailed
from gare.ports.target import Target
from tasks.deploy import stays_because
from tasks.put_back import hold, put_back_by_itself
from tasks.step import STOPPING, Value, Work, step_task


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
        put_back_by_itself(work, error)


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
        hold(work, f"{work.step.environment}: {error.what}")
        raise RolloutFailed(
            f"{error.what} It is not put back: {stays}",
            where=f"{work.step.environment}, {error.where}",
            hint=f"{work.step.environment} needs a person now. Repair it, then "
            f"`gare resume {work.release.id}`; or release a repaired version.",
        ) from error
