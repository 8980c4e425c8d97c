"""pipeline: a GitLab pipeline for the planned commit, waited for through all its states without a process."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from gare.archives import unpack
from gare.connectors.artifacts import collect, keep
from gare.domain.artifacts import Artifact
from gare.domain.waits import Cause
from gare.errors import StepFailed
from gare.gates.junit_writer import write_report
from gare.ledger.effects import Absent, AsWanted, Effect, Look, Receipt
from gare.ports.ci import Ci, Job, Pipeline, PipelineState
from gare.reports.markdown import code_block, escape
from tasks.away import unless_away
from tasks.play import asked_of_people, play_jobs, who_must_act
from tasks.step import AskAgain, Value, Work, step_task
from tasks.test import read_totals, summary_of

TAIL_LINES = 40
_NAMED_JOBS = 3


@step_task
def pipeline(work: Work) -> Value | AskAgain:
    """Start the pipeline, wait for it, tell who must act, and keep what its tests reported."""
    return unless_away(work, lambda: bring_on(work))


def bring_on(work: Work) -> Value | AskAgain:
    """Start the pipeline where it has not been, and look how it stands."""
    hosted = work.gare.hosting.at(work.step.settings["gitlab"])
    ci = hosted.ci
    receipt = work.ledger.effects.perform(work.release.id, work.step.id, start_effect(work, ci))
    found = ci.pipeline(int(receipt["pipeline"]))
    next_look = work.ledger.now() + timedelta(seconds=work.step.settings["every_s"])
    if played := play_jobs(work, ci, found):
        # What people must do keeps the pipeline for longer than a job that has been started.
        first = min(played, key=lambda one: not one.waits.cause.needs_people)
        said = "; ".join(str(one.waits) for one in played)
        do = " ".join(one.do for one in played if one.do)
        return AskAgain(said, next_look, first.waits.cause, asked_of_people(do))
    if found.state is PipelineState.BLOCKED:
        said, do = who_must_act(ci, hosted.environments, found)
        return AskAgain(said, next_look, Cause.PEOPLE, asked_of_people(do))
    if not found.state.has_ended:
        said = f"pipeline {found.id} is {found.said.replace('_', ' ')} ({found.url})"
        return AskAgain(said, next_look)
    work.show_link(found.url, f"Pipeline {found.id}")
    if found.state is not PipelineState.SUCCESS:
        raise _failure(work, ci, found)
    return {
        "pipeline": found.id,
        "url": found.url,
        "commit": found.commit,
        **_artifacts(work, ci, found),
        **_tests(work, ci, found),
    }


def start_effect(work: Work, ci: Ci) -> Effect:
    """Return the start of the pipeline; one that was started before is known by its key."""
    settings, plan = work.step.settings, work.plan
    ref, key = settings["ref"] or plan.branch, f"{work.release.id} {work.step.id}"
    wanted = {"project": settings["gitlab"]["project"], "ref": ref, "commit": plan.commit}
    variables = {**settings["variables"], **work.env()}

    def look() -> Look:
        found = ci.find(ref, plan.commit, key)
        return AsWanted(_receipt(found)) if found else Absent()

    def act() -> Receipt:
        return _receipt(ci.start(ref, plan.commit, key, variables))

    return Effect(
        f"pipeline {work.step.id}", {**wanted, "variables": settings["variables"]}, look, act
    )


def _receipt(found: Pipeline) -> Receipt:
    return {"pipeline": found.id, "url": found.url, "commit": found.commit}


def _failure(work: Work, ci: Ci, found: Pipeline) -> StepFailed:
    """Name the jobs that failed, and show the end of their logs."""
    failed = [job for job in ci.jobs(found.id) if job.has_failed][:_NAMED_JOBS]
    tails = {job.name: ci.log_tail(job.id, TAIL_LINES) for job in failed}
    for name, lines in tails.items():
        work.say(f"The end of the log of {name}:")
        for line in lines:
            work.say(f"  {line}")
        text = "\n".join(lines)
        work.log_file(_in_file_name(name)).write_text(f"{text}\n", encoding="utf-8")
    if tails:
        page = "\n\n".join(
            f"## {escape(name)}\n\n{code_block(lines)}" for name, lines in tails.items()
        )
        work.show(f"{work.step.id}-log", page, f"Why pipeline {found.id} failed")
    return StepFailed(
        f"Pipeline {found.id} {_ending(found, failed)}.",
        where=found.url,
        hint=f"Correct it and run the job again in GitLab, then `gare resume {work.release.id}`: "
        "the same pipeline is looked at again.",
    )


def _in_file_name(job: str) -> str:
    """Return a job's name as the last part of a log's name: GitLab lets people write anything."""
    return re.sub(r"[^A-Za-z0-9_.]+", "_", job)[:60]


def _ending(found: Pipeline, failed: Sequence[Job]) -> str:
    named = ", ".join(f"{job.name} ({job.reason})" if job.reason else job.name for job in failed)
    return f"{found.said}: {named}" if named else f"ended as {found.said}"


def _artifacts(work: Work, ci: Ci, found: Pipeline) -> dict[str, Any]:
    """Take over what the named jobs made: from here on it is the release's own."""
    wanted = work.step.settings.get("artifacts") or {}
    if not wanted:
        return {}
    if origin := work.step.settings.get("artifacts_of"):
        # A version is not made twice: what its pipeline makes now is not what was released then.
        then = work.ledger.releases.steps(origin).get(work.step.id)
        return {"artifacts": then.value.get("artifacts", []) if then and then.value else []}
    jobs = {job.name: job for job in ci.jobs(found.id)}
    taken = list[Artifact]()
    for name, patterns in wanted.items():
        if name not in jobs:
            raise StepFailed(
                f"Pipeline {found.id} has no job {name}, whose artifacts the release takes.",
                where=found.url,
                hint=f"Its jobs are {', '.join(jobs)}; correct `artifacts` of step "
                f"{work.step.id} in the project's file and release anew: {work.release.id} keeps its plan, end it with "
                f"`gare cancel {work.release.id}`.",
            )
        with tempfile.TemporaryDirectory(prefix="gare-artifacts-") as folder:
            archive, files = Path(folder) / "artifacts.zip", Path(folder) / "files"
            files.mkdir()
            ci.artifacts(jobs[name].id, archive)
            unpack(archive, files, name=f"artifacts of {name}.zip")
            key = f"steps: {work.step.id}: artifacts: {name}"
            taken += collect(files, patterns, work.gare.store, key=key)
    for artifact in taken:
        work.say(f"took {artifact.name}, {artifact.size_bytes} bytes, sha256:{artifact.sha256}")
    return {"artifacts": [asdict(artifact) for artifact in taken]}


def _tests(work: Work, ci: Ci, found: Pipeline) -> dict[str, Any]:
    """Keep what the jobs' tests reported, as a report like those of the test step."""
    cases = ci.test_cases(found.id)
    if not cases:
        return {"summary": f"pipeline {found.id} succeeded"}
    file = work.log_file("report").with_suffix(".xml")
    write_report(file, cases)
    report = asdict(keep(file, f"{work.step.id}.xml", work.gare.store))
    reports = {"junit": [report], "coverage": []}
    totals = read_totals(work, reports)
    return {
        "reports": reports,
        "totals": totals,
        "evidence": totals,
        "summary": f"pipeline {found.id} succeeded, {summary_of(totals)}",
    }
