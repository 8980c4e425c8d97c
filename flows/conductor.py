"""Brings the steps of a plan on, side by side where the plan allows it, until the release ends or must wait.

Knows order and waiting; what a step does is in `tasks`. A wait suspends the run: no process is left, and the flow
starts again from its first line when woken. What was done is read from the ledger, so nothing is done again.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

from prefect import Task
from prefect.context import SyncClientContext
from prefect.flow_runs import asuspend_flow_run
from prefect.logging import get_run_logger

from gare.boundaries import reached
from gare.domain.plan import Kind, Plan, PlannedStep
from gare.domain.releases import Release, ReleaseState, StepState
from gare.domain.schedule import ready
from gare.errors import Interrupted
from gare.requests import Request
from gare.wiring import Gare
from tasks.news import tell_news
from tasks.plan import plan_anew
from tasks.progress import Progress
from tasks.step import STOPPING, options
from tasks.train_pages import show_train
from tasks.wait import Sight, Wait
from tasks.waiting import line_up, look, stand_aside, take_up

Kinds = Mapping[str, Task[[str, str], Any]]


async def conduct(gare: Gare, release: Release, kinds: Kinds, request: Request) -> Release:
    """Run all that can run; return the release when it ended or failed; suspend the run when it must wait.

    `request` is what the run was started with: a release that was overtaken in the queue is planned anew from it.
    """
    reached("before mark running")
    gare.ledger.releases.mark(release.id, ReleaseState.RUNNING, actor="gare")
    try:
        # One client for all steps, as a synchronous flow has it; each task would make two of its own (20 ms of CPU).
        with SyncClientContext(_without_certificates(gare.engine.url)):
            release, waits = await _run_and_settle(gare, release, kinds, request)
    except BaseException:
        # The run is being ended from outside (cancelled, station going down): its commands end with it.
        STOPPING.set()
        gare.stop_commands()
        raise
    if release.kind is Kind.TRAIN:
        show_train(gare, release)
        for problem in tell_news(gare, release):
            get_run_logger().warning("%s", problem)
    if release.state is ReleaseState.WAITING:
        # An engine key is never used twice in the life of a run (docs/decisions/0004-suspension.md).
        key = f"wait-{gare.ledger.releases.next_ask(release.id)}"
        # No limit of the engine's: it would fail the run; an approval's expiry ends the release properly.
        for reason in dict.fromkeys(wait.said.in_full() for wait in waits):
            get_run_logger().info("Waiting for %s", reason)
        reached(f"before suspend {' '.join(one.step or one.what for one in release.waits)}")
        await asuspend_flow_run(key=key)
    return release


def _without_certificates(address: str) -> dict[str, Any] | None:
    """Return the client's settings: an address without TLS needs no authorities, and reading them takes 30 ms."""
    if not address.startswith("http://"):
        return None
    return {"verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}  # trusts nobody


async def _run_and_settle(
    gare: Gare, release: Release, kinds: Kinds, request: Request
) -> tuple[Release, list[Wait]]:
    """Run what can run and write down where the release stands; return it with what it waits for."""
    waits = await _run_in_turn(gare, release, kinds, request)
    release = _settle(gare, release, waits)
    while release.state is ReleaseState.WAITING:
        # What came before this was written down woke nobody: looked again, now that it would.
        now = await _run_in_turn(gare, release, kinds, request)
        if now == waits:
            break
        waits, release = now, _settle(gare, release, now)
    return release, waits


async def _run_in_turn(gare: Gare, release: Release, kinds: Kinds, request: Request) -> list[Wait]:
    """Run what can run once the release has all its locks; return what is waited for."""
    before = gare.plan(release.plan)
    if waits := stand_aside(gare, release, before):
        return waits
    reached("before lock")
    if (wait := line_up(gare, release, before)) is not None:
        return [wait]
    reached("after lock")
    release = plan_anew(gare, release, request)
    if release.is_stopped:
        return []
    plan = gare.plan(release.plan)
    # A new plan may be about other environments.
    if plan != before and (wait := line_up(gare, release, plan)) is not None:
        return [wait]
    return await _run_until_blocked(gare, release, plan, kinds)


async def _run_until_blocked(gare: Gare, release: Release, plan: Plan, kinds: Kinds) -> list[Wait]:
    """Start what may start, as long as something moves; return what is waited for."""
    running: dict[asyncio.Future[Any], str] = {}
    started: set[str] = set()
    progress = Progress(gare, release, len(plan.steps))
    while True:
        states = gare.ledger.releases.step_states(release.id)
        done = {step for step, state in states.items() if state is StepState.DONE}
        # One that is not through yet is looked at again.
        started -= {
            step
            for step in started - set(running.values())
            if states.get(step) is StepState.WAITING
        }
        has_failed = any(states.get(step) is StepState.FAILED for step in started)
        waits: list[Wait] = []
        sight = Sight(gare, release)
        if not has_failed and not gare.ledger.releases.get(release.id).is_closed:
            for step in ready(plan.steps, done, started | done):
                wait = look(sight, plan, step) or take_up(gare, release, plan)
                if wait is not None:
                    waits.append(wait)
                else:
                    running[_submit(kinds, release, step)] = step.id
                    started.add(step.id)
        progress.show(len(done), is_last=not running)
        if not running:
            return waits
        finished, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for future in finished:
            del running[future]


def _submit(kinds: Kinds, release: Release, step: PlannedStep) -> asyncio.Future[Any]:
    future: Any = kinds[step.type].with_options(**options(step)).submit(release.id, step.id)
    # How the step ended is read from the ledger; here only the moment matters.
    return asyncio.wrap_future(future.wrapped_future)


def _settle(gare: Gare, release: Release, waits: list[Wait]) -> Release:
    """Write down where the release stands now that nothing runs."""
    releases = gare.ledger.releases
    if not (now := releases.get(release.id)).is_moving:
        return now
    plan = gare.plan(now.plan)
    reached("before settle")
    records = releases.steps(release.id)
    failed = [
        step
        for step in plan.steps
        if step.id in records and records[step.id].state is StepState.FAILED
    ]
    # One that failed, was resumed and is queued has tried nothing yet.
    if failed and not waits:
        end = f"step {failed[0].id} failed: {records[failed[0].id].error}"
        return releases.mark(release.id, ReleaseState.FAILED, actor="gare", end=end)
    if refusal := next((wait for wait in waits if wait.is_refusal), None):
        end = f"refused at {refusal.reason}"
        return releases.mark(release.id, ReleaseState.CANCELLED, actor="gare", end=end)
    if waits:
        wakes = [wait.wake_at for wait in waits if wait.wake_at is not None]
        return releases.mark(
            release.id,
            ReleaseState.WAITING,
            actor="gare",
            waiting=list(dict.fromkeys(wait.said for wait in waits)),
            wake_at=min(wakes, default=None),
        )
    missing = [
        step.id
        for step in plan.steps
        if step.id not in records or records[step.id].state is not StepState.DONE
    ]
    if missing:
        # No step has failed: the engine could not begin one, or the ledger was away. Brought on when they are back.
        raise Interrupted(
            f"The engine or the ledger was away; not done of {release.id}: {', '.join(missing)}.",
            where="Prefect server, ledger",
            hint=f"The station brings it on by itself; `gare resume {release.id}` does it now.",
        )
    return releases.mark(release.id, ReleaseState.RELEASED, actor="gare", end=plan.outcome)
