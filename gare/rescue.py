"""Brings back what died: decides for one run of the engine what is to be done, and does it.

A run is dead when no living process holds its lease (gare.ledger.leases), not when the engine says so: Crashed runs may
live, and Running ones be dead. Never decides about a release: the flow does, from the ledger, when it runs again.
"""

import time
from datetime import timedelta
from typing import Any, NamedTuple

from gare.domain.releases import Release, ReleaseState, StepState
from gare.engine import ALIVE, BROUGHT_ON, UNAVAILABLE, deployment_of
from gare.errors import ConnectorError, Fenced, Refused
from gare.ledger.leases import Lease
from gare.ledger.rescues import Rescue
from gare.requests import request_of
from gare.run_lists import Run
from gare.wiring import Gare

LONGEST_WAIT = timedelta(minutes=5)
_GOOD_ENDS = {
    ReleaseState.RELEASED: "COMPLETED",
    ReleaseState.REJECTED: "COMPLETED",
    ReleaseState.EXPIRED: "COMPLETED",
    ReleaseState.ROLLED_BACK: "FAILED",
}
_START_FACTOR = 6
"""How many times the quiet time a process may take from the worker's hands to its first line."""
_DOUBLINGS = 40
_NEVER = Lease(is_held=False, turn=-1)


class Suspicion(NamedTuple):
    """Since when (time.monotonic) a run is dead, for which reason, in which turn."""

    since: float
    reason: str
    turn: int


def lease_of(run_id: str) -> str:
    """Name the lease of a run."""
    return f"run {run_id}"


def is_alive(gare: Gare, run_id: str) -> bool:
    """Tell whether a process of this run lives somewhere."""
    found = gare.ledger.leases.look([lease_of(run_id)])
    return any(lease.is_held for lease in found.values())


class Rescuer:
    """Watches runs over many rounds; remembers nothing but how long each has been dead."""

    def __init__(self, gare: Gare) -> None:
        self._gare = gare
        self._settings = gare.station.config.rescue
        self._suspects: dict[str, Suspicion] = {}
        self._failed: dict[str, str] = {}

    def forget(self) -> None:
        """Judge everything anew: the ledger or the engine was away, and so perhaps for the processes themselves."""
        self._suspects.clear()

    def look(self, runs: list[Run]) -> list[str]:
        """Judge these runs; return a sentence for each thing done. Those not among them are forgotten."""
        leases = self._gare.ledger.leases.look([lease_of(run.id) for run in runs])
        releases = self._gare.ledger.runs.of_runs([run.id for run in runs])
        done, suspects = list[str](), set[str]()
        for run in runs:
            lease = leases.get(lease_of(run.id), _NEVER)
            reason = _why_dead(run, lease, releases.get(run.id))
            if reason:
                suspects.add(run.id)
                dead_s = time.monotonic() - self._suspect(run, reason).since
                is_patient = dead_s < self._patience_s(run, lease)
                if not is_patient and (told := self._attempt(run, releases.get(run.id), reason)):
                    done.append(told)
        for run_id in set(self._suspects) - suspects:
            del self._suspects[run_id]
            self._failed.pop(run_id, None)
        return done

    def _suspect(self, run: Run, reason: str) -> Suspicion:
        """Return the suspicion; its time begins anew with another reason.

        A run that was slow to begin may have lived and be just about to tell its end when it is looked at again.
        """
        known = self._suspects.get(run.id)
        if known is None or (known.reason, known.turn) != (reason, run.turn):
            known = self._suspects[run.id] = Suspicion(time.monotonic(), reason, run.turn)
        return known

    @property
    def suspects(self) -> list[str]:
        """Return the runs that were found dead and are not brought back yet."""
        return list(self._suspects)

    def _patience_s(self, run: Run, lease: Lease) -> float:
        """Return how long a run must be dead: one that has only just been started takes its time to begin."""
        quiet_s = self._settings.quiet.total_seconds()
        is_starting = not run.is_over and not _has_begun(run, lease)
        return quiet_s * _START_FACTOR if is_starting else quiet_s

    def _attempt(self, run: Run, release: Release | None, reason: str) -> str:
        """Act; that the engine does not do it for one run is told once, and keeps no other from its turn."""
        try:
            told = self._act(run, release, reason)
        except Fenced:
            raise
        except (ConnectorError, Refused) as error:
            if error.retryable:
                raise
            told = f"{_title(run, release)} cannot be brought on: {error}"
            is_told = self._failed.get(run.id) == told
            self._failed[run.id] = told
            return "" if is_told else told
        self._failed.pop(run.id, None)
        return told

    def _act(self, run: Run, release: Release | None, reason: str) -> str:
        if run.state_type == "CANCELLING":
            self._gare.engine.cancel(run.id, has_process=False)
            return f"{_title(run, release)}: its process is dead already; it is cancelled now"
        return self._bring_back(run, release, reason)

    def _bring_back(self, run: Run, release: Release | None, reason: str) -> str:
        """Bring a run on, or give it up. One that met a vendor which is away uses up no attempt."""
        ledger, is_outage = self._gare.ledger, run.state_name == UNAVAILABLE
        progress = _progress(self._gare, release)
        before = ledger.rescues.get(run.id)
        if before and before.progress < progress:
            before = None
        attempts = before.attempts if before else 0
        outages = before.outages if before and is_outage else 0
        turn = outages if is_outage else attempts
        # A clock that was set back does not keep a release waiting for longer than that.
        if before and turn and abs(ledger.now() - before.at) < self._pause(turn):
            return ""
        if is_outage:
            outages += 1
        elif attempts < self._settings.attempts:
            attempts += 1
        else:
            return self._give_up(run, release, attempts, reason)
        name = _title(run, release)
        noted = Rescue(attempts, outages, ledger.now(), progress, reason, name)
        ledger.rescues.note(run.id, release.id if release else "", noted)
        self._gare.engine.retry(run.id)
        self._suspects.pop(run.id, None)
        return f"{name} is brought on (attempt {turn + 1}): {reason}"

    def _pause(self, turn: int) -> timedelta:
        """Return how long is waited after so many turns on end: twice as long each time, up to a limit."""
        return min(self._settings.quiet * (1 << min(turn - 1, _DOUBLINGS)), LONGEST_WAIT)

    def _give_up(self, run: Run, release: Release | None, attempts: int, reason: str) -> str:
        end = f"brought on {attempts} times without a further step done; last: {reason}"
        if release and release.is_closed:
            self._gare.ledger.runs.settle([release.id])
        elif release:
            self._gare.ledger.releases.mark(
                release.id, ReleaseState.ATTENTION, actor="reconciler", end=end
            )
        self._gare.engine.give_up(run.id, end)
        return f"{_title(run, release)} needs attention: {end}"


