"""The crash matrix: every boundary times every kind of kill, each in a release of its own.

Many releases run side by side in one station. A killed run process concerns its own release alone; for the other
kinds the releases of a batch are all brought to their boundaries first, and one kill hits them all there.
"""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any

from comparing import Deviation, Outcome, Trouble, compare
from earlier import tell_earlier
from outcome import Ended, read_outcome
from people import People
from receiver import Receiver
from scenarios import SCENARIOS, Scenario, copy_template, head_of, make_template
from stationing import CrashStation, Kill, kill_process

from gare.boundaries import file_name
from gare.config.loader import load_station
from gare.domain.plan import Kind
from gare.domain.releases import Release, ReleaseState
from gare.engine import deployment_of
from gare.errors import GareError
from gare.rescue import is_settled
from gare.wiring import Gare

_TICK_S = 0.1
_REACH_S = 400.0
"""Longest time for a release to come to its boundary: others stand and wait meanwhile."""
_END_S = 400.0
"""Longest time from the kill to the end of the release."""
_SETTLED_S = 20.0
"""How long a failed release may stay so before that counts as its end: a rescue may come."""
_TRIES = 2

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One place of one scenario where everything can be killed. `passage` counts from 1."""

    scenario: str
    boundary: str
    passage: int = 1

    def __str__(self) -> str:
        return f"{self.scenario} | {self.boundary}" + (
            f" ({self.passage})" if self.passage > 1 else ""
        )


class Phase(Enum):
    """How far a run of the matrix is."""

    NEW = auto()
    GOING = auto()
    STANDING = auto()
    KILLED = auto()
    OVER = auto()


@dataclass(slots=True)
class Run:
    """One release of the matrix: killed at a point, or undisturbed without one."""

    scenario: Scenario
    name: str
    point: Point | None = None
    kind: Kill | None = None
    phase: Phase = Phase.NEW
    flow_run: str = ""
    pid: int = 0
    since: float = 0.0
    failed_since: float = 0.0
    is_missed: bool = False
    outcome: Outcome = field(default_factory=dict)
    deviations: list[Deviation] = field(default_factory=list)

    @property
    def armed(self) -> str:
        """Return the name of its boundary's file."""
        return file_name(f"{self.name} | {self.point.boundary}") if self.point else ""


@dataclass(slots=True)
class Result:
    """What the matrix found."""

    points: set[Point] = field(default_factory=set)
    runs: int = 0
    troubles: list[tuple[Run, Deviation]] = field(default_factory=list)
    unreached: list[Run] = field(default_factory=list)
    left_to_person: list[str] = field(default_factory=list)
    cpu_s_per_release: float = 0.0

    def count(self, trouble: Trouble) -> int:
        """Return how many deviations of a kind there are."""
        return sum(deviation.trouble is trouble for _, deviation in self.troubles)

    @property
    def summary(self) -> str:
        """Say it in one line."""
        return f"crash points {len(self.points)}, runs {self.runs}, " + ", ".join(
            f"{trouble} {self.count(trouble)}" for trouble in Trouble
        )

    @property
    def is_good(self) -> bool:
        """Whether every run that was wanted was made and none deviates."""
        return not self.troubles and not self.unreached and self.runs > 0


