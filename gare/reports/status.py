"""Where releases stand: from the ledger's values to plain JSON, for tables and programs alike. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gare.domain.approvals import Standing, Vote
from gare.domain.locks import Place, lock_names
from gare.domain.plan import Plan, PlannedApproval, PlannedStep
from gare.domain.releases import Release, StepRecord
from gare.domain.waits import one_of

Json = dict[str, Any]
NOT_STARTED = "not started"


@dataclass(frozen=True, slots=True)
class Asked:
    """An approval of a release as it stands; `manifest` is empty when it was not asked for yet."""

    rule: PlannedApproval
    manifest: str
    expires_at: datetime | None
    standing: Standing
    votes: Sequence[Vote]


@dataclass(frozen=True, slots=True)
class Done:
    """One change outside Gare. No receipt: intended, and not known to have happened."""

    step: str
    target: str
    intent: Mapping[str, Any]
    receipt: Mapping[str, Any] | None
    is_adopted: bool


def queue_line(place: Place | None) -> Json | None:
    """Tell a place in the queue; None for a release that is in none."""
    if place is None:
        return None
    return {
        "place": place.number,
        "of": place.total,
        "behind": place.behind,
        "holders": {
            holder.release: lock_names(place.project, holder.locks) for holder in place.holders
        },
        "since": place.since.isoformat(),
    }


def release_line(
    release: Release, *, steps: int, done: int, now: datetime, place: Place | None = None
) -> Json:
    """Tell one release in a line. Its place in the queue is as it is now, not as it was when the run went to sleep."""
    return {
        "id": release.id,
        "kind": release.kind.value,
        "project": release.project,
        "version": release.version,
        "state": release.state.value,
        "steps_done": done,
        "steps": steps,
        "waiting": list(release.waiting) if place is None else [str(place)],
        "queue": queue_line(place),
        "end": release.end,
        "requested_by": release.requested_by,
        "opened_at": release.opened_at.isoformat(),
        "closed_at": release.closed_at.isoformat() if release.closed_at else None,
        "age_s": round((now - release.opened_at).total_seconds(), 1),
    }


def release_page(
    release: Release,
    plan: Plan,
    records: Mapping[str, StepRecord],
    asked: Iterable[Asked],
    effects: Iterable[Done],
    *,
    now: datetime,
    address: str = "",
    place: Place | None = None,
) -> Json:
    """Tell everything about one release: its steps in the order of the plan, votes, effects."""
    done = sum(record.state == "done" for record in records.values())
    outside = list(effects)
    return {
        **release_line(release, steps=len(plan.steps), done=done, now=now, place=place),
        "commit": plan.commit,
        "branch": plan.branch,
        "plan": release.plan,
        "run": release.flow_run_id,
        "address": address,
        "reason": release.reason,
        "wake_at": release.wake_at.isoformat() if release.wake_at else None,
        "ways_on": [one_of(wait.ways) for wait in release.waits if wait.ways],
        "plan_steps": [
            step_line(step, records.get(step.id), outside, now=now) for step in plan.steps
        ],
        "approvals": [approval_line(one) for one in asked],
    }


def step_line(
    step: PlannedStep, record: StepRecord | None, effects: Iterable[Done], *, now: datetime
) -> Json:
    """Tell one step. `elapsed_s` runs on while the step runs."""
    line: Json = {
        "step": step.id,
        "type": step.type,
        "title": step.title,
        "environment": step.environment,
        "needs": list(step.needs),
        "state": record.state.value if record else NOT_STARTED,
        "attempt": record.attempt if record else 0,
        "elapsed_s": None,
        "summary": "",
        "error": record.error if record else "",
        "effects": [
            {
                "target": effect.target,
                "wanted": effect.intent,
                "receipt": effect.receipt,
                "adopted": effect.is_adopted,
            }
            for effect in effects
            if effect.step == step.id
        ],
    }
    if record is not None:
        ended = record.ended_at or now
        line["elapsed_s"] = round((ended - record.started_at).total_seconds(), 3)
        if isinstance(record.value, dict):
            line["summary"] = str(record.value.get("summary", ""))
    return line


def approval_line(asked: Asked) -> Json:
    """Tell one approval: what it needs, who voted, what is missing."""
    return {
        "step": asked.rule.step,
        "environment": asked.rule.environment,
        "groups": dict(asked.rule.groups),
        "asked": bool(asked.manifest),
        "manifest": asked.manifest,
        "decision": asked.standing.decision.value,
        "missing": dict(asked.standing.missing),
        "expires_at": asked.expires_at.isoformat() if asked.expires_at else None,
        "votes": [
            {
                "person": vote.person,
                "answer": vote.answer.value,
                "comment": vote.comment,
                "at": vote.at.isoformat(),
                "void": vote.manifest != asked.manifest,
            }
            for vote in asked.votes
        ],
    }
