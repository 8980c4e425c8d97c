"""Shows a train's members in the engine's UI; moved on whenever one of them moves."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from prefect.logging import get_run_logger

from gare.domain.journey import journey
from gare.domain.plan import Plan
from gare.domain.releases import Release, StepRecord, StepState
from gare.errors import ConnectorError
from gare.reports.train import train_page
from gare.wiring import Gare


def show_train(
    gare: Gare, release: Release, plan: Plan, ending: Mapping[str, Any] | None = None
) -> None:
    """Show where the members stand. `ending` are values of steps that are just about to end."""
    records = {**gare.ledger.releases.steps(release.id)}
    now = gare.ledger.now()
    for step, value in (ending or {}).items():
        records[step] = _ended(records.get(step), step, value, now)
    members = journey(plan, records, gare.ledger.releases.members(release.id))
    page = train_page(release, plan, members)
    try:
        gare.engine.publish(
            release.flow_run_id, f"{release.id.lower()}-train", page, "Members of the train"
        )
    except ConnectorError as error:
        get_run_logger().warning("The members are shown later: %s", error)


def _ended(record: StepRecord | None, step: str, value: Any, now: datetime) -> StepRecord:
    done = StepRecord(step, StepState.DONE, 1, value, "", now, now)
    return done if record is None else replace(record, state=StepState.DONE, value=value)
