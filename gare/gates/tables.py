"""Builds the tables of facts that gates ask about, from the plan, the build and the test reports.

`COLUMNS` is the contract with whoever writes expectations; docs/how-to/gates.md repeats it.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gare.domain.artifacts import Artifact
from gare.domain.facts import Facts
from gare.domain.plan import PlannedCommit, PlannedTicket
from gare.errors import StepFailed
from gare.gates.cobertura import read_coverage
from gare.gates.junit import read_cases

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "changes": (
        "sha",
        "subject",
        "kind",
        "scope",
        "is_breaking",
        "is_merge",
        "is_conventional",
        "has_ticket",
        "tickets",
        "author_name",
        "author_email",
        "date",
    ),
    "tickets": (
        "key",
        "title",
        "kind",
        "status",
        "version",
        "verdict",
        "commit_count",
        "commits",
    ),
    "tests": ("suite", "classname", "name", "status", "seconds"),
    "test_totals": (
        "total",
        "executed",
        "passed",
        "failed",
        "errors",
        "failed_or_error",
        "skipped",
        "seconds",
    ),
    "coverage": ("path", "lines_valid", "lines_covered", "line_rate"),
    "coverage_total": (
        "line_rate",
        "branch_rate",
        "lines_valid",
        "lines_covered",
        "branches_valid",
        "branches_covered",
    ),
    "artifacts": ("name", "kind", "size_bytes", "sha256"),
}

IDENTITY: Mapping[str, tuple[str, ...]] = {
    "changes": ("sha", "subject"),
    "tickets": ("key",),
    "tests": ("classname", "name"),
    "coverage": ("path",),
    "artifacts": ("name",),
}
"""Columns that name a row for people."""

SOURCES: Mapping[str, str] = {
    "changes": "The plan makes it.",
    "tickets": "The plan makes it.",
    "tests": "Name the project's JUnit reports under `test: junit`.",
    "test_totals": "Name the project's JUnit reports under `test: junit`.",
    "coverage": "Name the project's Cobertura reports under `test: coverage`.",
    "coverage_total": "Name the project's Cobertura reports under `test: coverage`.",
    "artifacts": "Name the files that the build makes under `build: artifacts`.",
}
"""What to do when a table is absent or empty."""

NEVER_EMPTY = frozenset({"tests", "test_totals", "coverage", "coverage_total", "artifacts"})
"""Tables whose emptiness means that nothing was measured: a gate over them could not be told."""


def changes(commits: Iterable[PlannedCommit]) -> Facts:
    """Return one row per commit of the release. `tickets` are joined with a comma and a space."""
    rows = [
        {
            "sha": commit.sha,
            "subject": commit.subject,
            "kind": commit.kind,
            "scope": commit.scope,
            "is_breaking": commit.is_breaking,
            "is_merge": commit.is_merge,
            "is_conventional": commit.kind not in ("", "other", "merge"),
            "has_ticket": bool(commit.tickets),
            "tickets": ", ".join(commit.tickets),
            "author_name": commit.author_name,
            "author_email": commit.author_email,
            "date": commit.date,
        }
        for commit in commits
    ]
    return _facts("changes", rows)


def tickets(planned: Iterable[PlannedTicket]) -> Facts:
    """Return one row per ticket in or near the release."""
    rows = [
        {
            "key": ticket.key,
            "title": ticket.title,
            "kind": ticket.kind,
            "status": ticket.status,
            "version": ticket.version,
            "verdict": ticket.verdict,
            "commit_count": len(ticket.commits),
            "commits": ", ".join(ticket.commits),
        }
        for ticket in planned
    ]
    return _facts("tickets", rows)


def tests(reports: Iterable[Path]) -> tuple[Facts, Facts]:
    """Read JUnit reports into `tests` (a row per case) and `test_totals` (one row). Raises StepFailed."""
    rows = [row for report in reports for row in read_cases(report)]
    count = Counter(row["status"] for row in rows)
    totals = {
        "total": len(rows),
        "executed": len(rows) - count["skipped"],
        "passed": count["passed"],
        "failed": count["failed"],
        "errors": count["error"],
        "failed_or_error": count["failed"] + count["error"],
        "skipped": count["skipped"],
        "seconds": round(math.fsum(row["seconds"] for row in rows), 3),
    }
    return _facts("tests", rows), _facts("test_totals", [totals])


def require_executed(totals: Facts) -> None:
    """Raise StepFailed when no test was executed: a silent test run is no test run."""
    row = totals.rows[0] if totals.rows else {}
    if row.get("executed"):
        return
    found = f"The reports tell of {row.get('total', 0)} tests, {row.get('skipped', 0)} skipped."
    raise StepFailed(
        f"No test was executed. {found}",
        where="test",
        hint="Look at the test command and at `test: junit` in gare.yaml.",
    )


def coverage(reports: Iterable[Path]) -> tuple[Facts, Facts]:
    """Read Cobertura reports into `coverage` (a row per file) and `coverage_total` (one row). Raises StepFailed."""
    found = read_coverage(reports)
    total = found.total()
    totals = [total] if found.stated else []
    return _facts("coverage", found.rows()), _facts("coverage_total", totals)


def artifacts(built: Iterable[Artifact]) -> Facts:
    """Return one row per artifact of the build."""
    rows = [
        {
            "name": artifact.name,
            "kind": str(artifact.kind),
            "size_bytes": artifact.size_bytes,
            "sha256": artifact.sha256,
        }
        for artifact in built
    ]
    return _facts("artifacts", rows)


def _facts(name: str, rows: Sequence[Mapping[str, Any]]) -> Facts:
    columns = COLUMNS[name]
    return Facts(name, columns, [{column: row[column] for column in columns} for row in rows])
