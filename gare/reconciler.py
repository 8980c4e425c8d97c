"""Keeps releases and the engine's runs in step: wakes what is due, brings back what died. A process of the station.

One is active, by a lease in the ledger; others stand by and take over. What it remembers does not grow with the number
of releases: those that wait are found by the ledger's own index, those that move by the engine's.
"""

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta

from gare.config.train_files import has_trains
from gare.debts import Payer
from gare.departures import note_cancelled
from gare.domain.plan import Kind
from gare.domain.releases import Release, ReleaseState
from gare.engine import LATE
from gare.errors import ConnectorError, Fenced, GareError, LedgerAway, UnexpectedReply
from gare.fixing import let_go_of_ended
from gare.ledger.releases import PAGE
from gare.rescue import Rescuer, is_settled
from gare.run_lists import Run
from gare.timetables import restore_schedules
from gare.wiring import Gare, open_gare

INTERVAL_S = 1.0
ENGINE_ROUNDS = 2
IDLE_ROUNDS = 5
"""The ledger is looked at in every round, the engine in every second one, in every fifth while nothing moves: a
question costs 15 ms of the server's CPU."""
SWEEP_ROUNDS = 30
TIDY_ROUNDS = 60
OVERLAP = timedelta(minutes=2)
"""How long an ended run is looked at again: its end may have been written while we asked."""
GRACE = timedelta(seconds=3)
"""`gare resume` writes to the ledger first and to the engine a moment later."""
LEASE = "reconciler"
PICKING_S = 3600.0
"""Longer than any cherry-pick takes."""


