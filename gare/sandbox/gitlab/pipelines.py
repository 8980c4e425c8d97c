"""Pipelines, jobs, logs, test reports, artifacts. Part of the simulated GitLab."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gare.sandbox.gitlab.base import (
    DEVELOPER,
    PROJECT,
    Project,
    declined,
    instant,
    paged,
    web,
)
from gare.sandbox.gitlab.course import PLAYABLE, Course, Job
from gare.sandbox.gitlab.environments import EnvironmentRoutes
from gare.sandbox.vendor import Reply, Request, control, route

PIPELINE = PROJECT + "/pipelines/{pipeline_id}"
JOB = PROJECT + "/jobs/{job_id}"
_ALWAYS: Mapping[str, Any] = {"build": {}, "test": {}}


@dataclass
class Pipeline:
    """One pipeline with its jobs."""

    id: int
    iid: int
    ref: str
    sha: str
    source: str
    variables: list[dict[str, Any]]
    course: Course
    user: str
    is_tag: bool = False
    name: str | None = None
    touched_at: datetime | None = None


class PipelineRoutes(EnvironmentRoutes):
    """Continuous integration. The seed's `pipeline:` says which jobs a project has and how they end."""

    def pipelines_of(self, project: Project) -> dict[int, Pipeline]:
        """Return the pipelines of a project, by id."""
        found: dict[int, Pipeline] = project.kept.setdefault("pipelines", {})
        return found

    @route("POST", PROJECT + "/pipeline")
    def start(self, request: Request) -> Reply:
        """Start a pipeline for the head of a ref."""
        project, fields = self.project_of(request, DEVELOPER), request.fields
        ref = str(fields["ref"])
        sha = project.repository.resolve(ref)
        if not sha:
            raise declined(400, {"base": ["Reference not found"]})
        said = project.seed.get("pipeline", {"jobs": _ALWAYS})
        if not said.get("jobs"):
            raise declined(400, {"base": ["No stages / jobs for this pipeline."]})
        made = self._make(project, said, ref, sha, self.who(request))
        made.variables = [
            {"variable_type": "env_var", "raw": False, **variable}
            for variable in fields.get("variables") or []
        ]
        return Reply(201, self._pipeline(request, project, made))

    def _make(
        self, project: Project, said: Mapping[str, Any], ref: str, sha: str, user: str
    ) -> Pipeline:
        now = self.clock.now()
        jobs = {name: dict(job or {}) for name, job in said["jobs"].items()}
        stages = said.get("stages") or list(
            dict.fromkeys(job.get("stage", name) for name, job in jobs.items())
        )
        made = Pipeline(
            self.number(),
            len(self.pipelines_of(project)) + 1,
            ref,
            sha,
            "api",
            [],
            Course(stages, now),
            user,
            is_tag=any(name == ref for name, *_ in project.repository.refs("tags")),
        )
        for name, job in jobs.items():
            turn = Job(self.number(), name, job.get("stage", name), job, bool(job.get("fails")))
            made.course.jobs.append(turn)
            self.plan_deployment(project, made.course, turn, ref, sha)
        self.pipelines_of(project)[made.id] = made
        return made

    @route("GET", PROJECT + "/pipelines")
    def pipelines(self, request: Request) -> Reply:
        """List pipelines, newest first."""
        project = self.project_of(request)
        found = [
            self._pipeline(request, project, one)
            for one in reversed(self.pipelines_of(project).values())
        ]
        for name in ("ref", "sha", "status", "source"):
            if value := request.asked(name):
                found = [one for one in found if one[name] == value]
        return paged(request, found)

    @route("GET", PIPELINE)
    def pipeline(self, request: Request) -> Reply:
        """Show a pipeline."""
        project = self.project_of(request)
        return Reply(200, self._pipeline(request, project, self._found(project, request)))

    @route("GET", PIPELINE + "/variables")
    def variables(self, request: Request) -> Reply:
        """List the variables that a pipeline was started with."""
        return Reply(200, self._found(self.project_of(request, DEVELOPER), request).variables)

    @route("GET", PIPELINE + "/jobs")
    def jobs(self, request: Request) -> Reply:
        """List the jobs; turns that a retry has replaced only with `include_retried`."""
        project = self.project_of(request)
        found = self._found(project, request)
        course = found.course
        turns = course.jobs if request.asked("include_retried") == "true" else course.current()
        wanted = request.every("scope[]") or request.every("scope")
        shown = [self._job(request, project, found, job) for job in turns]
        return paged(request, [one for one in shown if not wanted or one["status"] in wanted])

    @route("GET", PIPELINE + "/bridges")
    def bridges(self, request: Request) -> Reply:
        """List the jobs that start other pipelines: there are none."""
        self._found(self.project_of(request), request)
        return paged(request, [])

    @route("POST", PIPELINE + "/cancel")
    def cancel(self, request: Request) -> Reply:
        """Cancel what has not ended."""
        project = self.project_of(request, DEVELOPER)
        found, now = self._found(project, request), self.clock.now()
        for job in found.course.current():
            if found.course.statuses(now)[job.id] not in ("success", "failed", "skipped"):
                job.canceled_at = job.canceled_at or now
        return Reply(200, self._pipeline(request, project, found))

    @route("POST", PIPELINE + "/retry")
    def retry_pipeline(self, request: Request) -> Reply:
        """Run again what failed or was canceled."""
        project = self.project_of(request, DEVELOPER)
        found, now = self._found(project, request), self.clock.now()
        told = found.course.statuses(now)
        for job in found.course.current():
            if told[job.id] in ("failed", "canceled"):
                self._again(project, found, job)
        return Reply(201, self._pipeline(request, project, found))

    @route("GET", PIPELINE + "/test_report")
    def test_report(self, request: Request) -> Reply:
        """Show the test cases of the jobs that have run."""
        found, now = self._found(self.project_of(request), request), self.clock.now()
        told = found.course.statuses(now)
        suites = [
            _suite(job.name, job.said["tests"], has_failed=told[job.id] == "failed")
            for job in found.course.current()
            if "tests" in job.said and told[job.id] in ("success", "failed")
        ]
        names = ("total_time", "total_count", "success_count", "failed_count", "skipped_count")
        totals = {name: sum(suite[name] for suite in suites) for name in (*names, "error_count")}
        return Reply(200, {**totals, "test_suites": suites})

    @route("GET", JOB)
    def job(self, request: Request) -> Reply:
        """Show a job."""
        project = self.project_of(request)
        return Reply(200, self._job(request, project, *self._job_of(project, request)))

    @route("GET", JOB + "/trace")
    def trace(self, request: Request) -> Reply:
        """Show a job's log."""
        found, job = self._job_of(self.project_of(request), request)
        status = found.course.statuses(self.clock.now())[job.id]
        if status not in ("running", "success", "failed"):
            return Reply(200, "")
        lines = [f"Running job {job.name}", *str(job.said.get("log", "")).splitlines()]
        if status != "running":
            lines.append(
                "Job succeeded" if status == "success" else "ERROR: Job failed: exit code 1"
            )
        return Reply(200, "\n".join(lines) + "\n")

    @route("GET", JOB + "/artifacts")
    def artifacts(self, request: Request) -> Reply:
        """Download what a job made, as a zip archive."""
        found, job = self._job_of(self.project_of(request), request)
        files = job.said.get("artifacts")
        if not files or found.course.statuses(self.clock.now())[job.id] != "success":
            raise declined(404, "404 Not Found")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, said in files.items():
                content = said if isinstance(said, bytes) else str(said)
                archive.writestr(zipfile.ZipInfo(name), content)
        return Reply(200, packed.getvalue())

    @route("POST", JOB + "/play")
    def play(self, request: Request) -> Reply:
        """Start a job that waits for a person."""
        project = self.project_of(request, DEVELOPER)
        found, job = self._job_of(project, request)
        now = self.clock.now()
        if found.course.statuses(now)[job.id] not in PLAYABLE:
            raise declined(400, "400 Bad request - Unplayable Job")
        self.refuse_unapproved(project, job)
        job.played_at = now
        return Reply(200, self._job(request, project, found, job))

    @route("POST", JOB + "/retry")
    def retry(self, request: Request) -> Reply:
        """Run a job again: a new turn with a new id."""
        project = self.project_of(request, DEVELOPER)
        found, job = self._job_of(project, request)
        if found.course.statuses(self.clock.now())[job.id] not in ("success", "failed", "canceled"):
            raise declined(403, "403 Forbidden - Job is not retryable")
        turn = self._again(project, found, job)
        return Reply(201, self._job(request, project, found, turn))

    @route("POST", JOB + "/cancel")
    def cancel_job(self, request: Request) -> Reply:
        """Cancel a job that has not ended."""
        project = self.project_of(request, DEVELOPER)
        found, job = self._job_of(project, request)
        job.canceled_at = self.clock.now()
        return Reply(201, self._job(request, project, found, job))

    @control("play", "project", "job")
    def play_by_hand(self, fields: dict[str, Any]) -> Any:
        """Let a person start a job: `project`, `job` (its name) of the newest pipeline."""
        project = self.named(fields["project"])
        newest = list(self.pipelines_of(project).values())[-1]
        job = next(job for job in newest.course.current() if job.name == fields["job"])
        self.refuse_unapproved(project, job)
        job.played_at = self.clock.now()
        return {"job": job.id}

    @control("retry", "project", "job")
    def retry_by_hand(self, fields: dict[str, Any]) -> Any:
        """Let a person run a job again: `project`, `job` (its name) of the newest pipeline."""
        project = self.named(fields["project"])
        newest = list(self.pipelines_of(project).values())[-1]
        job = next(job for job in newest.course.current() if job.name == fields["job"])
        return {"job": self._again(project, newest, job).id}

    def _again(self, project: Project, found: Pipeline, job: Job) -> Job:
        """Make the next turn of a job. `fails: once` fails in the first turn alone."""
        job.is_old = True
        fails = bool(job.said.get("fails")) and job.said["fails"] != "once"
        turn = Job(self.number(), job.name, job.stage, job.said, fails)
        turn.retried_at = turn.played_at = self.clock.now()
        found.course.jobs.append(turn)
        self.plan_deployment(project, found.course, turn, found.ref, found.sha)
        return turn

    def _found(self, project: Project, request: Request) -> Pipeline:
        number = request.parts["pipeline_id"]
        found = self.pipelines_of(project).get(int(number) if number.isdigit() else 0)
        if found is None:
            raise declined(404, "404 Not found")
        return found

    def _job_of(self, project: Project, request: Request) -> tuple[Pipeline, Job]:
        for found in self.pipelines_of(project).values():
            for job in found.course.jobs:
                if str(job.id) == request.parts["job_id"]:
                    return found, job
        raise declined(404, "404 Not found")

    def _pipeline(self, request: Request, project: Project, one: Pipeline) -> dict[str, Any]:
        now = self.clock.now()
        return {
            "id": one.id,
            "iid": one.iid,
            "project_id": project.id,
            "name": one.name,
            "sha": one.sha,
            "ref": one.ref,
            "tag": one.is_tag,
            "status": one.course.status(now),
            "source": one.source,
            "created_at": instant(one.course.created_at),
            "updated_at": instant(now),
            "finished_at": instant(one.course.finished_at(now)),
            "user": self.user(one.user),
            "web_url": web(request, project, "pipelines", one.id),
        }

    def _job(self, request: Request, project: Project, found: Pipeline, job: Job) -> dict[str, Any]:
        now = self.clock.now()
        status = found.course.statuses(now)[job.id]
        has_run = status in ("success", "failed") and job.ends_at is not None
        return {
            "id": job.id,
            "name": job.name,
            "stage": job.stage,
            "status": status,
            "ref": found.ref,
            "tag": found.is_tag,
            "allow_failure": job.may_fail,
            "created_at": instant(found.course.created_at),
            "started_at": instant(job.runs_at) if status == "running" or has_run else None,
            "finished_at": instant(job.ends_at) if has_run else None,
            "failure_reason": "script_failure" if status == "failed" else None,
            "pipeline": {"id": found.id, "sha": found.sha, "ref": found.ref},
            "artifacts": [],
            "web_url": web(request, project, "jobs", job.id),
        }


def _suite(name: str, said: Mapping[str, Any], *, has_failed: bool) -> dict[str, Any]:
    """Spell the tests of a job: `passed` and `skipped` are numbers, `failed` names."""
    failed = list(said.get("failed", ())) if has_failed or not said.get("only_on_failure") else []
    cases = [_case(f"test_{number}", "success") for number in range(1, said.get("passed", 0) + 1)]
    cases += [_case(test, "failed") for test in failed]
    cases += [_case(f"test_later_{number}", "skipped") for number in range(said.get("skipped", 0))]
    return {
        "name": name,
        "total_time": len(cases),
        "total_count": len(cases),
        "success_count": said.get("passed", 0),
        "failed_count": len(failed),
        "skipped_count": said.get("skipped", 0),
        "error_count": 0,
        "suite_error": None,
        "test_cases": cases,
    }


def _case(name: str, status: str) -> dict[str, Any]:
    return {
        "status": status,
        "name": name,
        "classname": "tests.shop",
        "file": "tests/test_shop.py",
        "execution_time": 1,
        "system_output": "assert 1 == 2" if status == "failed" else None,
        "stack_trace": None,
    }
