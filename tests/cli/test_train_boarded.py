"""What `gare train` says of departures that have boarded for a slot ahead."""

from itertools import islice

import pytest

from gare.domain.releases import Release, ReleaseState, StepState
from gare.requests import TrainRequest
from gare.wiring import Gare


@pytest.fixture
def slot(station: Gare) -> str:
    timetable = station.station.train("weekly").timetable
    return next(islice(timetable.after(station.ledger.now()), 1)).name


def board(station: Gare, slot: str = "", run: str = "run-1") -> Release:
    """Let a departure have boarded, as its run does."""
    request = TrainRequest(name="weekly", slot=slot)
    digest, plan = station.drafting.make(request)
    return station.ledger.releases.open(digest, plan, run, "alice", "", request.model_dump())


def test_a_slot_that_has_boarded_is_not_boarded_twice(say, station, slot):
    board(station, slot)
    for words in (("weekly",), ("weekly", "--slot", slot)):
        code, said = say("board", *words)
        assert (code, f"weekly has boarded for {slot}: R-1." in said) == (3, True)
    assert "`gare train resume R-1 --without MEMBER`" in said
    assert "`gare cancel R-1`" in said


def test_a_slot_boards_again_once_its_departure_was_cancelled(say, station, slot):
    board(station, slot)
    station.ledger.releases.mark("R-1", ReleaseState.CANCELLED, actor="alice")
    assert "No station is up here." in say("board", "weekly")[1]


def test_who_departs_by_hand_hears_that_a_boarded_departure_goes_first(say, station, slot):
    board(station, slot)
    said = say("depart", "weekly")[1]
    assert f"note: R-1 has boarded and departs at {slot[:10]} 0" in said
    assert "`gare cancel R-1` lets it go now." in said
    for step in ("plan", "leave"):
        station.ledger.releases.begin_step("R-1", step, actor="test")
        station.ledger.releases.end_step("R-1", step, StepState.DONE, value={}, actor="test")
    assert "note:" not in say("depart", "weekly")[1]
