"""A rollback: one environment goes back to a version that was good there. One run of this flow per rollback."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.course import bring_on
from gare.requests import RollbackRequest
from tasks.announce import announce
from tasks.approve import approve
from tasks.close import close
from tasks.go_back import go_back
from tasks.recall import recall
from tasks.record import record
from tasks.undo import undo
from tasks.verify import verify

KINDS = {
    "approve": approve,
    "undo": undo,
    "deploy": go_back,
    "verify": verify,
    "record": record,
    "recall": recall,
    "announce": announce,
    "close": close,
}


@flow(
    name="rollback",
    description="Bring one environment of a project back to a version that was verified good there: plan, take back "
    "in reverse, go back, verify, announce, close. Automation there is on hold afterwards.",
)
async def rollback(request: RollbackRequest) -> State[Any]:
    """Bring one rollback on: plan it once, take back in reverse, verify, tell how it ended."""
    return await bring_on(request, KINDS)
