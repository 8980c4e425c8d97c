"""record: GitLab learns what was deployed to an environment, once it is verified there, and what failed there."""

from gare.errors import ConnectorError, LedgerAway
from gare.ledger.effects import Absent, AsWanted, Effect, Look, Receipt
from gare.ports.environments import DeploymentRecord, Environments
from tasks.away import unless_away
from tasks.step import AskAgain, Value, Work, step_task

SUCCESS, FAILED = "success", "failed"


@step_task
def record(work: Work) -> Value | AskAgain:
    """Write the deployment down in the hosting's environment."""
    return unless_away(work, lambda: record_once(work))


def record_once(work: Work) -> Value:
    """Write the deployment down where it is not."""
    settings = work.step.settings
    there = work.gare.hosting.at(settings["gitlab"]).environments
    effect = record_effect(work, there, settings["gitlab_environment"])
    receipt = work.ledger.effects.perform(work.release.id, work.step.id, effect)
    return {"receipt": dict(receipt), "summary": f"deployment {receipt['deployment']}"}


def record_failure(work: Work) -> None:
    """Write down that the deployment to the step's environment failed, where deployments there are written down.

    An environment that was put back does not wait for GitLab: when it is away, that is said, and the entry is missing.
    """
    steps = [one for one in work.plan.steps if one.type == "record"]
    for step in (one for one in steps if one.environment == work.step.environment):
        there = work.gare.hosting.at(step.settings["gitlab"]).environments
        effect = _failure(work, there, step.settings["gitlab_environment"])
        try:
            work.ledger.effects.perform(work.release.id, work.step.id, effect)
        except LedgerAway:
            raise
        except ConnectorError as error:
            work.say(f"Not recorded as failed: {error}")


def _failure(work: Work, there: Environments, environment: str) -> Effect:
    plan = work.plan

    def look() -> Look:
        same = there.look(environment, plan.commit, plan.branch)
        return AsWanted(_receipt(same)) if same and same.status == FAILED else Absent()

    def act() -> Receipt:
        made = there.record(environment, plan.commit, plan.branch, is_tag=False, status=FAILED)
        return _receipt(made)

    wanted = {"environment": environment, "commit": plan.commit, "status": FAILED}
    return Effect(f"failed deployment {environment}", wanted, look, act)


def record_effect(work: Work, there: Environments, environment: str) -> Effect:
    """Return the deployment's entry; the newest one of the same commit is it."""
    plan = work.plan

    def look() -> Look:
        newest, same = there.newest(environment), there.look(environment, plan.commit, plan.branch)
        if same is None or newest is None or same.id != newest.id:
            return Absent()
        return AsWanted(_receipt(same))

    def act() -> Receipt:
        made = there.record(environment, plan.commit, plan.branch, is_tag=False, status=SUCCESS)
        return _receipt(made)

    wanted = {"environment": environment, "commit": plan.commit}
    return Effect(f"deployment {environment}", wanted, look, act)


def _receipt(made: DeploymentRecord) -> Receipt:
    return {"deployment": made.id, "environment": made.environment, "commit": made.commit}
