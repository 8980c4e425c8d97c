"""What the places of a train's announcements hear, each once: notice, corrections, holds, no-go, arrival."""

import json
from dataclasses import replace

import pytest
from departing import DEPARTS, SLOT, Departure

from gare.cli.train_pages import departure_page
from gare.debts import pay
from gare.departures import TAKEN_OFF
from gare.domain.approvals import Answer, Voter
from gare.domain.manifest import Manifest
from gare.domain.releases import ReleaseState, StepState
from gare.domain.waits import Cause, Waited
from tasks.arrival import welcome
from tasks.close import finish
from tasks.leave import depart_or_end
from tasks.news import tell_news
from tasks.notice import give
from tasks.step import AskAgain

TOLD = [{"type": "file", "path": "told.md"}]


@pytest.fixture
def departure(tmp_path, story):
    made = Departure(
        tmp_path, story, "api", "web", announce=TOLD, title="Weekly", cut_off="2h", notice="1h",
        needs={"web": ["api"]}, go={"groups": {"managers": 1}},
    )  # fmt: skip
    yield made
    made.ledger.close()


def headings(departure: Departure) -> list[str]:
    """Return the subjects of all that was told, in order."""
    return [line[2:] for line in departure.told().splitlines() if line.startswith("# Weekly")]


def waiting(departure: Departure, *waits: Waited) -> None:
    """Let the train go to sleep, and tell what there is to tell."""
    mark = departure.ledger.releases.mark
    departure.release = mark(
        departure.release.id, ReleaseState.WAITING, actor="gare", waiting=waits
    )
    assert tell_news(departure.gare, departure.release) == []


def test_a_notice_tells_who_departs_and_when(departure):
    give(departure.work("notice"))
    assert headings(departure) == ["Weekly departs at 2026-11-24 09:00 UTC"]
    assert "- api 1.4.0\n- web 1.4.0\n" in departure.told()


def test_no_notice_is_given_of_a_departure_that_is_skipped(departure):
    departure.ledger.trains.skip("fortnightly", SLOT.name, person="bob", reason="a fair")
    assert give(departure.work("notice")) == {"summary": "not told: skipped by bob: a fair"}
    assert departure.told() == ""


def test_a_departure_that_is_skipped_after_its_notice_is_corrected_at_once_and_restored(departure):
    give(departure.work("notice"))
    trains = departure.ledger.trains
    trains.skip("fortnightly", SLOT.name, person="bob", reason="a fair")
    waiting(departure, Waited("its departure", Cause.TIMETABLE, "leave"))
    waiting(departure, Waited("its departure", Cause.TIMETABLE, "leave"))
    assert headings(departure)[1:] == [f"Weekly of {SLOT.name} does not depart"]
    assert "skipped by bob: a fair" in departure.told()
    trains.unskip("fortnightly", SLOT.name, person="bob")
    waiting(departure)
    assert headings(departure)[2:] == [f"Weekly of {SLOT.name} departs after all"]


def test_what_was_told_as_skipped_is_not_told_again_at_the_departure(departure):
    departure.ledger.trains.skip("fortnightly", SLOT.name, person="bob", reason="a fair")
    waiting(departure)
    departure.now = DEPARTS
    depart_or_end(departure.work("leave"))
    assert headings(departure) == [f"Weekly of {SLOT.name} does not depart"]
    assert departure.ledger.releases.get("R-1").end == "does not depart: skipped by bob: a fair"


def test_a_missed_departure_is_told(departure):
    departure.now = DEPARTS.replace(hour=20)
    depart_or_end(departure.work("leave"))
    assert headings(departure) == [f"Weekly of {SLOT.name} does not depart"]
    assert "missed: it was to depart at 2026-11-24 09:00 UTC" in departure.told()


def test_a_train_is_told_to_be_held_once_for_each_failure_and_for_a_person(departure):
    departure.done("leave", summary="")
    failed = Waited("api has failed", Cause.FAILED, "arrive-api", "R-2", ("`gare resume R-2`",))
    waiting(departure, failed)
    waiting(departure, failed, Waited("R-3 of web is running", Cause.MEMBERS, "arrive-web", "R-3"))
    assert headings(departure) == [f"Weekly of {SLOT.name} is held: api has failed"]
    assert "gare resume" not in departure.told(), "these words are for the people here"
    departure.ledger.trains.stop("R-1", "held by bob: a strike", actor="bob")
    waiting(departure, failed)
    assert headings(departure)[1:] == [f"Weekly of {SLOT.name} is held"]


FAILED = Waited("api has failed", Cause.FAILED, "arrive-api", "R-2")


def test_who_heard_of_a_hold_hears_that_it_is_over_and_of_the_next_one(departure):
    departure.done("leave", summary="")
    own = departure.open("api", "run-api")
    moves = Waited("R-2 of api is running", Cause.MEMBERS, "arrive-api", "R-2")
    for _ in range(2):
        departure.mark(own, ReleaseState.FAILED, "step build failed")
        waiting(departure, FAILED)
        departure.mark(own, ReleaseState.RUNNING)
        waiting(departure, moves)
        waiting(departure, moves)
    name = f"Weekly of {SLOT.name}"
    assert headings(departure) == 2 * [f"{name} is held: api has failed", f"{name} goes on"]


