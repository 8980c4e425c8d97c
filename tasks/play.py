"""The manual jobs of a pipeline that the release starts itself: its own approvals stand before the step.

A job of a protected environment is approved first, in the connection's name; an approval does not start the job
(GitLab docs, "Deployment approvals").
"""

from gare.domain.waits import Cause, Waited
from gare.errors import Refused
from gare.ledger.effects import Absent, AsWanted, Effect, Look, Receipt
from gare.ledger.restored import withdraw_open
from gare.ports.ci import Ci, Job, Pipeline
from gare.ports.environments import DeploymentRecord, Environments
from tasks.step import Work
from tasks.waiting import look_at_windows


def play_jobs(work: Work, ci: Ci, found: Pipeline) -> list[Waited]:
    """Start the named jobs that wait; return what is waited for now, nothing when none of them is to be started."""
    named = work.step.settings.get("play", ())
    if not named:
        return []
    there = work.gare.hosting.at(work.step.settings["gitlab"]).environments
    jobs = [job for job in ci.jobs(found.id) if job.name in named]
    for job in (job for job in jobs if job.has_begun):
        _perform(work, _start(ci, there, found, job))  # its receipt, where the answer was lost
        _settle_approval(work, there, job)
    return [_play(work, ci, there, found, job) for job in jobs if job.can_be_played]


def _play(work: Work, ci: Ci, there: Environments, found: Pipeline, job: Job) -> Waited:
    # The pipeline began long before; what the job changes begins now.
    closed = look_at_windows(work.gare, work.release, work.plan, work.step)
    if closed is not None and closed.is_refusal:
        raise Refused(
            f"{job.name} may not be started: {closed.reason}.",
            where=job.url,
            hint=f"`gare resume {work.release.id}` when it may.",
        )
    if closed is not None:
        return closed.said
    deployment = there.of_job(job.id)
    if deployment and (deployment.pending_approvals or there.user in deployment.approved_by):
        _perform(work, _approval(there, deployment, job))
        deployment = there.get(deployment.id)
        if deployment.pending_approvals:
            missing = deployment.pending_approvals
            what = f"{missing} more approval(s) in GitLab for {job.name} ({job.url})"
            return Waited(what, Cause.APPROVALS)
    _perform(work, _start(ci, there, found, job))
    what = f"{job.name}, which was started in pipeline {found.id} ({job.url})"
    return Waited(what, Cause.SYSTEMS)


def _settle_approval(work: Work, there: Environments, job: Job) -> None:
    """Look at an approval whose answer was lost, of a job that somebody else has started since."""
    mine = work.ledger.effects.of(work.release.id)
    begun = (one for one in mine if one.step == work.step.id and one.receipt is None)
    if not any(one.target.startswith(f"approve {job.name} ") for one in begun):
        return
    deployment = there.of_job(job.id)
    if deployment is not None and there.user in deployment.approved_by:
        _perform(work, _approval(there, deployment, job))
    else:
        said = f"{job.name} was started without it"
        withdraw_open(work.ledger.database, work.release.id, work.step.id, actor="gare", said=said)


def _perform(work: Work, effect: Effect) -> None:
    work.ledger.effects.perform(work.release.id, work.step.id, effect)


def _approval(there: Environments, deployment: DeploymentRecord, job: Job) -> Effect:
    user = there.user
    receipt: Receipt = {"deployment": deployment.id, "user": user}

    def look() -> Look:
        now = there.get(deployment.id)
        return AsWanted(receipt) if user in now.approved_by else Absent()

    def act() -> Receipt:
        there.approve(deployment.id, "approved by the release")
        return receipt

    wanted = {"deployment": deployment.id, "environment": deployment.environment}
    return Effect(f"approve {job.name} {deployment.id}", wanted, look, act)


def _start(ci: Ci, there: Environments, found: Pipeline, job: Job) -> Effect:
    receipt: Receipt = {"job": job.id, "url": job.url}

    def look() -> Look:
        waits = any(one.id == job.id and one.can_be_played for one in ci.jobs(found.id))
        return Absent() if waits else AsWanted(receipt)

    def act() -> Receipt:
        there.play(job.id)
        return receipt

    return Effect(f"play {job.name} {job.id}", {"job": job.id, "pipeline": found.id}, look, act)
