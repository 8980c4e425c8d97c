"""What a train waits for, on a moved clock: its instant, a free place, a person's hold; and what keeps it back."""

from dataclasses import replace
from datetime import timedelta

import pytest
from departing import DEPARTS, SLOT, Departure

from gare.cli.follow import follow
from gare.cli.train_pages import departure_page
from gare.domain.locks import LINE, Priority
from gare.domain.releases import ReleaseState
from gare.domain.waits import Cause, Waited
from gare.explaining import explanation
from gare.lookup import as_now, release_lines
from tasks.leave import kept_back
from tasks.waiting import line_up

GRACE = timedelta(minutes=15)
LOCKS = {LINE, "production"}


@pytest.fixture
def departure(tmp_path, story):
    made = Departure(tmp_path, story, "a", "b", "c", limit=2)
    yield made
    made.ledger.close()


def kept(departure: Departure) -> str:
    return kept_back(departure.ledger, departure.release, departure.plan)


def test_a_train_waits_for_its_departure_and_not_a_moment_longer(departure):
    wait = departure.look("leave")
    assert wait.reason == "leave: its departure at 2026-11-24 09:00 UTC"
    assert wait.wake_at == DEPARTS
    departure.now = DEPARTS
    assert departure.look("leave") is None
    assert kept(departure) == ""


def test_a_slot_is_skipped_and_restored_until_the_departure(departure):
    trains = departure.ledger.trains
    trains.skip("fortnightly", SLOT.name, person="bob", reason="a fair")
    departure.now = DEPARTS
    assert kept(departure) == "skipped by bob: a fair"
    trains.unskip("fortnightly", SLOT.name, person="bob")
    assert kept(departure) == ""


def test_a_train_that_boarded_before_the_schedule_stopped_does_not_depart(departure):
    departure.ledger.trains.stop("fortnightly", "R-1: a failed", actor="gare")
    departure.now = DEPARTS
    assert kept(departure) == "the schedule stands still: R-1: a failed"


def second(departure: Departure, **changes: object):
    """Open a second departure of the same slot; return it with its plan."""
    plan = replace(departure.plan, details={**departure.plan.details, **changes})
    digest = departure.ledger.plans.store(plan)
    return departure.ledger.releases.open(digest, plan, "run-2", "", ""), plan


def test_of_two_that_boarded_for_a_slot_at_once_one_departs(departure):
    later, plan = second(departure)
    assert kept(departure) == ""
    assert kept_back(departure.ledger, later, plan) == "R-1 departs at this slot already"
    departure.mark(departure.release, ReleaseState.REJECTED, "no go")
    assert kept_back(departure.ledger, later, plan) == ""


def test_a_train_that_does_not_depart_ends_without_a_turn_behind_the_one_that_does(departure):
    assert line_up(departure.gare, departure.release, departure.plan) is None
    later, plan = second(departure)
    assert line_up(departure.gare, later, plan) is not None
    late, refused = second(departure, refusal="R-1 departs at this slot already")
    departure.ledger.locks.let_go(late.id)
    assert line_up(departure.gare, late, refused) is None
    assert departure.ledger.locks.place(late.id) is None


def test_a_departure_that_a_station_slept_through_is_missed(departure):
    departure.now = DEPARTS + GRACE
    assert kept(departure) == ""
    departure.now += timedelta(seconds=1)
    assert kept(departure).startswith("missed: it was to depart at 2026-11-24 09:00 UTC")


def test_a_train_that_waited_for_the_one_before_it_departs_late(departure):
    departure.now = DEPARTS + timedelta(hours=5)
    departure.ledger.locks.ask(departure.release.id, {""})
    assert kept(departure) == ""


def test_a_train_that_was_held_by_a_person_departs_late(departure):
    departure.now = DEPARTS + timedelta(hours=5)
    departure.ledger.note(departure.release.id, "departure resumed", "bob", {"reason": ""})
    assert kept(departure) == ""


def test_no_more_than_the_limit_are_on_their_way_at_once(departure):
    departure.done("leave", summary="")
    assert departure.look("depart-a") is None
    assert departure.look("depart-b") is None
    place = "a place: at most 2 are on their way at once"
    assert departure.look("depart-c").reason == f"depart: c waits for {place}"
    assert {one["project"]: one["said"] for one in members(departure)} == {
        "a": "",
        "b": "",
        "c": f"waits for {place}",
    }
    departure.begin("depart-a")
    departure.done("depart-b", run="run-b")
    assert departure.look("depart-c") is not None
    departure.done("arrive-b", release="R-2")
    assert departure.look("depart-c") is None


def test_a_departure_that_is_held_sends_nobody_until_it_is_resumed(departure):
    departure.now = DEPARTS
    departure.ledger.trains.stop(departure.release.id, "held by bob: a strike", actor="bob")
    held = "the train is held by bob: a strike"
    assert departure.look("leave").reason == f"leave: {held}"
    assert departure.look("leave").said.ways == ("`gare train resume R-1`",)
    departure.done("leave", summary="")
    assert departure.look("depart-a").reason == f"leave: {held}"
    departure.ledger.trains.resume(departure.release.id, person="bob")
    assert departure.look("depart-a") is None


