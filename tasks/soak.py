"""soak: a version is watched for a while before it counts as good. Between two looks no process is left."""

from datetime import timedelta

from gare.domain.waits import Cause
from tasks.step import AskAgain, Value, Work, step_task
from tasks.verify import check_or_put_back


@step_task
def soak(work: Work) -> Value | AskAgain:
    """Ask the environment again whether the version runs well; when it does not, the last good one returns."""
    return watch(work)


def watch(work: Work) -> Value | AskAgain:
    """Look once. The version counts as good when it is well at the end of its time, counted from its verification."""
    environment, version = work.step.environment, work.plan.version
    verified = work.ledger.releases.steps(work.release.id)[f"verify-{environment}"]
    evidence = check_or_put_back(work)
    now = work.ledger.now()
    until = (verified.ended_at or now) + timedelta(seconds=work.step.settings["soak_s"])
    if now < until:
        next_look = now + timedelta(seconds=work.step.settings["every_s"])
        said = f"{environment} soaks {version} until {until:%Y-%m-%d %H:%M:%S} UTC"
        return AskAgain(said, min(next_look, until), Cause.SOAK)
    work.ledger.set_verified(work.release.id, work.plan.project, environment, version)
    return {"running": version, "evidence": evidence, "summary": f"{environment} held {version}"}
