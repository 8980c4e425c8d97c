"""The ledger's rows as plain JSON, in the shape of an evidence bundle (and of `gare.ledger.replay`)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from gare.domain.digest import canonical
from gare.domain.releases import Release, StepRecord
from gare.ledger.chain import Event
from gare.ledger.database import Database, spell
from gare.ledger.effects import EffectRecord
from gare.ledger.schema import events

if TYPE_CHECKING:
    from gare.ledger.audit_view import View
    from gare.ledger.ledger import Ledger

Json = dict[str, Any]


def release_row(release: Release, commit: str) -> Json:
    """Spell a release."""
    return {
        "id": release.id,
        "project": release.project,
        "version": release.version,
        "commit": commit,
        "plan": release.plan,
        "run": release.flow_run_id,
        "requested_by": release.requested_by,
        "reason": release.reason,
        "state": release.state.value,
        "end": release.end,
        "opened_at": spell(release.opened_at),
        "closed_at": spell(release.closed_at) if release.closed_at else None,
    }


def step_rows(records: Mapping[str, StepRecord], order: Sequence[str]) -> list[Json]:
    """Spell the steps that have started, in the order of the plan."""
    known = [step for step in order if step in records]
    return [step_row(records[step]) for step in known + sorted(set(records) - set(known))]


def step_row(record: StepRecord) -> Json:
    """Spell one step."""
    return {
        "step": record.step,
        "state": record.state.value,
        "attempt": record.attempt,
        "value": record.value,
        "error": record.error,
        "started_at": spell(record.started_at),
        "ended_at": spell(record.ended_at) if record.ended_at else None,
    }


def approval_rows(ledger: "Ledger | View", release_id: str, order: Sequence[str]) -> list[Json]:
    """Spell the approvals that were asked for, with every vote, in the order of the plan."""
    rows: list[Json] = []
    for step in order:
        request = ledger.approvals.get(release_id, step)
        if request is None:
            continue
        rows.append(
            {
                "step": step,
                "manifest": request.manifest,
                "body": request.body,
                "opened_at": spell(request.opened_at),
                "expires_at": spell(request.expires_at),
                "decision": request.decision.value,
                "votes": [
                    {
                        "person": vote.person,
                        "groups": sorted(vote.groups),
                        "answer": vote.answer.value,
                        "manifest": vote.manifest,
                        "comment": vote.comment,
                        "at": spell(vote.at),
                    }
                    for vote in ledger.approvals.votes(release_id, step)
                ],
            }
        )
    return rows


def effect_rows(records: Iterable[EffectRecord]) -> list[Json]:
    """Spell effects in the order they were intended."""
    rows = [
        {
            "step": record.step,
            "target": record.target,
            "intent": record.intent,
            "intent_at": record.intent_at,
            "receipt": record.receipt,
            "receipt_at": record.receipt_at,
            "adopted": record.is_adopted,
        }
        for record in records
    ]
    # Sorted here: a database sorts text by its own collation.
    return sorted(rows, key=lambda row: canonical([row["intent_at"], row["step"], row["target"]]))


def closing_events(database: Database, release_id: str) -> list[Event]:
    """Return what the station's own stream says of a release's end: one event, or none while it is open."""
    query = (
        select(events)
        .where(
            events.c.stream == "station",
            events.c.kind == "release closed",
            events.c.body.contains(f'"release":"{release_id}"', autoescape=True),
        )
        .order_by(events.c.seq)
    )
    with database.read() as connection:
        return [Event(**row._mapping) for row in connection.execute(query)]
