"""A deployment as its hosting shows it: running while it runs, then how it ended. Two effects of a `record` step."""

from gare.domain.plan import Plan, PlannedStep
from gare.ledger.effects import Absent, AsWanted, Effect, Look, Receipt
from gare.ledger.ledger import Ledger
from gare.ports.environments import DeploymentRecord, Environments

RUNNING, SUCCESS, FAILED, CANCELED = "running", "success", "failed", "canceled"


def begin(
    ledger: Ledger, release_id: str, plan: Plan, step: PlannedStep, there: Environments
) -> Receipt:
    """Let the hosting show that the environment is being changed; return which deployment that is."""
    return ledger.effects.perform(release_id, step.id, _begun(plan, step, there))


def end(
    ledger: Ledger,
    release_id: str,
    plan: Plan,
    step: PlannedStep,
    there: Environments,
    status: str,
) -> Receipt:
    """Let the hosting show how it ended; one that it was never shown of is begun there first."""
    begun = begin(ledger, release_id, plan, step, there)
    effect = _ended(int(begun["deployment"]), step, there, status)
    return ledger.effects.perform(release_id, step.id, effect)


def begun_target(step: PlannedStep) -> str:
    """Name the effect by which a deployment is shown as running."""
    return f"deployment {step.settings['gitlab_environment']}"


def ended_target(step: PlannedStep, status: str) -> str:
    """Name the effect by which a deployment is shown as ended."""
    return f"{begun_target(step)} {status}"


def _begun(plan: Plan, step: PlannedStep, there: Environments) -> Effect:
    environment = step.settings["gitlab_environment"]

    def look() -> Look:
        same = there.look(environment, plan.commit, plan.branch)
        is_ours = same is not None and same.status == RUNNING and not same.job
        return AsWanted(_receipt(same)) if same and is_ours else Absent()

    def act() -> Receipt:
        made = there.record(environment, plan.commit, plan.branch, is_tag=False, status=RUNNING)
        return _receipt(made)

    wanted = {"environment": environment, "commit": plan.commit}
    return Effect(begun_target(step), wanted, look, act, tells_end=True)


def _ended(id: int, step: PlannedStep, there: Environments, status: str) -> Effect:
    receipt = {"deployment": id, "status": status}

    def look() -> Look:
        return AsWanted(receipt) if there.get(id).status == status else Absent()

    def act() -> Receipt:
        there.set_status(id, status)
        return receipt

    return Effect(ended_target(step, status), receipt, look, act, tells_end=True)


def _receipt(made: DeploymentRecord) -> Receipt:
    return {"deployment": made.id, "environment": made.environment, "commit": made.commit}
