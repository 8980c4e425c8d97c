"""Follows a release in the terminal: steps as they start and end, how long, and for whom it waits."""

import time
from collections.abc import Iterator

import click

from gare.cli.output import clean, first_line, is_terminal
from gare.domain.approvals import Decision
from gare.domain.counts import counted
from gare.domain.plan import Plan
from gare.domain.releases import Release, ReleaseState, StepRecord, StepState
from gare.domain.waits import Cause, Waited, one_of
from gare.engine import Engine
from gare.reports.lengths import elapsed
from gare.station_state import api_url
from gare.wiring import Gare

INTERVAL_S = 0.5
INTERRUPTED = 130
MARKS = {
    StepState.RUNNING: "…",
    StepState.DONE: "ok",
    StepState.FAILED: "FAILED",
    StepState.WAITING: "waits",
}


def follow(gare: Gare, release_id: str, *, until_waiting: bool = False, since: str = "") -> int:
    """Print what happens until the release ends (or waits); return the exit code of its state, 130 after Ctrl-C.

    One that is queued waits, too: who is before it may wait for people.

    `since` is the ledger head before a resume: a state older than that is not an end.
    """
    seen: dict[str, tuple[str, int]] = {}
    told, station, turn = "", _Station(gare), _Turn(gare)
    try:
        while True:
            release = gare.ledger.releases.get(release_id)
            plan = gare.plan(release.plan)
            for line in (*turn.look(release, plan), *_changes(gare, release, plan, seen)):
                click.echo(line)
            is_new = not since or gare.ledger.database.head(release_id) != since
            if is_new and not release.is_moving:
                return _tell_end(gare, release)
            if until_waiting and is_new and turn.is_kept and release.state is ReleaseState.WAITING:
                click.echo(f"  look: gare why {release.id}   follow: gare watch {release.id}")
                return 0
            if waits := [] if turn.is_queued else _open_waits(gare, release, plan):
                if "; ".join(map(str, waits)) != told:
                    told = "; ".join(map(str, waits))
                    _tell_waits(release, plan, waits)
                if until_waiting and is_new and not _go_on_alone(gare, waits):
                    return 0
            _tick(gare, release, plan, seen)
            station.look()
            time.sleep(INTERVAL_S)
    except KeyboardInterrupt:
        click.echo(
            f"\nLeft; {release_id} goes on without you. Join again with `gare watch {release_id}`.",
            err=True,
        )
        return INTERRUPTED


class _Station:
    """Looks from time to time whether anybody works on the release, and says so once when nobody does."""

    EVERY_S = 10.0

    def __init__(self, gare: Gare) -> None:
        self._gare, self._looked_at, self._was_up = gare, time.monotonic(), True

    def look(self) -> None:
        """Tell when the station goes away or comes back."""
        if time.monotonic() - self._looked_at < self.EVERY_S:
            return
        self._looked_at = time.monotonic()
        address = api_url(self._gare.station.state)
        is_up = bool(address) and Engine(address, timeout_s=5).is_healthy()
        if is_up != self._was_up:
            says = (
                "is up again" if is_up else "is down: nothing moves until it is started (`gare up`)"
            )
            click.echo(f"note: the station {says}.", err=True)
        self._was_up = is_up


class _Turn:
    """Tells when the release's place in the queue changes, and when it was planned anew there."""

    def __init__(self, gare: Gare) -> None:
        self._gare, self._told, self._plan = gare, "", ""
        self.is_queued = self.is_kept = False
        """Whether it has a place in the queue, and whether anybody is before it there."""

    def look(self, release: Release, plan: Plan) -> Iterator[str]:
        """Yield what has changed since the last look."""
        place = self._gare.ledger.locks.place(release.id) if release.is_moving else None
        self.is_queued = place is not None
        self.is_kept = place is not None and bool(place.behind)
        if place is not None and str(place) != self._told:
            self._told = str(place)
            yield f"{release.id} is {clean(self._told)}; it goes on by itself"
        if self._plan and self._plan != release.plan:
            commits = f"{counted(len(plan.commits), 'commit')}, plan {release.plan[:19]}…"
            yield f"planned anew: {release.project} {clean(release.version)}, {commits}"
        self._plan = release.plan


