"""A train: several projects depart together. One run of this flow per departure; each member is a release."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.course import bring_on
from gare.requests import TrainRequest
from tasks.approve import approve
from tasks.arrival import arrival
from tasks.arrive import arrive
from tasks.close import close
from tasks.depart import depart
from tasks.leave import leave
from tasks.notice import notice
from tasks.turn import turn
from tasks.turn_back import turn_back
from tasks.version import version

KINDS = {
    "notice": notice,
    "approve": approve,
    "leave": leave,
    "depart": depart,
    "arrive": arrive,
    "turn": turn,
    "return": turn_back,
    "version": version,
    "arrival": arrival,
    "close": close,
}


@flow(
    name="train",
    description="Release several projects together: board, give notice, go or no go, depart in order, arrive, close.",
)
async def train(request: TrainRequest) -> State[Any]:
    """Bring one departure on: board once, start each member's release in its turn, tell who has arrived."""
    return await bring_on(request, KINDS)