def recover(gare: Gare, release: Release, *, actor: str) -> Release:
    """Give an open release whose run the engine has lost a new run, which goes on from where the release stands.

    Done twice, it gives the same run. Raises Refused for a release that has ended or whose run is there.
    """
    if release.is_closed:
        raise Refused(
            f"{release.id} has ended: {release.state}.",
            where=release.id,
            hint="Start a new one with `gare release`.",
        )
    if gare.engine.runs([release.flow_run_id]):
        raise Refused(
            f"The engine has the run of {release.id}.",
            where=gare.engine.run_address(release.flow_run_id),
            hint=f"Nothing to recover: `gare resume {release.id}` brings it on.",
        )
    # Begins only when the ledger knows it: it would open a second release otherwise.
    run = gare.engine.start(
        _request(gare, release),
        deployment=deployment_of(release.kind),
        idempotency_key=f"recover {release.id} {release.flow_run_id}",
        at=gare.ledger.now() + timedelta(days=3650),
    )
    release = gare.ledger.runs.replace_run(release.id, run.id, actor=actor)
    plan = gare.plan(release.plan)
    gare.engine.rename(
        run.id,
        f"{release.id} {plan.project} {plan.version}",
        [f"project:{plan.project}", f"version:{plan.version}", release.id],
    )
    gare.engine.begin(run.id)
    return release


def _request(gare: Gare, release: Release) -> dict[str, Any]:
    """Return what the release was asked for with: one that waits in the queue is planned anew from it."""
    asked = gare.ledger.releases.request(release.id)
    if asked is None:
        asked = {
            "project": release.project,
            "plan": release.plan,
            "requested_by": release.requested_by,
            "reason": release.reason,
        }
    return request_of(release.kind, asked).model_dump(mode="json")


def lost(gare: Gare) -> list[Release]:
    """Return the open releases that go on by themselves or need attention, and whose runs the engine does not have."""
    found, after = list[Release](), 0
    states = (ReleaseState.RUNNING, ReleaseState.WAITING, ReleaseState.ATTENTION)
    while page := gare.ledger.runs.in_state(*states, after=after):
        after = int(page[-1].id[2:])
        runs = gare.engine.runs([release.flow_run_id for release in page])
        found += [release for release in page if release.flow_run_id not in runs]
    return found


def is_settled(release: Release, run: Run | None) -> bool:
    """Tell whether the engine shows the end of an ended release."""
    if run is None:
        return True
    wanted = _GOOD_ENDS.get(release.state)
    return run.is_over and (wanted is None or run.state_type == wanted)


def _has_begun(run: Run, lease: Lease) -> bool:
    """Tell whether the process of the run's present turn has got as far as its lease."""
    return run.state_type != "PENDING" and lease.turn >= run.turn


def _why_dead(run: Run, lease: Lease, release: Release | None) -> str:
    """Return why a run has to be brought on, empty when it is well."""
    if lease.is_held:
        return ""
    if run.state_type == "PENDING":
        return "no process began after a worker had taken the run"
    if run.state_type in ALIVE:
        return "its process is gone" if _has_begun(run, lease) else "its process did not begin"
    if release is None:
        # A run that opened no release: refused ones are ends; crashed ones never got so far.
        is_lost = run.state_type == "CRASHED" or run.state_name in BROUGHT_ON
        return _told(run) if is_lost else ""
    if release.is_closed:
        return "" if is_settled(release, run) else f"{release.id} has ended, its run not"
    if release.state in (ReleaseState.RUNNING, ReleaseState.WAITING) and run.is_over:
        return "" if run.state_type == "CANCELLED" else _told(run)
    return ""


def _told(run: Run) -> str:
    if run.state_name == UNAVAILABLE and run.state_message:
        return run.state_message
    return f"the run ended as {run.state_name}" + (
        f": {run.state_message}" if run.state_message else ""
    )


def _title(run: Run, release: Release | None) -> str:
    return release.id if release else f"run {run.name}"


def _progress(gare: Gare, release: Release | None) -> int:
    if release is None:
        return 0
    states = gare.ledger.releases.step_states(release.id)
    return sum(state is StepState.DONE for state in states.values())
