"""record: GitLab learns that a deployment succeeded, once it is verified there; until then it is shown as running."""

from gare.errors import ConnectorError, LedgerAway
from gare.hosted_deployment import SUCCESS, begin, end
from tasks.away import unless_away
from tasks.step import AskAgain, Value, Work, step_task


@step_task
def record(work: Work) -> Value | AskAgain:
    """Write down in the hosting's environment that the deployment succeeded."""
    return unless_away(work, lambda: record_once(work))


def record_once(work: Work) -> Value:
    """Write it down where it is not."""
    there = work.gare.hosting.at(work.step.settings["gitlab"]).environments
    receipt = end(work.ledger, work.release.id, work.plan, work.step, there, SUCCESS)
    return {"receipt": dict(receipt), "summary": f"deployment {receipt['deployment']}"}


def show_running(work: Work) -> None:
    """Let the hosting show that the step's environment is being changed, where deployments there are written down.

    Nothing waits for that: a hosting that is away shows it later, when it has ended.
    """
    for step in work.plan.steps:
        if step.type == "record" and step.environment == work.step.environment:
            there = work.gare.hosting.at(step.settings["gitlab"]).environments
            try:
                begin(work.ledger, work.release.id, work.plan, step, there)
            except LedgerAway:
                raise
            except ConnectorError as error:
                work.say(f"Not shown as running: {error}")
