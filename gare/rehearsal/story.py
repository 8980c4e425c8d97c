"""What a rehearsal came to: step by step, what each system would be told, how long it took, and the end."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gare.domain.plan import Plan
from gare.domain.releases import ReleaseState, StepRecord, StepState
from gare.ledger.chain import Event
from gare.sandbox.journal import Entry

_READS = ("GET", "HEAD")
_READING_POST = "/issue/bulkfetch"
"""Jira Cloud reads issues by key with a POST."""
_SLACK = timedelta(milliseconds=2)
"""The journal keeps milliseconds."""
_TELLING = frozenset({"pipeline", "deploy", "record", "page", "tickets", "change"})
"""Types of steps that write to vendors."""


@dataclass(frozen=True, slots=True)
class Write:
    """One request that would change a real system."""

    system: str
    method: str
    path: str
    body: Any
    status: int


@dataclass(frozen=True, slots=True)
class StepStory:
    """One step. `others` is what it does that no request shows: Git, folders, files."""

    id: str
    state: str
    seconds: float
    writes: Sequence[Write]
    others: Sequence[str]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """One rehearsal."""

    project: str
    version: str
    state: ReleaseState
    end: str
    steps: Sequence[StepStory]
    unplaced: Sequence[Write]
    """Writes between the steps, such as those about the end."""
    plan: str = ""
    notes: Sequence[str] = ()
    seconds: float = 0
    folder: str = ""
    """Where everything is kept, when it is."""

    def as_json(self) -> dict[str, Any]:
        """Spell it for programs."""
        return asdict(self)


def step_stories(
    plan: Plan,
    records: Mapping[str, StepRecord],
    events: Iterable[Event],
    entries: Iterable[Entry],
    replaced: Mapping[str, str],
) -> tuple[list[StepStory], list[Write]]:
    """Put the writing requests to the steps that sent them; those of no step come second.

    `plan` is the real one; `replaced` says what stands in for a step.
    """
    records = _whole(records, events)
    found: dict[str, list[Write]] = {}
    unplaced = []
    for entry in entries:
        if entry.method in _READS or entry.path.endswith(_READING_POST):
            continue
        step = _sender(plan, records, datetime.fromisoformat(entry.at))
        write = Write(entry.vendor, entry.method, entry.path, entry.body, entry.status)
        if step:
            found.setdefault(step, []).append(write)
        else:
            unplaced.append(write)
    return [
        _story(plan, record, found.get(record.step, []), replaced)
        for record in (records.get(step.id) for step in plan.steps)
        if record is not None
    ], unplaced


def _whole(records: Mapping[str, StepRecord], events: Iterable[Event]) -> dict[str, StepRecord]:
    """Let steps begin with their first look: the ledger's row has the last one of a step that looks again."""
    begun: dict[str, datetime] = {}
    for event in events:
        if event.kind == "step started":
            begun.setdefault(json.loads(event.body)["step"], datetime.fromisoformat(event.at))
    return {
        step: replace(record, started_at=begun.get(step, record.started_at))
        for step, record in records.items()
    }


def _story(
    plan: Plan, record: StepRecord, writes: Sequence[Write], replaced: Mapping[str, str]
) -> StepStory:
    took = (record.ended_at - record.started_at).total_seconds() if record.ended_at else 0.0
    others = [f"{effect.action}: {effect.target}" for effect in plan.step(record.step).effects]
    if record.step in replaced:
        others = [replaced[record.step]]
    elif record.state is not StepState.DONE or (writes and not _ships(plan, record.step)):
        others = []
    return StepStory(
        record.step, record.state.value, round(took, 3), writes, others, record.error or ""
    )


def _ships(plan: Plan, step: str) -> bool:
    """Tell whether a step changes a target; that the vendor is told of it is not all of it."""
    return plan.step(step).type == "deploy"


def _sender(plan: Plan, records: Mapping[str, StepRecord], at: datetime) -> str:
    """Return the step that was at work, of several the one that began last."""
    at_work = [
        records[step.id]
        for step in plan.steps
        if step.type in _TELLING and step.id in records and _covers(records[step.id], at)
    ]
    return max(at_work, key=lambda record: record.started_at).step if at_work else ""


def _covers(record: StepRecord, at: datetime) -> bool:
    is_over = record.ended_at is not None and at > record.ended_at + _SLACK
    return record.started_at - _SLACK <= at and not is_over
