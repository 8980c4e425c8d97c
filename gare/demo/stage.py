"""What the demo says: headed sections, lines with the time, the plan, the question to approvers, the summary."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gare.domain.counts import counted
from gare.domain.plan import Kind, Plan, PlannedApproval
from gare.domain.releases import Release, ReleaseState
from gare.wiring import Gare

_NOTES_LINES = 16


@dataclass(slots=True)
class Stage:
    """Where the demo speaks: headed sections, and lines with the time since the beginning."""

    write: Callable[[str], None]
    begun: float = field(default_factory=time.monotonic)
    _sections: int = 0

    def head(self, title: str) -> None:
        """Begin a section."""
        self._sections += 1
        self.write(f"\n{self._sections}. {title}")

    def say(self, text: str) -> None:
        """Say something; further lines are put under the first."""
        first, *rest_of_it = text.splitlines() or [""]
        self.write(f"  {time.monotonic() - self.begun:5.1f} s  {first}".rstrip())
        for line in rest_of_it:
            self.write(f"           {line}".rstrip())


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one release of the demo ended."""

    release: Release
    seconds: float
    evidence: Path

    @property
    def words(self) -> str:
        """Say it as the last line does."""
        release = self.release
        if release.kind in (Kind.TRAIN, Kind.ROLLBACK) and release.state is ReleaseState.RELEASED:
            return f"{release.id} {release.end}"
        return f"{release.id} {release.version} {release.state}"


def show_plan(stage: Stage, plan: Plan) -> None:
    """Say what a release would do, and what does not match."""
    lines = [
        f"{plan.title} {plan.version} after {plan.previous_version}: "
        f"{counted(len(plan.commits), 'commit')} ({plan.bump})"
    ]
    lines += [f"note: {warning}" for warning in plan.warnings]
    lines.append("steps: " + " > ".join(step.id for step in plan.steps))
    stage.say("\n".join(lines))


def show_question(stage: Stage, gare: Gare, release: Release, asked: PlannedApproval) -> None:
    """Say what approvers are asked: the version, what it is made of, what the gates found, the notes."""
    plan, records = gare.plan(release.plan), gare.ledger.releases.steps(release.id)
    request = gare.ledger.approvals.get(release.id, asked.step)
    votes = " and ".join(f"{count} of {group}" for group, count in sorted(asked.groups.items()))
    lines = [
        f"{release.id} waits: may {plan.title} {release.version} go to {asked.environment}? Votes needed: {votes}."
    ]
    for step in ("build", "ci", "test", "validate"):
        if (record := records.get(step)) and isinstance(record.value, dict):
            lines.append(f"  {step}: {record.value.get('summary', '')}")
    notes = plan.notes.strip().splitlines()
    lines += [f"  {line}".rstrip() for line in notes[:_NOTES_LINES]]
    if (left := len(notes) - _NOTES_LINES) > 0:
        lines.append(f"  … ({left} more lines; the run's page in Prefect's UI has all)")
    if request is not None:
        lines.append(f"  a vote is about manifest {request.manifest}")
    stage.say("\n".join(lines))


def show_summary(stage: Stage, outcomes: Sequence[Outcome], addresses: Mapping[str, str]) -> None:
    """Say how the releases ended, and where to look."""
    stage.head("Summary")
    rows = [("release", "version", "end", "seconds", "evidence")]
    for outcome in outcomes:
        it = outcome.release
        rows.append(
            (it.id, it.version, str(it.state), f"{outcome.seconds:.0f}", str(outcome.evidence))
        )
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(size) for cell, size in zip(row, widths, strict=True))
        stage.write(f"  {'  '.join(cells)}".rstrip())
    stage.write("")
    for place, address in addresses.items():
        stage.write(f"  {place:<13} {address}")
