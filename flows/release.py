"""A release: from plan to production. One run of this flow per release."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.course import bring_on
from gare.requests import ReleaseRequest
from tasks.announce import announce
from tasks.approve import approve
from tasks.build import build
from tasks.change import change
from tasks.close import close
from tasks.deploy import deploy
from tasks.manual import manual
from tasks.page import page
from tasks.pipeline import pipeline
from tasks.publish import publish
from tasks.record import record
from tasks.run import run
from tasks.soak import soak
from tasks.test import test
from tasks.tickets import tickets
from tasks.validate import validate
from tasks.verify import verify

KINDS = {
    "build": build,
    "test": test,
    "validate": validate,
    "approve": approve,
    "deploy": deploy,
    "verify": verify,
    "soak": soak,
    "pipeline": pipeline,
    "record": record,
    "publish": publish,
    "page": page,
    "tickets": tickets,
    "change": change,
    "announce": announce,
    "close": close,
    "run": run,
    "manual": manual,
}


@flow(
    name="release",
    description="Release one version of one project: plan, build, test, validate, approve, deploy, "
    "verify, publish, announce, close - as its plan says.",
)
async def release(request: ReleaseRequest) -> State[Any]:
    """Bring one release on: plan it once, run its steps, suspend while people decide, tell how it ended."""
    return await bring_on(request, KINDS)
