"""A vendor that is away for an hour, on a moved clock: what is planned, boards or is told then goes on when it is back.

The engine is a name and a state: a run that ends is looked at by the reconciler's own rescuer, and begins again.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from jira_project import SEED, Repository
from prefect.logging import disable_run_logger
from sandbox import Served, sandboxed

from flows.course import _name
from gare.clock import VARIABLE, now
from gare.domain.plan import Plan
from gare.engine import UNAVAILABLE, Run
from gare.errors import GareError
from gare.files import write_atomic
from gare.requests import ReleaseRequest, Request, TrainRequest
from gare.rescue import Rescuer
from gare.sandbox.clock import Clock
from gare.wiring import Gare, open_gare
from tasks.away import unless_away
from tasks.plan import plan_first
from tasks.step import AskAgain, Work
from tasks.tickets import tell

START = datetime(2026, 11, 24, 7, 0, 2, tzinfo=UTC)
HOUR, TICK = timedelta(hours=1), timedelta(seconds=10)
RUN = "run-1"
TRAIN = """
name: weekly
members: [shop]
schedule: {{cron: "0 10 * * 2", zone: Europe/Paris}}
cut_off: 2h
grace: {grace}
"""


class Engine:
    """The engine, as far as a run that is being planned needs one."""

    def __init__(self) -> None:
        self.run = Run(RUN, "release shop", "SCHEDULED", "Scheduled", "")
        self.turns = 0

    def put(self, state: str, name: str = "", message: str = "") -> None:
        self.run = Run(RUN, "release shop", state, name or state.capitalize(), message)

    def retry(self, _run: str) -> None:
        self.put("SCHEDULED")

    def rename(self, *_args: object) -> None: ...

    def publish(self, *_args: object) -> None: ...


class Afternoon:
    """A station whose clock is moved, with its one run."""

    def __init__(self, clock: Path, gare: Gare) -> None:
        self._clock, self.gare, self.engine = clock, gare, Engine()
        self.gare.__dict__["engine"] = self.engine
        self._rescuer = Rescuer(gare)

    def pass_by(self, length: timedelta) -> None:
        write_atomic(self._clock, (now() + length).isoformat())

    def live(self, request: Request, length: timedelta) -> None:
        """Let the run be planned whenever the engine has it scheduled, until it is, or for so long."""
        end = now() + length
        while now() < end and self.engine.run.state_type != "COMPLETED":
            if self.engine.run.state_type == "SCHEDULED":
                self._turn(request)
            self._rescuer.look([self.engine.run])
            self.pass_by(TICK)

    def _turn(self, request: Request) -> None:
        self.engine.turns += 1
        try:
            with disable_run_logger():
                plan_first.fn(request.kind.value, request.model_dump(mode="json"), RUN)
        except GareError as error:
            self.engine.put("FAILED", _name(error), str(error))
        else:
            self.engine.put("COMPLETED")

    def plan(self) -> Plan:
        release = self.gare.ledger.releases.of_run(RUN)
        assert release is not None
        return self.gare.plan(release.plan)


@pytest.fixture
def clock(tmp_path, monkeypatch) -> Path:
    file = tmp_path / "clock"
    file.write_text(START.isoformat())
    monkeypatch.setenv(VARIABLE, str(file))
    return file


@pytest.fixture
def jira(clock) -> Iterator[Served]:
    with sandboxed({"jira": SEED}, clock=Clock(now)) as served:
        yield served
        assert served.invalid() == []


@pytest.fixture
def afternoon(tmp_path, jira, clock, monkeypatch) -> Iterator[Callable[[str], Afternoon]]:
    repository = Repository(tmp_path, f"{jira.url}/jira")
    station = tmp_path / "station.yaml"
    text = station.read_text().replace("token: 'file:token'", "token: 'file:token', patience: 0s")
    station.write_text(text + "rescue: {quiet: 10ms, attempts: 2}\n")
    monkeypatch.setenv("GARE_STATION", str(tmp_path))
    open_gare.cache_clear()

    def begin(grace: str = "15m") -> Afternoon:
        (repository.root / "trains").mkdir()
        (repository.root / "trains" / "weekly.yaml").write_text(TRAIN.format(grace=grace))
        return Afternoon(clock, open_gare())

    yield begin
    open_gare.cache_clear()


def test_a_release_is_planned_when_the_vendor_is_back_after_an_hour(afternoon, jira):
    station = afternoon()
    jira.fail("status", status=503, for_s=HOUR.total_seconds())
    station.live(ReleaseRequest(project="shop"), HOUR - TICK)
    (kept,) = station.gare.ledger.rescues.unopened(now() - timedelta(minutes=10))
    assert kept.name == "run release shop"
    assert kept.reason.startswith("Jira cannot be used now: it answered 503. (Jira http")
    assert station.engine.run.state_name == UNAVAILABLE
    station.live(ReleaseRequest(project="shop"), timedelta(minutes=6))
    assert station.plan().version == "1.1.0"
    assert station.gare.ledger.rescues.get(RUN).attempts == 0
    assert station.engine.turns < 40


@pytest.mark.parametrize(
    ("grace", "members", "refusal"),
    [
        ("15m", [], "missed: it was to depart at 2026-11-24 09:00 UTC and could not board: Jira "),
        ("3h", ["shop"], ""),
    ],
)
def test_a_train_boards_when_the_vendor_is_back_or_is_missed_with_the_reason(
    afternoon, jira, grace, members, refusal
):
    station = afternoon(grace)
    jira.fail("status", status=503, for_s=3 * HOUR.total_seconds())
    station.live(TrainRequest(name="weekly", slot="timetable"), 3 * HOUR + timedelta(minutes=6))
    details = station.plan().details
    assert [one["project"] for one in details["members"]] == members
    assert details["refusal"].startswith(refusal)
    assert bool(details["refusal"]) == bool(refusal)


def test_a_step_goes_on_when_the_vendor_is_back_after_an_hour(afternoon, jira):
    station = afternoon()
    gare, request = station.gare, ReleaseRequest(project="shop")
    digest, plan = gare.drafting.make(request)
    release = gare.ledger.releases.open(digest, plan, RUN, "", "", {"project": "shop"})
    jira.fail("status", status=503, for_s=HOUR.total_seconds())
    began, waits = now(), []
    for attempt in range(1, 1000):
        work = Work(gare, release, plan, plan.step("tickets"), attempt, lambda _line: None)
        value = unless_away(work, lambda work=work: tell(work))
        if not isinstance(value, AskAgain):
            break
        waits.append(value.at - now())
        station.pass_by(waits[-1])
    assert value["tickets"] == ["SHOP-1"]
    assert HOUR <= now() - began <= HOUR + timedelta(minutes=1)
    assert (waits[0], waits[-1]) == (timedelta(seconds=5), timedelta(minutes=1))
    assert jira.sandbox.vendors["jira"].state.issues["SHOP-1"].comments
