"""validate: gates, asked of the release's facts. "Could not tell" counts as no. The pages are kept as evidence."""

import tempfile
from dataclasses import asdict
from pathlib import Path

from gare.connectors.artifacts import keep
from gare.domain.artifacts import Artifact
from gare.domain.facts import Facts
from gare.errors import Refused
from gare.gates import tables
from gare.gates.report import to_markdown
from tasks.step import Value, Work, step_task
from tasks.test import paths


@step_task
def validate(work: Work) -> Value:
    """Ask every gate of the plan and keep the answers with what was observed."""
    # Great Expectations costs seconds and 150 MB to import: here, and nowhere else in Gare.
    from gare.gates.evaluate import evaluate

    with tempfile.TemporaryDirectory(prefix="gare-gates-") as folder:
        answer = evaluate(work.step.settings["gates"], facts(work), Path(folder))
        pages = [asdict(keep(page, f"gates/{page.name}", work.gare.store)) for page in answer.pages]
    verdicts = [asdict(verdict) for verdict in answer.verdicts]
    page = to_markdown(answer.verdicts)
    work.show(work.step.id, page, "What the gates say")
    failed = [verdict for verdict in answer.verdicts if not verdict.has_passed]
    for verdict in answer.verdicts:
        work.say(f"gate {verdict.gate}: {verdict.result} {verdict.reason}".rstrip())
    if failed:
        work.ledger.note(
            work.release.id, "gates failed", "gare", {"verdicts": verdicts, "pages": pages}
        )
        raise Refused(
            "; ".join(f"gate {verdict.gate} failed: {verdict.reason}" for verdict in failed),
            where=f"{work.release.id}, step {work.step.id}",
            hint="The table of gates in the run's artifacts shows what was observed. Correct it and release anew.",
        )
    return {
        "verdicts": verdicts,
        "evidence": verdicts,
        "files": pages,
        "summary": ", ".join(f"{verdict.gate} {verdict.result}" for verdict in answer.verdicts)
        or "no gates",
    }


def facts(work: Work) -> dict[str, Facts]:
    """Return every table that the steps before have made facts for, by name."""
    found = [
        tables.changes(work.plan.commits),
        tables.tickets(work.plan.tickets),
        tables.artifacts(Artifact(**one) for one in work.artifacts if one["kind"] != "sbom"),
    ]
    # The project's own tests, and those that a pipeline ran.
    reports = [value.get("reports", {}) for value in work.values.values()]
    if junit := [file for kept in reports for file in kept.get("junit", ())]:
        found += tables.tests(paths(work, junit))
    if coverage := [file for kept in reports for file in kept.get("coverage", ())]:
        found += tables.coverage(paths(work, coverage))
    return {table.name: table for table in found}
