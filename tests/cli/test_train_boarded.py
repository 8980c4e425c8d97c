"""What `gare train` says of departures that have boarded for a slot ahead."""

import json
from itertools import islice

import pytest
from weekly import TRAIN

from gare.cli.app import run
from gare.config.loader import load_station
from gare.departures import kept_now, outdated
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


def test_a_plan_for_a_slot_that_has_boarded_is_not_departed_by(say, station, slot):
    digest = board(station, slot).plan
    code, said = say("depart", "weekly", "--plan", digest)
    assert (code, f"weekly has boarded for {slot}: R-1." in said) == (3, True)


def change(station: Gare, old: str, new: str) -> None:
    """Let somebody change the train's file."""
    file = station.station.root / "trains" / "weekly.yaml"
    file.write_text(TRAIN.replace(old, new))


STAYS = "R-1 has boarded for {} of weekly and departs as it boarded (api, web); `gare cancel R-1` ends it"


@pytest.mark.parametrize(
    ("old", "new"),
    [("0 10 * * 2", "0 11 * * 3"), ("members: [web, api]\nneeds: {web: [api]}", "members: [api]")],
)
def test_who_changes_the_file_hears_that_a_departure_has_boarded_and_departs_as_it_did(
    say, station, slot, old, new
):
    board(station, slot)
    assert "has boarded" not in say("status", "weekly")[1]
    change(station, old, new)
    assert STAYS.format(slot) in say("status", "weekly")[1]
    assert list(outdated(Gare(load_station()))) == [STAYS.format(slot)]


def test_a_departure_whose_file_is_gone_departs_and_that_is_told_until_it_has(station, slot):
    board(station, slot)
    (station.station.root / "trains" / "weekly.yaml").unlink()
    assert list(outdated(Gare(load_station()))) == [STAYS.format(slot)]
    for step in ("plan", "leave"):
        station.ledger.releases.begin_step("R-1", step, actor="test")
        station.ledger.releases.end_step("R-1", step, StepState.DONE, value={}, actor="test")
    assert list(outdated(Gare(load_station()))) == []


def test_a_slot_that_has_boarded_is_skipped_and_restored_though_the_timetable_has_it_no_more(
    say, station, slot
):
    board(station, slot)
    change(station, "0 10 * * 2", "0 11 * * 3")
    departure = station.ledger.releases.get("R-1")
    plan = station.plan(departure.plan)
    assert say("skip", "weekly", slot, "--reason", "a fair")[0] == 0
    assert kept_now(station.ledger, departure, plan).said == "skipped by alice: a fair"
    assert say("unskip", "weekly", slot) == (0, f"weekly departs at {slot}.\n")
    assert kept_now(station.ledger, departure, plan) is None
    station.ledger.releases.mark("R-1", ReleaseState.CANCELLED, actor="alice")
    code, said = say("skip", "weekly", slot)
    assert (code, f"weekly has no departure at {slot} ahead." in said) == (3, True)


def test_a_departure_that_boards_anew_keeps_its_instant_though_the_file_has_another_zone(
    station, slot
):
    before = station.plan(board(station, slot).plan)
    change(station, "Europe/Paris", "Asia/Tokyo")
    _, anew = Gare(load_station()).drafting.board_anew(before, {"web": "left out by bob"})
    assert anew.details["slot"] == before.details["slot"]


def test_a_held_departure_is_marked_where_trains_are_listed_until_it_goes_on(say, station, slot):
    board(station, slot)
    say("hold", "R-1", "--reason", "the bridge is closed")
    assert "R-1 (held)" in say("list")[1]
    assert "running (held)" in say("status", "weekly")[1]
    said = say("status", "R-1")[1]
    assert "\nheld by alice: the bridge is closed; gare train resume R-1\n" in said
    station.ledger.releases.mark("R-1", ReleaseState.CANCELLED, actor="alice")
    assert "(held)" not in say("list")[1] + say("status", "weekly")[1]
    assert "held by" not in say("status", "R-1")[1]


def test_why_a_train_does_not_depart_can_be_asked(say, station, slot, capsys):
    say("skip", "weekly", slot, "--reason", "a fair")
    assert run(["why", "weekly"]) in (0, None)
    said = capsys.readouterr().out
    assert said.startswith("weekly departs next at ")
    assert f"1. {slot} is skipped by alice: a fair\n" in said
    assert f"do:   `gare train unskip weekly {slot}`" in said
    run(["why", "weekly", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["train"], len(told["blockers"])) == ("weekly", 1)


def test_the_status_of_a_departure_has_no_blank_words_for_a_commit(station, slot, capsys):
    board(station, slot)
    run(["status", "R-1"])
    assert capsys.readouterr().out.splitlines()[1].startswith("requested by alice, opened ")