def test_a_departure_that_is_held_before_its_instant_says_so_and_not_that_it_goes_on_by_itself(
    departure,
):
    departure.mark(departure.release, ReleaseState.WAITING, waiting=[departure.look("leave").said])
    departure.ledger.trains.stop("R-1", "held by bob: a strike", actor="bob")
    [blocker] = explanation(departure.gare, departure.ledger.releases.get("R-1")).blockers
    assert (blocker.what, blocker.owner) == (
        "The train is held by bob: a strike",
        "who may steer trains",
    )
    assert "`gare train resume R-1`" in blocker.do
    wait = departure.look("leave")
    assert (wait.said.cause, wait.wake_at) == (Cause.HELD, None)
    departure.ledger.trains.resume("R-1", person="bob")
    assert departure.look("leave").wake_at == DEPARTS


def test_a_departure_that_is_held_is_told_once_while_a_member_is_on_its_way(departure):
    departure.done("leave", summary="")
    departure.done("depart-a", run="run-a")
    departure.open("a", "run-a")
    departure.ledger.trains.stop("R-1", "held by bob: a strike", actor="bob")
    waits = [departure.look(step).said for step in ("depart-b", "arrive-a")]
    departure.mark(departure.release, ReleaseState.WAITING, waiting=waits)
    told = explanation(departure.gare, departure.ledger.releases.get("R-1")).blockers
    assert told[0].what == "The train is held by bob: a strike"
    assert sum("held" in one.what for one in told) == 1
    assert len(told) == 2


def test_a_member_that_waits_for_people_is_told_with_its_release(departure):
    departure.done("depart-a", run="run-a")
    own = departure.open("a", "run-a")
    waits = [Waited("1 vote of qa missing", Cause.APPROVALS, "approve-production")]
    departure.mark(own, ReleaseState.WAITING, waiting=waits)
    wait = departure.look("arrive-a")
    assert wait.said == Waited(
        "R-2 of a is waiting for approve-production: 1 vote of qa missing",
        Cause.MEMBERS,
        "arrive-a",
        "R-2",
    )


@pytest.mark.parametrize(
    ("cause", "is_woken"),
    [
        (Cause.APPROVALS, True),
        (Cause.QUEUE, True),
        (Cause.FREEZES, True),
        (Cause.SOAK, False),
        (Cause.SYSTEMS, False),
    ],
)
def test_a_member_that_something_keeps_wakes_its_train_and_one_that_works_does_not(
    departure, cause, is_woken
):
    own = departure.open("a", "run-a")
    departure.mark(departure.release, ReleaseState.WAITING)
    departure.mark(own, ReleaseState.WAITING, waiting=[Waited("something", cause)])
    assert (departure.ledger.releases.get(departure.release.id).wake_at is not None) == is_woken


@pytest.fixture
def overtaken(departure):
    """A member that waits for votes and holds its locks, a hotfix of its project, and the train asleep."""
    departure.done("depart-a", run="run-a")
    own, hotfix = departure.open("a", "run-a"), departure.open("a", "fix", is_of_train=False)
    assert departure.ledger.locks.ask(own.id, LOCKS) is None
    waits = [Waited("1 vote of qa missing", Cause.APPROVALS, "approve-production")]
    departure.mark(own, ReleaseState.WAITING, waiting=waits)
    departure.mark(departure.release, ReleaseState.WAITING)
    return own, hotfix


def is_woken(departure: Departure) -> bool:
    """Tell whether the train was woken, and let it sleep again."""
    found = departure.ledger.releases.get(departure.release.id)
    departure.mark(departure.release, ReleaseState.WAITING)
    return found.wake_at is not None


def test_a_member_that_gives_way_to_a_hotfix_wakes_its_train_and_so_does_its_turn(
    departure, overtaken
):
    own, hotfix = overtaken
    locks = departure.ledger.locks
    assert locks.ask(hotfix.id, LOCKS, priority=Priority.HOTFIX) is None
    assert is_woken(departure)
    queued = f"queued behind {hotfix.id} (a/production and the version line), place 1 of 1"
    assert departure.look("arrive-a").said.what == f"{own.id} of a is {queued}"
    assert locks.ask(own.id, LOCKS) is not None
    assert not is_woken(departure), "its place is the same"
    departure.mark(hotfix, ReleaseState.RELEASED)
    assert locks.ask(own.id, LOCKS) is None
    assert is_woken(departure)
    assert "1 vote of qa missing" in departure.look("arrive-a").said.what


