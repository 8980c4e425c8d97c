"""A train that has boarded, in a ledger whose clock is moved by hand, with an engine that only remembers."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gare.config.loader import load_station
from gare.config.trains import TrainConfig
from gare.domain.plan import Kind
from gare.domain.releases import Release, ReleaseState, StepState
from gare.domain.timetable import Slot
from gare.errors import Unavailable
from gare.ledger.ledger import Ledger
from gare.planning.train import make_train
from gare.planning.train_steps import Candidate, Ready
from gare.run_lists import Run
from gare.wiring import Gare
from tasks.step import Work
from tasks.train_waits import look_at_train
from tasks.wait import Sight

DEPARTS = datetime(2026, 11, 24, 9, tzinfo=UTC)
SLOT = Slot("2026-11-24T1000", DEPARTS - timedelta(hours=2), DEPARTS)


class Engine:
    """An engine that starts what it is told to, and ends nothing by itself."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.started: list[dict[str, Any]] = []
        self.cancelled: list[str] = []

    def start(self, request, *, deployment, idempotency_key="") -> Run:
        self.started.append({"deployment": deployment, "key": idempotency_key, **request})
        return self.put(f"run-of-{idempotency_key.replace(' ', '-')}", "RUNNING")

    def put(self, run_id: str, state: str, message: str = "") -> Run:
        self.runs[run_id] = Run(run_id, run_id, state, state.capitalize(), message)
        return self.runs[run_id]

    def run(self, run_id: str) -> Run:
        return self.runs.get(run_id) or self.put(run_id, "RUNNING")

    def cancel(self, run_id: str, *, has_process: bool = True) -> None:
        self.cancelled.append(run_id)

    def publish(self, *_: object) -> None:
        """Show a page to nobody."""

    def schedules(self, _deployment: str) -> list:
        raise Unavailable("The engine is away.")


class Departure:
    """A boarded train: its steps are done by hand, and its members' releases opened by hand."""

    def __init__(self, root, story, *names: str, is_scheduled: bool = True, **config: object):
        (root / "station.yaml").write_text("name: station\n")
        self.now, self.story, self.root = SLOT.boards_at, story, root
        self.ledger = Ledger(f"sqlite:///{root / 'ledger.db'}", clock=lambda: self.now)
        self.gare, self.engine = Gare(load_station(root)), Engine()
        self.gare.__dict__.update(ledger=self.ledger, engine=self.engine)
        fields = {"name": "fortnightly", "members": names, **config}
        self.config = TrainConfig.model_validate(fields)
        ready = [Candidate(name, Ready(*self.store(name))) for name in names]
        self.plan = make_train(self.config, SLOT, ready, is_scheduled=is_scheduled)
        digest = self.ledger.plans.store(self.plan)
        self.release = self.ledger.releases.open(digest, self.plan, "run-1", "alice", "")

    def store(self, name: str, **changes: object):
        plan = self.story.make_plan(
            project=name, title=name, environments=("production",), **changes
        )
        return self.ledger.plans.store(plan), plan

    def look(self, step: str):
        return look_at_train(Sight(self.gare, self.release), self.plan, self.plan.step(step))

    def work(self, step: str) -> Work:
        self.release = self.ledger.releases.get(self.release.id)
        planned = self.plan.step(step)
        return Work(self.gare, self.release, self.plan, planned, 1, lambda _line: None)

    def done(self, step: str, **value: object) -> None:
        self.end(step, StepState.DONE, **value)

    def end(self, step: str, state: StepState, **value: object) -> None:
        self.begin(step)
        self.ledger.releases.end_step(self.release.id, step, state, value=value, actor="test")

    def begin(self, step: str) -> None:
        self.ledger.releases.begin_step(self.release.id, step, actor="test")

    def open(
        self, name: str, run: str, *, kind: Kind = Kind.RELEASE, is_of_train: bool = True
    ) -> Release:
        """Open a release of a member, or its rollback."""
        digest, plan = self.store(name, kind=kind)
        request = {"train": self.release.id if is_of_train else ""}
        return self.ledger.releases.open(digest, plan, run, "", "", request)

    def mark(self, release: Release, state: ReleaseState, end: str = "", waiting=()) -> Release:
        return self.ledger.releases.mark(release.id, state, actor="test", end=end, waiting=waiting)

    def arrive(self, name: str) -> Release:
        """Let a member arrive: its version is verified good in production."""
        own = self.open(name, f"run-{name}")
        self.ledger.set_verified(own.id, name, "production", own.version)
        own = self.mark(own, ReleaseState.RELEASED)
        self.done(f"depart-{name}", run=f"run-{name}")
        self.done(f"arrive-{name}", release=own.id, version=own.version)
        return own

    def fail(self, name: str) -> Release:
        """Let a member fail, as a train notes it that does not hold."""
        own = self.mark(self.open(name, f"run-{name}"), ReleaseState.CANCELLED, "it is bad")
        self.done(f"depart-{name}", run=f"run-{name}")
        self.done(f"arrive-{name}", left="it is bad", failed=True, keeps=True)
        return own

    def told(self) -> str:
        """Return what a place of the kind `file` has heard."""
        file = self.root / "told.md"
        return file.read_text() if file.exists() else ""
