"""The manual jobs of a pipeline that the release starts itself: its own approvals stand before the step.

A job of a protected environment is approved first, in the connection's name; an approval does not start the job
(GitLab docs, "Deployment approvals").
"""

from typing import NamedTuple

from gare.domain.counts import counted
from gare.domain.waits import Cause, Waited
from gare.errors import Refused
from gare.ledger.effects import Absent, AsWanted, Effect, Look, Receipt
from gare.ledger.restored import withdraw_open
from gare.ports.ci import Ci, Job, Pipeline
from gare.ports.environments import DeploymentRecord, Environments
from tasks.step import Work
from tasks.waiting import look_at_windows


class Played(NamedTuple):
    """What is waited for at a job, and what people do about it; nothing when it goes on by itself."""

    waits: Waited
    do: str = ""


def asked_of_people(do: str) -> dict[str, str]:
    """Return what a step keeps of what people must do in GitLab, as `gare why` tells it."""
    return {"who": "somebody in GitLab", "do": do} if do else {}


def who_must_act(ci: Ci, there: Environments, found: Pipeline) -> tuple[str, str]:
    """Say what a blocked pipeline waits for, each job with its address, and what people do about it.

    A job whose deployment owes approvals cannot be started before they are there.
    """
    start, approve = list[str](), list[str]()
    for job in ci.jobs(found.id):
        if job.waits_for_person:
            deployment = there.of_job(job.id)
            owes = deployment is not None and deployment.pending_approvals
            (approve if owes else start).append(f"{job.name} ({job.url})")
    if not (start or approve):
        start = [found.url]
    said, do = list[str](), list[str]()
    if approve:
        named = ", ".join(approve)
        said.append(f"somebody to approve and start in GitLab: {named}")
        do.append(f"Approve the deployment, then start the job: {named}.")
    if start:
        named = ", ".join(start)
        said.append(f"somebody to start in GitLab: {named}")
        do.append(f"Start it there: {named}.")
    return "; ".join(said), " ".join(do)


def play_jobs(work: Work, ci: Ci, found: Pipeline) -> list[Played]:
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


def _play(work: Work, ci: Ci, there: Environments, found: Pipeline, job: Job) -> Played:
    # The pipeline began long before; what the job changes begins now.
    closed = look_at_windows(work.gare, work.release, work.plan, work.step)
    if closed is not None and closed.is_refusal:
        raise Refused(
            f"{job.name} may not be started: {closed.reason}.",
            where=job.url,
            hint=f"`gare resume {work.release.id}` when it may.",
        )
    if closed is not None:
        return Played(closed.said)
    deployment = there.of_job(job.id)
    if deployment and (deployment.pending_approvals or there.user in deployment.approved_by):
        _perform(work, _approval(there, deployment, job))
        deployment = there.get(deployment.id)
        if deployment.pending_approvals:
            missing = counted(deployment.pending_approvals, "more approval")
            what = f"{missing} in GitLab for {job.name} ({job.url})"
            do = f"Approve the deployment there: {job.url}. The release then starts {job.name} itself."
            return Played(Waited(what, Cause.APPROVALS), do)
    _perform(work, _start(ci, there, found, job))
    what = f"{job.name}, which was started in pipeline {found.id} ({job.url})"
    return Played(Waited(what, Cause.SYSTEMS))


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