def test_a_member_that_gives_way_between_two_steps_wakes_its_train(departure, overtaken):
    own, hotfix = overtaken
    locks = departure.ledger.locks
    departure.mark(own, ReleaseState.RUNNING)
    assert locks.ask(hotfix.id, LOCKS, priority=Priority.HOTFIX) is not None
    assert not is_woken(departure)
    assert locks.give_way(own.id) is not None
    assert is_woken(departure)


def test_a_member_that_is_behind_another_one_now_wakes_its_train(departure, overtaken):
    _, hotfix = overtaken
    locks, second = departure.ledger.locks, departure.open("a", "fix 2", is_of_train=False)
    for one in (hotfix, second):
        locks.ask(one.id, LOCKS, priority=Priority.HOTFIX)
    assert is_woken(departure)
    departure.mark(hotfix, ReleaseState.RELEASED)
    assert is_woken(departure)
    assert locks.ask(second.id, LOCKS, priority=Priority.HOTFIX) is None
    assert is_woken(departure)
    assert f"queued behind {second.id}" in departure.look("arrive-a").said.what
    departure.mark(second, ReleaseState.RUNNING)
    assert not is_woken(departure)


def test_where_the_members_stand_is_told_with_the_queue_and_not_with_what_they_waited_for_before(
    departure, overtaken
):
    own, hotfix = overtaken
    said = {one["project"]: one["said"] for one in members(departure)}
    assert said["a"] == f"{own.id} is waiting for approve-production: 1 vote of qa missing"
    departure.ledger.locks.ask(hotfix.id, LOCKS, priority=Priority.HOTFIX)
    said = {one["project"]: one["said"] for one in members(departure)}
    queued = f"queued behind {hotfix.id} (a/production and the version line), place 1 of 1"
    assert said["a"] == f"{own.id} is {queued}"


def members(departure: Departure):
    return departure_page(departure.gare, departure.ledger.releases.get("R-1"))["members"]


def test_a_member_whose_run_was_refused_holds_the_train_and_says_why(departure):
    departure.done("depart-a", run="run-a")
    assert departure.look("arrive-a").said.what == "the run of a begins"
    departure.engine.put("run-a", "FAILED", "The repository has uncommitted changes.")
    wait = departure.look("arrive-a")
    assert wait.said.cause is Cause.FAILED
    assert "`gare train resume R-1 --again a`" in wait.said.ways
    assert "The repository has uncommitted changes." in wait.reason
    departure.mark(departure.release, ReleaseState.WAITING, waiting=[wait.said])
    page = departure_page(departure.gare, departure.ledger.releases.get("R-1"))
    assert page["ways_on"] == [
        ["a", "`gare train resume R-1 --again a`, or `gare train resume R-1 --without a`"]
    ]


def waiting_for(departure: Departure, step: str):
    """Let the train go to sleep with what a step waits for; return it."""
    wait = departure.look(step).said
    departure.mark(departure.release, ReleaseState.WAITING, waiting=[wait])
    return wait


def test_a_member_whose_run_has_begun_meanwhile_is_told_as_it_stands_now(departure):
    departure.done("leave", summary="")
    departure.done("depart-a", run="run-a")
    assert waiting_for(departure, "arrive-a").what == "the run of a begins"
    own = departure.open("a", "run-a")
    train = departure.ledger.releases.get("R-1")
    [line] = [one for one in release_lines(departure.ledger, "") if one["id"] == "R-1"]
    assert line["waiting"] == [f"arrive-a: {own.id} of a is running"]
    answer = explanation(departure.gare, train)
    assert answer.sentence == "R-1 waits for its members."
    assert [one.what for one in answer.blockers] == [f"{own.id} moves; nothing is in its way."]
    waits = [Waited("1 vote of qa missing", Cause.APPROVALS, "approve-production")]
    departure.mark(own, ReleaseState.WAITING, waiting=waits)
    assert as_now(departure.ledger, train).waiting == (
        f"arrive-a: {own.id} of a is waiting for approve-production: 1 vote of qa missing",
    )


def test_members_without_a_place_are_named_the_first_few(tmp_path, story):
    names = [f"m{number}" for number in range(8)]
    departure = Departure(tmp_path, story, *names, limit=1)
    departure.done("leave", summary="")
    assert departure.look("depart-m3").said.what == (
        "m1, m2, m3, m4, m5 and 2 more wait for a place: at most 1 is on their way at once"
    )
    departure.ledger.close()


def test_following_a_train_until_it_waits_returns_when_a_member_is_queued(
    departure, overtaken, capsys
):
    own, hotfix = overtaken
    departure.ledger.locks.ask(hotfix.id, LOCKS, priority=Priority.HOTFIX)
    departure.mark(own, ReleaseState.WAITING, waiting=[Waited("its turn", Cause.QUEUE)])
    waits = [departure.look("arrive-a").said]
    departure.mark(departure.release, ReleaseState.WAITING, waiting=waits)
    assert follow(departure.gare, "R-1", until_waiting=True) == 0
    assert f"{own.id} of a is queued behind {hotfix.id}" in capsys.readouterr().out
