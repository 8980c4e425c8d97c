"""A release: from plan to production. One run of this flow per release."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows.conductor import conduct
from gare.domain.releases import Release, ReleaseState
from gare.errors import ConfigError, GareError, Refused
from gare.requests import ReleaseRequest
from gare.wiring import open_gare
from tasks.announce import announce
from tasks.approve import approve
from tasks.build import build
from tasks.close import close
from tasks.deploy import deploy
from tasks.manual import manual
from tasks.plan import open_release
from tasks.publish import publish
from tasks.run import run
from tasks.test import test
from tasks.validate import validate
from tasks.verify import verify

KINDS = {
    "build": build,
    "test": test,
    "validate": validate,
    "approve": approve,
    "deploy": deploy,
    "verify": verify,
    "publish": publish,
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
    gare = open_gare()
    record = gare.ledger.releases.of_run(flow_run.id)
    try:
        if record is None:
            record = open_release(gare, request, flow_run.id)
        if not record.is_closed:
            record = await conduct(gare, record, KINDS)
    except GareError as error:
        is_refused = isinstance(error, Refused | ConfigError)
        return Failed(name="Refused" if is_refused else "Failed", message=str(error))
    return end(record)


def end(record: Release) -> State[Any]:
    """Tell the engine how a release stands. Rejected and expired are ends of their own, not failures."""
    match record.state:
        case ReleaseState.FAILED:
            return Failed(message=record.end)
        case ReleaseState.ROLLED_BACK:
            return Failed(name="RolledBack", message=record.end)
        case (
            ReleaseState.RELEASED
            | ReleaseState.REJECTED
            | ReleaseState.EXPIRED
            | ReleaseState.CANCELLED
        ):
            return Completed(name=record.state.value.capitalize(), message=record.end)
        case _:
            return Failed(message=f"{record.id} stands at {record.state}, which is no end.")
