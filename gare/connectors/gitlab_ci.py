"""GitLab CI: pipelines, jobs, logs, test reports. Part of gare.connectors.gitlab."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gare import masking
from gare.connectors.gitlab_site import WRITE, GitLabSite
from gare.connectors.output import LineCutter
from gare.connectors.vendor_errors import understood
from gare.errors import Conflict, GareError, UnexpectedReply
from gare.ports.ci import Job, Pipeline, PipelineState

KEY = "GARE_KEY"
"""The variable by which a pipeline that we started is found again."""
_STATES: Mapping[str, PipelineState] = {
    **dict.fromkeys(
        (
            "created",
            "waiting_for_resource",
            "preparing",
            "waiting_for_callback",
            "pending",
            "running",
            "canceling",
            "scheduled",
        ),
        PipelineState.RUNNING,
    ),
    # Not finished: a job of it waits for a person.
    "manual": PipelineState.BLOCKED,
    "success": PipelineState.SUCCESS,
    "failed": PipelineState.FAILED,
    "canceled": PipelineState.CANCELED,
    "skipped": PipelineState.SKIPPED,
}
_TAIL, _SPARE = 256 * 1024, 4
"""Bytes of a log that are kept, and how many times the wanted lines are looked at."""
_NOT_BEGUN = ("created", "manual", "scheduled", "skipped", "waiting_for_resource", "preparing")


@understood("GitLab")
class GitLabCi:
    """The pipelines of a project. Implements `Ci` (REST v4: pipelines, jobs)."""

    def __init__(self, site: GitLabSite) -> None:
        self._site = site

    def find(self, ref: str, commit: str, key: str) -> Pipeline | None:
        """Return the pipeline that was started with this key."""
        with self._site.asking(f"look for pipelines of {ref}", WRITE):
            found = self._site.project.pipelines.list(
                ref=ref, sha=commit, source="api", iterator=True
            )
            for one in found:
                variables = one.variables.list(get_all=True)
                if any((known.key, known.value) == (KEY, key) for known in variables):
                    return self._pipeline(one.attributes)
        return None

    def start(self, ref: str, commit: str, key: str, variables: Mapping[str, str]) -> Pipeline:
        """Start a pipeline; one that GitLab started for another commit is canceled at once."""
        given = [{"key": name, "value": value} for name, value in {**variables, KEY: key}.items()]
        with self._site.asking(f"start a pipeline for {ref}", WRITE):
            made = self._site.project.pipelines.create({"ref": ref, "variables": given})
            if made.sha == commit:
                return self._pipeline(made.attributes)
        hint = "Start a new release, or name a ref that stays: `ref:` of the step."
        try:
            with self._site.asking(f"cancel pipeline {made.id}", WRITE):
                made.cancel()
        except GareError as error:
            # Not to be tried again: the next attempt would start one more beside it.
            hint = f"Cancel {made.web_url} there: it runs, as {error.what} {hint}"
        raise Conflict(
            f"{ref} is at {made.sha[:12]} in GitLab, and not at the planned {commit[:12]}.",
            where=self._site.where,
            hint=hint,
        )

    def pipeline(self, id: int) -> Pipeline:
        """Return a pipeline as it stands now."""
        with self._site.asking(f"read pipeline {id}"):
            return self._pipeline(self._site.one(f"pipelines/{id}"))

    def jobs(self, id: int) -> Sequence[Job]:
        """Return the jobs of a pipeline; of a retried job only the last turn."""
        with self._site.asking(f"read the jobs of pipeline {id}"):
            return [_job(one) for one in self._site.rows(f"pipelines/{id}/jobs")]

    def log_tail(self, job: int, lines: int) -> Sequence[str]:
        """Return the last lines of a job's log, without colours and secrets."""
        tail = b""
        with self._site.asking(f"read the log of job {job}"):
            chunks = self._site.project.jobs.get(job, lazy=True).trace(
                iterator=True, chunk_size=64 * 1024
            )
            for chunk in chunks or ():
                tail = (tail + chunk)[-_TAIL:]
        # Only what may be shown is cleaned; some lines more, as empty ones are left out.
        end = b"\n".join(tail.split(b"\n")[-_SPARE * lines :])
        cutter = LineCutter(masking.current())
        told = [*cutter.feed(end), *cutter.end()]
        return [line for line in told if line][-lines:]

    def test_cases(self, id: int) -> Sequence[Mapping[str, Any]]:
        """Return the test cases of a pipeline's report (REST v4, test_report): one row each."""
        with self._site.asking(f"read the test report of pipeline {id}"):
            suites = self._site.one(f"pipelines/{id}/test_report")["test_suites"]
        return [_case(suite, case) for suite in suites for case in suite.get("test_cases") or ()]

    def artifacts(self, job: int, archive: Path) -> None:
        """Write what a job made into an archive (zip)."""
        made = self._site.project.jobs.get(job, lazy=True)
        with self._site.asking(f"fetch the artifacts of job {job}"), archive.open("wb") as file:
            made.artifacts(streamed=True, action=file.write)

    def _pipeline(self, said: Mapping[str, Any]) -> Pipeline:
        state = _STATES.get(said["status"])
        if state is None:
            raise UnexpectedReply(
                f"GitLab says that pipeline {said['id']} is {said['status']!r}, which nobody knows.",
                where=self._site.where,
                hint="Look at the pipeline; a newer Gare may know this state.",
            )
        return Pipeline(
            said["id"], state, said["status"], said["sha"], said["ref"], said.get("web_url") or ""
        )


def _job(said: Mapping[str, Any]) -> Job:
    counts = not said.get("allow_failure")
    return Job(
        said["id"],
        said["name"],
        said["stage"],
        said["status"],
        said.get("web_url") or "",
        has_failed=said["status"] == "failed" and counts,
        waits_for_person=said["status"] == "manual" and counts,
        can_be_played=said["status"] == "manual",
        has_begun=said["status"] not in _NOT_BEGUN,
        reason=(said.get("failure_reason") or "").replace("_", " "),
    )


_OUTCOMES = {"success": "passed", "failed": "failed", "error": "error", "skipped": "skipped"}


def _case(suite: Mapping[str, Any], case: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "suite": suite.get("name") or "",
        "classname": case.get("classname") or "",
        "name": case.get("name") or "",
        "status": _OUTCOMES.get(case.get("status") or "", "error"),
        "seconds": float(case.get("execution_time") or 0),
    }
