"""record: GitLab learns what was deployed to an environment, once it is verified there, and what failed there."""

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


def failed_deployment(work: Work) -> Effect:
    """Return the entry that the step's deployment failed."""
    plan, environment = work.plan, work.step.settings["gitlab_environment"]
    there = work.gare.hosting.at(work.step.settings["gitlab"]).environments

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