def test_a_train_that_was_never_held_goes_on_without_a_word(departure):
    waiting(departure, Waited("R-2 of api is running", Cause.MEMBERS, "arrive-api", "R-2"))
    assert headings(departure) == []


def cancelled(departure: Departure, end: str = "cancelled by bob: a fair"):
    """Let the train be cancelled; pay what it owes, twice."""
    departure.mark(departure.release, ReleaseState.CANCELLED, end)
    ended = departure.ledger.releases.get("R-1")
    assert [pay(departure.gare, ended) for _ in range(2)] == 2 * [([], False)]


def test_who_heard_of_a_train_hears_that_it_was_cancelled_and_why(departure):
    departure.done("leave", summary="")
    waiting(departure, FAILED)
    cancelled(departure)
    assert headings(departure)[1:] == [f"Weekly of {SLOT.name} is cancelled"]
    assert "cancelled by bob: a fair" in departure.told()


def test_nobody_hears_of_the_cancelling_of_a_train_that_nobody_has_heard_of(departure):
    cancelled(departure)
    assert headings(departure) == []


def test_a_train_that_does_not_depart_is_not_told_to_be_cancelled_as_well(departure):
    give(departure.work("notice"))
    cancelled(departure, "does not depart: skipped by bob")
    assert len(headings(departure)) == 1


def test_a_no_go_is_told_with_what_was_said(departure):
    rule, wanted = departure.plan.approvals[0], Manifest("sha256:x", {}, {})
    departure.ledger.approvals.ask("R-1", rule, wanted)
    bob = Voter("bob", frozenset({"managers"}), frozenset({"bob@example.org"}))
    departure.ledger.approvals.vote(
        "R-1", rule, bob, Answer.REJECT,
        manifest=wanted.digest, comment="marketing is not ready", authors=(),
    )  # fmt: skip
    departure.mark(departure.release, ReleaseState.REJECTED, "departure: rejected by bob")
    rejected = departure.ledger.releases.get("R-1")
    for _ in range(2):
        tell_news(departure.gare, rejected)
    assert headings(departure) == [f"Weekly of {SLOT.name} does not depart: no go"]
    assert "departure: rejected by bob\nbob said: marketing is not ready\n" in departure.told()
    assert departure_page(departure.gare, rejected)["objections"] == [
        "bob said: marketing is not ready"
    ]


def test_a_place_that_is_away_is_named_and_hears_it_later(departure):
    folder = departure.root / "told.md"
    folder.mkdir()
    departure.done("leave", summary="")
    failed = Waited("api has failed", Cause.FAILED, "arrive-api", "R-2")
    mark = departure.ledger.releases.mark
    held = mark("R-1", ReleaseState.WAITING, actor="gare", waiting=[failed])
    [problem] = tell_news(departure.gare, held)
    assert "has not heard: Weekly" in problem
    folder.rmdir()
    assert tell_news(departure.gare, held) == []
    assert headings(departure) == [f"Weekly of {SLOT.name} is held: api has failed"]


def test_what_a_place_has_not_heard_keeps_no_train_from_its_end(departure):
    (departure.root / "told.md").mkdir()
    departure.done("leave", summary="")
    failed = Waited("api has failed", Cause.FAILED, "arrive-api", "R-2")
    mark = departure.ledger.releases.mark
    tell_news(departure.gare, mark("R-1", ReleaseState.WAITING, actor="gare", waiting=[failed]))
    mark("R-1", ReleaseState.RUNNING, actor="gare")
    finish(departure.work("close"))
    last = departure.ledger.database.events("R-1")[-1]
    assert (last.kind, json.loads(last.body)["target"]) == (
        "effect withdrawn",
        "file told.md, held by R-2",
    )


def test_an_arrival_tells_notes_who_is_missing_and_the_figures(departure):
    departure.arrive("api")
    own = departure.ledger.releases.get("R-2")
    departure.ledger.note(own.id, "release waiting", "gare", {"causes": ["approvals"]})
    departure.done("arrive-web", left="web is bad", failed=True, keeps=True)
    value = welcome(departure.work("arrival"))
    told = departure.told()
    assert headings(departure) == [f"Weekly of {SLOT.name} has arrived"]
    assert "- Not on board: web (web is bad)." in told
    assert "- Lead time: " in told
    assert "- Waited for, all members together: nothing." in told
    assert value["arrived"] == {"api": "1.4.0"}
    assert value["waiting_s"] == {}


def test_a_train_that_boards_anew_gives_its_notice_anew(departure):
    give(departure.work("notice"))
    departure.ledger.note("R-1", TAKEN_OFF, "bob", {"member": "web", "reason": "left out by bob"})
    assert departure.look("leave").said.what == "it boards anew without web"
    assert isinstance(depart_or_end(departure.work("leave")), AskAgain)
    plan = replace(departure.plan, warnings=("web is left out",))
    departure.end("go", StepState.DONE, summary="")
    departure.ledger.releases.replan(
        "R-1", departure.ledger.plans.store(plan), plan, {}, reason="web was left out by bob",
        anew=("notice", "go", "leave"),
    )  # fmt: skip
    assert set(departure.ledger.releases.steps("R-1")) <= {"plan"}
    departure.plan = plan
    give(departure.work("notice"))
    assert len(headings(departure)) == 2