def main() -> None:
    """Reconcile until told to stop."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    gare = open_gare()
    reconciler = Reconciler(gare)
    while not stop.wait(INTERVAL_S):
        for told in reconciler.round():
            print(f"reconciler: {told}", flush=True)  # noqa: T201 - its log is its stdout
    reconciler.leave()


class Reconciler:
    """One reconciler: active while it has the lease."""

    def __init__(self, gare: Gare, *, pays_aside: bool = True) -> None:
        self._gare = gare
        self._rescuer = Rescuer(gare)
        self._payer = Payer(gare, is_aside=pays_aside)
        self._rounds = 0
        self._next_look = 0
        self._moves = True
        self._swept = 0
        self._since = gare.ledger.now() - OVERLAP
        self._odd: list[str] = []
        self._is_active = False
        self._is_away = False
        self._problems: list[str] = []
        self._notice = ""

    def round(self) -> list[str]:
        """Do one round; return a sentence for each thing done. What is away is looked at again in the next."""
        try:
            if not self._may_act():
                return []
            done, problems = self._round()
        except Fenced:
            self._gare.ledger.database.unfence(LEASE)
            self._is_active = False
            return ["another reconciler has taken over; standing by"]
        except ConnectorError as error:
            done, problems = [], [error]
        return [*self._told(problems), *done]

    def _told(self, problems: Sequence[ConnectorError]) -> list[str]:
        """Tell what could not be asked, once, and that it answers again."""
        was_away, self._problems = self._problems, [str(problem) for problem in problems]
        self._is_away = any(problem.retryable for problem in problems)
        if self._is_away:
            # A process that could not reach the ledger or the engine either is given time to tell that it lives.
            self._rescuer.forget()
        if was_away and not problems:
            return ["everything answers again"]
        return [] if was_away else self._problems[:1]

    def leave(self) -> None:
        """Let another one take over at once."""
        with suppress(GareError):
            self._gare.ledger.leases.free(LEASE)
        self._gare.ledger.leases.leave()

    def _may_act(self) -> bool:
        if self._is_active:
            return True
        fence = self._gare.ledger.leases.take(LEASE)
        if fence is not None:
            self._gare.ledger.database.fence(LEASE, fence)
            self._rescuer.forget()
            # All leases begin anew: whoever is not brought on from now on loses its locks.
            self._gare.ledger.locks.renew()
            self._is_active = True
        return self._is_active

    def _round(self) -> tuple[list[str], list[ConnectorError]]:
        """Do what is due; one part that cannot be done does not keep the others from it."""
        self._rounds += 1
        done, problems = list[str](), list[ConnectorError]()
        for part in self._due():
            try:
                done += part()
            except LedgerAway:
                raise
            except ConnectorError as error:
                problems.append(error)
        return done, problems

    def _due(self) -> Iterator[Callable[[], list[str]]]:
        """Yield the parts of this round."""
        yield self._wake
        if self._problems or self._rounds >= self._next_look:
            yield self._look_at_engine
        if self._rounds % SWEEP_ROUNDS == 1:
            yield self._sweep
            # Renewed before anything is taken away: a station that was down for a night takes nobody's lock.
            yield self._renew
            yield self._mend_schedules
        # Who cannot be brought on now loses nothing.
        if self._rounds % SWEEP_ROUNDS == SWEEP_ROUNDS // 2 and not self._is_away:
            yield self._gare.ledger.locks.pass_on
        if self._rounds % TIDY_ROUNDS == 1:
            yield self._tidy

    def _renew(self) -> list[str]:
        self._gare.ledger.locks.renew_waiting()
        return []

    def _tidy(self) -> list[str]:
        tidy(self._gare)
        return []

    def _wake(self) -> list[str]:
        """Wake the waiting releases whose moment has come: a vote, a tick, a lock, a time."""
        done = []
        for release in self._gare.ledger.runs.due(self._gare.ledger.now()):
            # A run that is not suspended is on its way there, or is brought back by the other looks.
            with suppress(ConnectorError):
                if self._gare.engine.resume(release.flow_run_id):
                    done.append(f"{release.id} goes on")
        return done

    def _look_at_engine(self) -> list[str]:
        ledger, engine = self._gare.ledger, self._gare.engine
        found, notice = self._moving()
        ended = ledger.runs.unsettled()
        running = ledger.runs.in_state(ReleaseState.RUNNING)
        named = [*(release.flow_run_id for release in (*running, *ended)), *self._rescuer.suspects]
        named += self._odd
        self._odd = []
        found |= engine.runs([run_id for run_id in named if run_id not in found])
        if any(run.state_name == LATE for run in found.values()):
            # Not brought on: a worker at its limit takes it when it has room. One that sleeps is woken.
            engine.ring()
        self._settle(ended, found)
        done = [*self._payer.told(), *self._note_ends(found)]
        done += self._rescuer.look(list(found.values()))
        self._moves = bool(running or ended or self._rescuer.suspects)
        self._next_look = self._rounds + (ENGINE_ROUNDS if self._moves else IDLE_ROUNDS)
        if notice not in ("", self._notice):
            done.append(notice)
        self._notice = notice
        return done

    def _moving(self) -> tuple[dict[str, Run], str]:
        """Return the runs that move, and what is wrong with the engine's list of them.

        Without the list, those of releases are asked for by their ids.
        """
        asked_at = self._gare.ledger.now()
        try:
            listed = self._gare.engine.moving(self._since)
        except UnexpectedReply as error:
            return {}, str(error)
        self._since = asked_at - OVERLAP
        left = f"the engine cannot tell of {listed.unreadable} of its runs; see `gare doctor`"
        return {run.id: run for run in listed.runs}, left if listed.unreadable else ""

    def _mend_schedules(self) -> list[str]:
        return restore_schedules(self._gare) if has_trains(self._gare.station.root) else []

    def _settle(self, ended: list[Release], runs: dict[str, Run]) -> None:
        shown = [one for one in ended if is_settled(one, runs.get(one.flow_run_id))]
        owing = self._payer.look(shown)
        settled = [one for one in shown if one.id not in owing]
        for project in {one.project for one in settled if one.kind is Kind.HOTFIX}:
            # A repository that is away is tidied with the next hotfix of the project.
            with suppress(GareError):
                let_go_of_ended(self._gare, project)
        if settled:
            self._gare.ledger.runs.settle([one.id for one in settled])

    def _note_ends(self, runs: dict[str, Run]) -> list[str]:
        """Write down which runs people ended in the engine."""
        ledger = self._gare.ledger
        done = []
        # `gare cancel` ends the run first and says why to the ledger a moment later.
        now = ledger.now()
        cancelled = [
            run.id
            for run in runs.values()
            if run.state_type == "CANCELLED"
            # A clock that was set back does not make it wait for longer.
            and (run.since is None or abs(now - run.since) > GRACE)
        ]
        for release in ledger.runs.of_runs(cancelled).values():
            if not release.is_closed:
                ended = ledger.releases.mark(
                    release.id, ReleaseState.CANCELLED, actor="engine", end="the run was cancelled"
                )
                note_cancelled(self._gare, ended, actor="engine")
                done.append(f"{release.id} is cancelled")
        return done

    def _sweep(self) -> list[str]:
        """Look at one page of the open releases after the other, for runs that are gone or ended long ago."""
        ledger = self._gare.ledger
        page = ledger.runs.in_state(ReleaseState.WAITING, ReleaseState.RUNNING, after=self._swept)
        self._swept = int(page[-1].id[2:]) if len(page) == PAGE else 0
        runs = self._gare.engine.runs([release.flow_run_id for release in page])
        return [
            told
            for release in page
            if (told := self._judge(release, runs.get(release.flow_run_id)))
        ]

    def _judge(self, release: Release, run: Run | None) -> str:
        if abs(self._gare.ledger.now() - release.changed_at) < GRACE:
            return ""
        if run is None:
            end = (
                "the engine has no run of it any more (deleted there, or the engine lost its database); "
                f"`gare recover {release.id}` makes a new one, `gare cancel {release.id}` ends it"
            )
            self._gare.ledger.releases.mark(
                release.id, ReleaseState.ATTENTION, actor="reconciler", end=end
            )
            return f"{release.id} needs attention: {end}"
        if run.is_suspended and release.state is ReleaseState.RUNNING:
            # Put to sleep by somebody else: the flow looks what there is to do.
            return f"{release.id} goes on" if self._gare.engine.resume(run.id) else ""
        if run.is_over:
            self._odd.append(run.id)
        return ""


def tidy(gare: Gare) -> None:
    """Remove the checkouts of releases that have ended, and the clones of processes that were killed while picking.

    A released one has done so itself.
    """
    for folder in gare.work_folder.glob("R-*"):
        if folder.name[2:].isdecimal() and gare.ledger.releases.get(folder.name).is_closed:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in gare.work_folder.glob("pick-*"):
        with suppress(FileNotFoundError):  # its owner was through just now
            # By the file system's clock: the station's may be moved.
            if time.time() - folder.stat().st_mtime > PICKING_S:
                shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
