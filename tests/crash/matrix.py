"""The crash matrix: every boundary times every kind of kill, each in a release of its own.

Many releases run side by side in one station. A killed run process concerns its own release alone; for the other
kinds the releases of a batch are all brought to their boundaries first, and one kill hits them all there.
"""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from beginning import asked_for, folder_of, lay_out, take_out
from comparing import Deviation, Outcome, Trouble, compare
from outcome import Ended, read_outcome
from people import People
from receiver import Receiver
from runs import Phase, Point, Result, Run
from scenarios import SCENARIOS, Scenario, head_of, make_template
from stationing import CrashStation, Kill, kill_process
from vendors import Vendors, key_of

from gare.config.loader import load_station
from gare.domain.plan import Kind
from gare.domain.releases import Release
from gare.engine import deployment_of
from gare.errors import GareError
from gare.rescue import is_settled
from gare.wiring import Gare

_TICK_S = 0.1
_REACH_S = 400.0
"""Longest time for a release to come to its boundary: others stand and wait meanwhile."""
_END_S = 400.0
"""Longest time from the kill to the end of the release."""
_SETTLED_S = 60.0
"""How long a failed release may stay so before that counts as its end: a rescue may come, or its train take it up.

A worker whose server was killed in the middle of a request has taken half a minute to ask again (under load).
"""
_TRIES = 2

Say = Callable[[str], None]