def _changes(
    gare: Gare, release: Release, plan: Plan, seen: dict[str, tuple[str, int]]
) -> Iterator[str]:
    """Yield a line for each step that changed since the last look."""
    records = gare.ledger.releases.steps(release.id)
    for number, step in enumerate(plan.steps, start=1):
        record = records.get(step.id)
        if record is None or seen.get(step.id) == (record.state, record.attempt):
            continue
        seen[step.id] = (record.state, record.attempt)
        if is_terminal():
            click.echo("\r\x1b[K", nl=False)
        yield f"[{number}/{len(plan.steps)}] {step.id}: {_spoken(record)}"


def _spoken(record: StepRecord) -> str:
    again = f" (attempt {record.attempt})" if record.attempt > 1 else ""
    if record.state is StepState.RUNNING:
        return f"started{again}"
    took = elapsed((record.ended_at - record.started_at).total_seconds()) if record.ended_at else ""
    if record.state is StepState.FAILED:
        return f"FAILED after {took}{again}: {clean(first_line(record.error))}"
    summary = record.value.get("summary", "") if isinstance(record.value, dict) else ""
    if record.state is StepState.WAITING:
        return f"looked in {took}, and looks again: {clean(str(summary))}"
    return f"done in {took}{again}" + (f": {clean(str(summary))}" if summary else "")


def _go_on_alone(gare: Gare, waits: list[Waited]) -> bool:
    """Tell whether all that is waited for are members of a train, none of which is queued or waits for people."""
    if any(one.cause is not Cause.MEMBERS for one in waits):
        return False
    members = [gare.ledger.releases.get(one.release) for one in waits if one.release]
    places = gare.ledger.locks.places() if members else {}
    is_queued = any(one.id in places and places[one.id].behind for one in members)
    return not is_queued and not any(
        wait.cause.needs_people for one in members for wait in one.waits
    )


def _open_waits(gare: Gare, release: Release, plan: Plan) -> list[Waited]:
    """Return what people still have to do: a run that is just being woken has not written down that it goes on."""
    if release.state is not ReleaseState.WAITING:
        return []
    records = gare.ledger.releases.steps(release.id)
    settled = {step for step, record in records.items() if record.state is StepState.DONE} | {
        rule.step
        for rule in plan.approvals
        if gare.ledger.approvals.standing(release.id, rule).decision is not Decision.PENDING
    }
    return [one for one in release.waits if one.step not in settled]


def _tell_waits(release: Release, plan: Plan, waits: list[Waited]) -> None:
    for wait in waits:
        click.echo(f"waits for {clean(wait)}")
        if wait.ways:
            click.echo(f"  do: {clean(one_of(wait.ways))}")
    for rule in plan.approvals:
        if any(wait.step == rule.step for wait in waits):
            click.echo(f"  vote: GARE_TOKEN=… gare approve {release.id} --env {rule.environment}")


def _tell_end(gare: Gare, release: Release) -> int:
    took = elapsed((release.changed_at - release.opened_at).total_seconds())
    click.echo(f"{release.id} {release.project} {release.version}: {release.state} after {took}")
    if release.end and release.state is not ReleaseState.RELEASED:
        click.echo(f"  {clean(first_line(release.end))}")
    if release.is_stopped:
        click.echo(
            f"  look: gare why {release.id}   then: gare resume {release.id}  or  gare cancel {release.id}"
        )
    return release.state.exit_code


def _tick(gare: Gare, release: Release, plan: Plan, seen: dict[str, tuple[str, int]]) -> None:
    """Show one moving line below the steps; only a terminal gets it."""
    if not is_terminal():
        return
    done = sum(state == StepState.DONE for state, _ in seen.values())
    running = [step for step, (state, _) in seen.items() if state == StepState.RUNNING]
    age = elapsed((gare.ledger.now() - release.opened_at).total_seconds())
    now = "waiting" if release.state is ReleaseState.WAITING else ", ".join(running)
    click.echo(f"\r\x1b[K{release.id} {done}/{len(plan.steps)} {age} {now}", nl=False)