class Matrix:
    """Makes runs in a station that is up."""

    def __init__(
        self, station: CrashStation, receiver: Receiver, *, jobs: int, is_keeping: bool, say: Say
    ) -> None:
        self.station, self.receiver, self.jobs, self.say = station, receiver, jobs, say
        self.gare = Gare(load_station(station.root))
        self.people = People(self.gare, lambda release: bool(receiver.of(release.project)))
        self.result = Result()
        self._is_keeping, self._count, self._has_barrier = is_keeping, 0, False
        self._wanted: dict[str, Outcome] = {}
        self.undisturbed: dict[str, list[Run]] = {}
        self._templates = station.root / "templates"

    def list_points(self, scenarios: Sequence[Scenario] = SCENARIOS) -> list[Point]:
        """Run each scenario twice undisturbed: its boundaries, and the outcome that is wanted of every run."""
        for scenario in scenarios:
            make_template(scenario, self._templates / scenario.name)
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
            points += self._points(first.scenario, first.name, second.name)
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
        """Read once more how an ended run ended."""
        opened = self.gare.ledger.releases.of_run(run.flow_run)
        assert opened is not None
        return self._read(run, opened)

    def _new(self, scenario: Scenario, point: Point | None = None, kind: Kill | None = None) -> Run:
        self._count += 1
        return Run(scenario, f"shop-{self._count:05d}", point, kind)

    def _points(self, scenario: Scenario, *names: str) -> list[Point]:
        """Return what every one of these projects has passed, as its own trace says, in the order of the first."""
        passed: dict[str, list[str]] = {name: [] for name in names}
        with (self.station.boundaries / "trace").open() as trace:
            for line in trace:
                name, _, boundary = line.rstrip("\n").split("\t")[2].partition(" | ")
                if name in passed:
                    passed[name].append(boundary)
        counts = Counter(passed[names[0]])
        for name in names[1:]:
            counts &= Counter(passed[name])
        return [
            Point(scenario.name, boundary, passage)
            for boundary in dict.fromkeys(passed[names[0]])
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
                self._move(run, is_open.get(run.name))

    def _move(self, run: Run, release: Release | None) -> None:
        if run.phase is Phase.NEW:
            self._begin(run)
            return
        if release is not None:
            # After the kill they answer at once, also while the run is still being brought back.
            self.people.look(release, is_patient=run.phase is Phase.GOING)
        if run.phase is Phase.GOING and run.point:
            self._look_whether_it_stands(run)
        if run.phase is Phase.STANDING:
            if not self._has_barrier:
                self._kill([run])
        elif self._has_ended(run, release):
            self._compare(run)

    def _begin(self, run: Run) -> None:
        folder = self.station.root / "p" / run.name
        if not folder.exists():
            copy_template(self._templates / run.scenario.name, folder)
            text = run.scenario.gare_yaml(run.name, folder, self.receiver.url)
            (self.station.root / "projects" / f"{run.name}.yaml").write_text(text)
            if run.point:
                (self.station.boundaries / "armed" / run.armed).write_text(
                    str(run.point.passage - 1)
                )
            if run.scenario.kind is Kind.ROLLBACK:
                tell_earlier(self.station.root, run.name)
        request: dict[str, Any] = {"project": run.name, "requested_by": "alice"}
        if run.scenario.kind is Kind.ROLLBACK:
            request["environment"] = run.scenario.environments[0]
        if run.scenario.kind is Kind.HOTFIX:
            request["commits"] = [head_of(folder)]
        started = self.gare.engine.start(
            request, deployment=deployment_of(run.scenario.kind), idempotency_key=run.name
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

    def _has_ended(self, run: Run, release: Release | None) -> bool:
        """Tell whether nothing will happen any more; a run that never does so has ended as it stands."""
        now = time.monotonic()
        limit = _END_S if run.phase is Phase.KILLED or not run.point else _REACH_S
        if now - run.since > limit:
            return True
        if release is not None:
            if release.state in (ReleaseState.RUNNING, ReleaseState.WAITING):
                run.failed_since = 0.0
                return False
            run.failed_since = run.failed_since or now
            return now - run.failed_since > _SETTLED_S
        engine_run = self.gare.engine.run(run.flow_run)
        opened = self.gare.ledger.releases.of_run(run.flow_run)
        if opened is None or not opened.is_closed:
            return engine_run.state_name in ("Refused", "NeedsAttention")
        # A run that does not tell the release's end yet is brought on once more by the reconciler.
        return engine_run.state_type != "CRASHED" and is_settled(opened, engine_run)

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
            run.outcome = self._read(run, opened)
            run.deviations += self._judge(run, opened)
        self._note(run)

    def _read(self, run: Run, release: Release) -> Outcome:
        folder = self.station.root / "p" / run.name
        return read_outcome(
            Ended(
                self.gare, release, folder, run.scenario.environments, self.receiver.of(run.name),
                {run.name: "@", f"{release.id}/": "R/", f": {release.id}": ": R", f'"{release.id}"': '"R"',
                 self.receiver.url: "HOOK"},
            )
        )  # fmt: skip

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
        (self.station.root / "projects" / f"{run.name}.yaml").unlink(missing_ok=True)
        if not run.deviations and not self._is_keeping:
            self.receiver.forget(run.name)
            shutil.rmtree(self.station.root / "p" / run.name, ignore_errors=True)


def _scenario(name: str) -> Scenario:
    return next(scenario for scenario in SCENARIOS if scenario.name == name)


def _batches(runs: Sequence[Run], size: int) -> list[list[Run]]:
    return [list(runs[start : start + size]) for start in range(0, len(runs), size)]