class Matrix:
    """Makes runs in a station that is up."""

    def __init__(
        self,
        station: CrashStation,
        receiver: Receiver,
        vendors: Vendors,
        *,
        jobs: int,
        is_keeping: bool,
        say: Say,
    ) -> None:
        self.station, self.receiver, self.vendors = station, receiver, vendors
        self.jobs, self.say = jobs, say
        self.gare = Gare(load_station(station.root))
        self.people = People(self.gare, lambda release: bool(receiver.of(release.project)))
        self.result = Result()
        self._is_keeping, self._count, self._has_barrier = is_keeping, 0, False
        self._wanted: dict[str, Outcome] = {}
        self.undisturbed: dict[str, list[Run]] = {}

    def list_points(self, scenarios: Sequence[Scenario] = SCENARIOS) -> list[Point]:
        """Run each scenario twice undisturbed: its boundaries, and the outcome that is wanted of every run."""
        for scenario in scenarios:
            make_template(scenario, self.station.root / "templates" / scenario.name)
        before = self.station.cpu_s()
        runs = [self._new(scenario) for scenario in scenarios for _ in range(2)]
        self._go(list(runs), self.jobs)
        self.result.cpu_s_per_release = (self.station.cpu_s() - before) / len(runs)
        points: list[Point] = []
        for first, second in zip(runs[::2], runs[1::2], strict=True):
            self._wanted[first.scenario.name] = first.outcome
            self.undisturbed[first.scenario.name] = [first, second]
            for deviation in [*compare(first.outcome, second.outcome), *first.deviations]:
                self.result.troubles.append((second, deviation))
            points += self._points(first, second)
        return points

    def kill_all(self, wanted: Iterable[tuple[Point, Kill]]) -> None:
        """Kill at each point what is to be killed there, and compare how the release ends."""
        runs = [self._new(_scenario(point.scenario), point, kind) for point, kind in wanted]
        if len(runs) <= self.jobs:
            # A few: all side by side, each killed when it stands; what kills every process comes last and alone.
            self._kill_kind([run for run in runs if run.kind is not Kill.ALL], has_barrier=False)
            self._kill_kind([run for run in runs if run.kind is Kill.ALL], has_barrier=True)
            return
        for kind in Kill:
            chosen = [run for run in runs if run.kind is kind]
            self._kill_kind(chosen, has_barrier=kind is not Kill.PROCESS)

    def _kill_kind(self, runs: list[Run], *, has_barrier: bool) -> None:
        kinds = ", ".join(dict.fromkeys(str(run.kind) for run in runs))
        for _ in range(_TRIES):
            begun, done, missed = time.monotonic(), 0, list[Run]()
            for batch in _batches(runs, self.jobs if has_barrier else max(len(runs), 1)):
                self._go(list(batch), self.jobs, has_barrier=has_barrier)
                done += len(batch)
                missed += [run for run in batch if run.is_missed]
                self.say(
                    f"{kinds}: {done} of {len(runs)} in {time.monotonic() - begun:.0f} s; "
                    f"{self.result.summary}"
                )
            if not missed:
                return
            runs = [self._new(run.scenario, run.point, run.kind) for run in missed]
        self.result.unreached += missed

    def outcome(self, run: Run) -> Outcome:
        """Read how an ended run ended; of a train, with the member's name in front of each kind."""
        releases = self._releases(run)
        if not run.scenario.members:
            seen = self.vendors.outcome(run.name) if run.scenario.is_hosted else {}
            return {**self._read(run, releases[run.name]), **seen}
        found: dict[str, Sequence[str]] = {}
        for subject in dict.fromkeys((*run.subjects, *releases)):
            kinds = self._read(run, releases[subject]) if subject in releases else {"end": ["none"]}
            found |= {f"{run.plain(subject)}: {kind}": texts for kind, texts in kinds.items()}
        return found

    def _new(self, scenario: Scenario, point: Point | None = None, kind: Kill | None = None) -> Run:
        self._count += 1
        return Run(scenario, f"shop-{self._count:05d}", point, kind)

    def _points(self, first: Run, second: Run) -> list[Point]:
        """Return what both have passed, as their own traces say, in the order of the first."""
        of = {subject: run for run in (first, second) for subject in run.subjects}
        passed: dict[str, list[str]] = {first.name: [], second.name: []}
        with (self.station.boundaries / "trace").open() as trace:
            for line in trace:
                boundary = line.rstrip("\n").split("\t")[2]
                if run := of.get(boundary.partition(" | ")[0]):
                    passed[run.name].append(run.plain(boundary))
        counts = Counter(passed[first.name]) & Counter(passed[second.name])
        return [
            Point(first.scenario.name, boundary, passage)
            for boundary in dict.fromkeys(passed[first.name])
            for passage in range(1, counts[boundary] + 1)
        ]

    # One tick moves every run on as far as it goes now; nothing here waits for a single one.

    def _go(self, waiting: list[Run], jobs: int, *, has_barrier: bool = False) -> None:
        active: list[Run] = []
        begun, self._has_barrier = time.monotonic(), has_barrier
        while waiting or active:
            while waiting and len(active) < jobs:
                active.append(waiting.pop(0))
            self._tick(active)
            if self._has_barrier and all(
                run.phase in (Phase.STANDING, Phase.OVER) for run in active
            ):
                self.say(f"  {len(active)} stand after {time.monotonic() - begun:.0f} s")
                self._kill(active)
                self._has_barrier = False
            active = [run for run in active if run.phase is not Phase.OVER]
            time.sleep(_TICK_S)

    def _tick(self, active: Sequence[Run]) -> None:
        with suppress(GareError):
            found = self.gare.ledger.releases.find(is_open=True, limit=10 * self.jobs + 50)
            is_open = {release.project: release for release in found}
            for run in active:
                self._move(run, [is_open[one] for one in run.subjects if one in is_open])

    def _move(self, run: Run, releases: Sequence[Release]) -> None:
        if run.phase is Phase.NEW:
            self._begin(run)
            return
        for release in releases:
            # After the kill they answer at once, also while the run is still being brought back.
            self.people.look(release, is_patient=run.phase is Phase.GOING)
        if run.phase is Phase.GOING and run.point:
            self._look_whether_it_stands(run)
        if run.phase is Phase.STANDING:
            if not self._has_barrier:
                self._kill([run])
        elif self._has_ended(run, releases):
            self._compare(run)

    def _begin(self, run: Run) -> None:
        if run.point and not folder_of(self.station.root, run.name).exists():
            self._armed(run).write_text(str(run.point.passage - 1))
        lay_out(self.station.root, run.scenario, run.name, self.receiver.url, self.vendors)
        started = self.gare.engine.start(
            asked_for(self.station.root, run.scenario, run.name),
            deployment=deployment_of(run.scenario.kind),
            idempotency_key=run.name,
        )
        run.flow_run, run.phase, run.since = started.id, Phase.GOING, time.monotonic()

    def _look_whether_it_stands(self, run: Run) -> None:
        with suppress(FileNotFoundError):
            text = (self.station.boundaries / "standing" / run.armed).read_text()
            if text.isdecimal() and text != "0" and not (self._armed(run)).exists():
                run.pid, run.phase = int(text), Phase.STANDING

    def _armed(self, run: Run) -> Path:
        return self.station.boundaries / "armed" / run.armed

    def _kill(self, runs: Sequence[Run]) -> None:
        """Kill what is to be killed while all of these stand at their boundaries; what survives goes on."""
        standing = [run for run in runs if run.phase is Phase.STANDING]
        if not standing:
            return
        kind = standing[0].kind
        assert kind is not None
        if kind is Kill.PROCESS:
            kill_process(standing[0].pid)
        else:
            self.station.kill(kind)
        for run in standing:
            (self.station.boundaries / "standing" / run.armed).unlink(missing_ok=True)
            run.phase, run.since = Phase.KILLED, time.monotonic()
        if kind not in (Kill.PROCESS, Kill.ALL):
            self.station.wait_for(kind)

    def _has_ended(self, run: Run, is_open: Sequence[Release]) -> bool:
        """Tell whether nothing will happen any more; a run that never does so has ended as it stands."""
        now = time.monotonic()
        limit = _END_S if run.phase is Phase.KILLED or not run.point else _REACH_S
        if now - run.since > limit:
            return True
        if any(release.is_stopped for release in is_open):
            run.failed_since = run.failed_since or now
            return now - run.failed_since > _SETTLED_S
        run.failed_since = 0.0
        if is_open:
            return False
        engine_run = self.gare.engine.run(run.flow_run)
        opened = self.gare.ledger.releases.of_run(run.flow_run)
        if opened is None or not opened.is_closed:
            return engine_run.state_name in ("Refused", "NeedsAttention")
        # A run that does not tell the release's end yet is brought on once more by the reconciler.
        return all(self._is_settled(release) for release in self._releases(run).values())

    def _is_settled(self, release: Release) -> bool:
        engine_run = self.gare.engine.run(release.flow_run_id)
        return engine_run.state_type != "CRASHED" and is_settled(release, engine_run)

    def _compare(self, run: Run) -> None:
        run.phase = Phase.OVER
        self._armed(run).unlink(missing_ok=True) if run.point else None
        opened = self.gare.ledger.releases.of_run(run.flow_run)
        if run.point and not run.pid:
            run.is_missed = True
        if opened is None:
            state = self.gare.engine.run(run.flow_run)
            said = f"no release was opened; the run is {state.state_name} {state.state_message}"
            run.deviations.append(Deviation(Trouble.LOST, "end", said))
        else:
            run.outcome = self.outcome(run)
            run.deviations += self._judge(run, opened)
        self._note(run)

    def _releases(self, run: Run) -> Mapping[str, Release]:
        """Return the releases of a run by subject: the one that was asked for, and those of its train."""
        opened = self.gare.ledger.releases.of_run(run.flow_run)
        if opened is None:
            return {}
        members = self.gare.ledger.releases.members(opened.id) if run.scenario.members else []
        return {_subject(release): release for release in (opened, *members)}

    def _read(self, run: Run, release: Release) -> Outcome:
        is_train = run.scenario.members and release.project == run.subjects[0]
        words = {run.name: "@", f"{release.id}/": "R/", f": {release.id}": ": R", f'"{release.id}"': '"R"',
                 self.receiver.url: "HOOK"}  # fmt: skip
        # Where a member went back, the files of the version that it left name its own release.
        words |= {f'"{other.id}"': '"R"' for other in self._releases(run).values()}
        if is_train:
            words[release.version] = "SLOT"
        if run.scenario.is_hosted:
            words |= {key_of(run.name): "KEY", f"@-{release.id}": "@-R"}
            words[head_of(folder_of(self.station.root, run.name))] = "HEAD"
        return read_outcome(
            Ended(
                self.gare,
                release,
                folder_of(self.station.root, release.project),
                () if is_train else run.scenario.environments,
                self.receiver.of(release.project),
                words,
            )
        )

    def _judge(self, run: Run, release: Release) -> list[Deviation]:
        if run.point is None:
            if release.is_closed:
                return []
            said = f"{release.state} {release.waiting} {release.end}"
            return [Deviation(Trouble.LOST, "end", f"undisturbed, and yet {said}")]
        found, wanted = dict(run.outcome), self._wanted[run.scenario.name]
        left = [text for text in self.people.left_to_person if text.startswith(f"{release.id} ")]
        self.result.left_to_person += [f"{run.point}, {run.kind}: {text}" for text in left]
        if left and not found["webhook"]:
            # Said in the ledger and given to a person: at most once is what was promised.
            found["webhook"] = wanted["webhook"]
        deviations = compare(wanted, found)
        if not release.is_closed:
            state = self.gare.engine.run(run.flow_run)
            said = f"{release.state} {'; '.join(release.waiting)} {release.end}; run {state.state_name}"
            deviations.append(Deviation(Trouble.LOST, "end", f"{said} {state.state_message}"))
        return deviations

    def _note(self, run: Run) -> None:
        """Count a run and tidy up after it; one that deviates is kept to be looked at."""
        if run.point and not run.is_missed:
            self.result.runs += 1
            self.result.points.add(run.point)
        if run.point:
            # Also one that never came to its boundary: what was killed for others must not harm it.
            self.result.troubles += [(run, deviation) for deviation in run.deviations]
        for deviation in run.deviations:
            self.say(
                f"  {run.point or run.scenario.name}, {run.kind or 'undisturbed'}, {run.name}: {deviation}"
            )
        take_out(self.station.root, run.scenario, run.name)
        if not run.deviations and not self._is_keeping:
            self.receiver.forget(run.name)
            for subject in run.subjects:
                shutil.rmtree(folder_of(self.station.root, subject), ignore_errors=True)


def _subject(release: Release) -> str:
    """Name a release of a run: a member's rollback is another one than its release."""
    return (
        f"{release.project} back"
        if release.train and release.kind is Kind.ROLLBACK
        else release.project
    )


def _scenario(name: str) -> Scenario:
    return next(scenario for scenario in SCENARIOS if scenario.name == name)


def _batches(runs: Sequence[Run], size: int) -> list[list[Run]]:
    return [list(runs[start : start + size]) for start in range(0, len(runs), size)]
