"""test: the project's own tests; their reports are kept and read. A run that executed no test is a failure."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from gare.connectors.artifacts import artifact_path, collect, remove
from gare.errors import GareError, StepFailed
from gare.gates import tables
from tasks.commands import checked_out, run_commands
from tasks.step import Value, Work, step_task

NAMED_FAILURES = 5


@step_task
def test(work: Work) -> Value:
    """Run the project's tests and read what they report."""
    folder = checked_out(work)
    settings = work.step.settings
    if settings["commands"]:  # without any, the build has made the reports
        # A report in the repository, or of the attempt before, tells nothing about this run.
        remove(folder, [*settings["junit"], *settings["coverage"]])
    try:
        seconds = run_commands(work, folder)
    except StepFailed as error:
        raise _with_failures(error, folder, settings["junit"]) from error
    reports = {
        kind: [
            asdict(report)
            for report in collect(folder, settings[kind], work.gare.store, key=f"test: {kind}")
        ]
        for kind in ("junit", "coverage")
    }
    try:
        totals = read_totals(work, reports)
    except StepFailed as error:
        raise _with_names(error, [*reports["junit"], *reports["coverage"]]) from error
    return {
        "reports": reports,
        "totals": totals,
        "evidence": totals,
        "seconds": round(seconds, 1),
        "summary": summary_of(totals),
    }


def read_totals(work: Work, reports: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return the figures of the reports. Raises StepFailed for no test executed, or a report that cannot be read."""
    totals: dict[str, Any] = {}
    if reports["junit"]:
        _, counted = tables.tests(paths(work, reports["junit"]))
        tables.require_executed(counted)
        totals["tests"] = dict(counted.rows[0])
    else:
        work.say("No JUnit report is configured: how many tests ran is not known.")
    if reports["coverage"]:
        _, counted = tables.coverage(paths(work, reports["coverage"]))
        totals["coverage"] = dict(counted.rows[0]) if counted.rows else {}
    return totals


def paths(work: Work, files: list[dict[str, Any]]) -> list[Path]:
    """Return where kept files lie, by their content."""
    return [artifact_path(work.gare.store, file["sha256"]) for file in files]


def _with_names(error: StepFailed, files: list[dict[str, Any]]) -> StepFailed:
    """Name the report as the project does: the reader met it in the store, under its digest."""
    what = error.what
    for file in files:
        what = what.replace(file["sha256"], file["name"])
    return StepFailed(what, where="test", hint=error.hint)


def _with_failures(error: StepFailed, folder: Path, patterns: list[str]) -> StepFailed:
    """Name the failed tests when the reports tell them; the command's own words otherwise."""
    reports = sorted(
        {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    )
    try:
        cases, _ = tables.tests(reports)
    except GareError:
        return error
    failed = [str(row["name"]) for row in cases.rows if row["status"] in ("failed", "error")]
    if not failed:
        return error
    named = ", ".join(failed[:NAMED_FAILURES]) + (", …" if len(failed) > NAMED_FAILURES else "")
    return StepFailed(
        f"{len(failed)} of {len(cases.rows)} tests failed: {named}.",
        where=error.where,
        hint=error.hint,
    )


def summary_of(totals: dict[str, Any]) -> str:
    """Spell the figures in one line."""
    tests, coverage = totals.get("tests"), totals.get("coverage")
    said = (
        [f"{tests['passed']} of {tests['total']} tests passed"]
        + ([f"{tests['skipped']} skipped"] if tests["skipped"] else [])
        if tests
        else ["tests ran, no report"]
    )
    if coverage and coverage.get("line_rate") is not None:
        said.append(f"{coverage['line_rate']:.0%} of lines covered")
    return ", ".join(said)
