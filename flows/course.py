"""The course of every kind of release: one process per run, plan once, bring the steps on, tell how it ended."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows.conductor import conduct
from flows.lease import keep_locks, the_only_process
from flows.run_log import listen
from gare.boundaries import enter, reached
from gare.debts import pay
from gare.domain.releases import Release, ReleaseState
from gare.engine import INTERRUPTED, NEEDS_ATTENTION, UNAVAILABLE
from gare.errors import ConfigError, GareError, Interrupted, NotFound, Refused
from gare.requests import Request
from gare.wiring import open_gare
from tasks.news import tell_news
from tasks.plan import open_release
from tasks.told import tell_put_back


async def bring_on(request: Request, kinds: Mapping[str, Task[[str, str], Any]]) -> State[Any]:
    """Bring one release on with the steps that its kind knows; suspend while it waits; return how it ended."""
    enter(request.subject)
    listen()
    reached("start of process")
    try:
        gare = open_gare()
        async with the_only_process(gare, flow_run.id, flow_run.run_count):
            record = open_release(gare, request, flow_run.id)
            if not record.is_closed:
                keep_locks(gare, record)
                record = await conduct(gare, record, kinds, request)
            told = (*pay(gare, record)[0], *tell_put_back(gare, record), *tell_news(gare, record))
            for problem in told:
                get_run_logger().warning("%s", problem)
            reached("before return")
    except GareError as error:
        _wake_train(request)
        return Failed(name=_name(error), message=str(error))
    return end(record)


def _wake_train(request: Request) -> None:
    """Let a train see at once that a run of its was refused: it has no release that would wake it."""
    if train := getattr(request, "train", ""):
        with suppress(GareError):
            open_gare().ledger.releases.wake(train)


def _name(error: GareError) -> str:
    """Name the end of a run that could not go on; an unavailable one is brought on by the reconciler."""
    match error:
        # What was asked for is not there: a commit, a merge request, a plan.
        case Refused() | ConfigError() | NotFound():
            return "Refused"
        case Interrupted():
            return INTERRUPTED
        case _:
            return UNAVAILABLE if error.retryable else "Failed"


def end(record: Release) -> State[Any]:
    """Tell the engine how a release stands. Rejected and expired are ends of their own, not failures."""
    match record.state:
        case ReleaseState.FAILED:
            return Failed(message=record.end)
        case ReleaseState.ATTENTION:
            return Failed(name=NEEDS_ATTENTION, message=record.end)
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
