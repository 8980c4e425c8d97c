"""What a train waits for, on a moved clock: its instant, a free place, a person's hold; and what keeps it back."""

from datetime import UTC, datetime, timedelta

import pytest

from gare.config.loader import load_station
from gare.config.trains import TrainConfig
from gare.domain.releases import StepState
from gare.domain.timetable import Slot
from gare.ledger.ledger import Ledger
from gare.planning.train import Candidate, Ready, make_train
from gare.wiring import Gare
from tasks.leave import kept_back
from tasks.train_waits import look_at_train
from tasks.wait import Sight

DEPARTS = datetime(2026, 11, 24, 9, tzinfo=UTC)
SLOT = Slot("2026-11-24T1000", DEPARTS - timedelta(hours=2), DEPARTS)
GRACE = timedelta(minutes=15)


class Departure:
    """A boarded train of three members in a ledger whose clock is moved by hand."""

    def __init__(self, root, story) -> None:
        (root / "station.yaml").write_text("name: station\n")
        self.now = SLOT.boards_at
        self.ledger = Ledger(f"sqlite:///{root / 'ledger.db'}", clock=lambda: self.now)
        self.gare = Gare(load_station(root))
        self.gare.__dict__["ledger"] = self.ledger
        config = TrainConfig(name="fortnightly", members=("a", "b", "c"), limit=2)
        ready = [
            Candidate(name, Ready(f"sha256:{name}", story.make_plan(project=name)))
            for name in "abc"
        ]
        self.plan = make_train(config, SLOT, ready, is_scheduled=True)
        digest = self.ledger.plans.store(self.plan)
        self.release = self.ledger.releases.open(digest, self.plan, "run-1", "alice", "")

    def look(self, step: str):
        return look_at_train(Sight(self.gare, self.release), self.plan, self.plan.step(step))

    def done(self, step: str, **value: object) -> None:
        self.begin(step)
        self.ledger.releases.end_step(
            self.release.id, step, StepState.DONE, value=value, actor="test"
        )

    def begin(self, step: str) -> None:
        self.ledger.releases.begin_step(self.release.id, step, actor="test")

    def kept_back(self) -> str:
        return kept_back(self.ledger, self.release, self.plan)


@pytest.fixture
def departure(tmp_path, story):
    made = Departure(tmp_path, story)
    yield made
    made.ledger.close()


def test_a_train_waits_for_its_departure_and_not_a_moment_longer(departure):
    wait = departure.look("leave")
    assert wait.reason == "leave: its departure at 2026-11-24 09:00 UTC"
    assert wait.wake_at == DEPARTS
    departure.now = DEPARTS
    assert departure.look("leave") is None
    assert departure.kept_back() == ""


def test_a_slot_is_skipped_and_restored_until_the_departure(departure):
    trains = departure.ledger.trains
    trains.skip("fortnightly", SLOT.name, person="bob", reason="a fair")
    departure.now = DEPARTS
    assert departure.kept_back() == "skipped by bob: a fair"
    trains.unskip("fortnightly", SLOT.name, person="bob")
    assert departure.kept_back() == ""


def test_a_train_that_boarded_before_the_schedule_stopped_does_not_depart(departure):
    departure.ledger.trains.stop("fortnightly", "R-1: a failed", actor="gare")
    departure.now = DEPARTS
    assert departure.kept_back() == "the schedule stands still: R-1: a failed"


def test_a_departure_that_a_station_slept_through_is_missed(departure):
    departure.now = DEPARTS + GRACE
    assert departure.kept_back() == ""
    departure.now += timedelta(seconds=1)
    assert departure.kept_back().startswith("missed: it was to depart at 2026-11-24 09:00 UTC")


def test_a_train_that_waited_for_the_one_before_it_departs_late(departure):
    departure.now = DEPARTS + timedelta(hours=5)
    departure.ledger.locks.ask(departure.release.id, {""})
    assert departure.kept_back() == ""


def test_a_train_that_was_held_by_a_person_departs_late(departure):
    departure.now = DEPARTS + timedelta(hours=5)
    departure.ledger.note(departure.release.id, "departure resumed", "bob", {"reason": ""})
    assert departure.kept_back() == ""


def test_no_more_than_the_limit_are_on_their_way_at_once(departure):
    departure.done("leave", summary="")
    assert departure.look("depart-a") is None
    assert departure.look("depart-b") is None
    assert departure.look("depart-c").reason == "depart: a place; 2 are on their way at once"
    departure.begin("depart-a")
    departure.done("depart-b", run="run-b")
    assert departure.look("depart-c") is not None
    departure.done("arrive-b", release="R-2")
    assert departure.look("depart-c") is None


def test_a_departure_that_is_held_sends_nobody_until_it_is_resumed(departure):
    departure.now = DEPARTS
    departure.ledger.trains.stop(departure.release.id, "held by bob: a strike", actor="bob")
    held = "the train is held: held by bob: a strike (gare train resume R-1)"
    assert departure.look("leave").reason == f"leave: {held}"
    departure.done("leave", summary="")
    assert departure.look("depart-a").reason == f"leave: {held}"
    departure.ledger.trains.resume(departure.release.id, person="bob")
    assert departure.look("depart-a") is None
