"""Boarding: which departure it is, who is planned, and when nobody is planned at all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from gare.config.train_files import Train
from gare.config.trains import TrainConfig, timetable_of
from gare.domain.releases import ReleaseState
from gare.errors import (
    ConfigError,
    LedgerAway,
    NothingToRelease,
    RateLimited,
    Refused,
    Unavailable,
)
from gare.ledger.ledger import Ledger
from gare.planning.boarding import Members, board, board_anew
from gare.planning.train_steps import Named
from gare.ports.tracker import Ticket
from gare.requests import TrainRequest

TUESDAY = datetime(2026, 11, 24, 7, 0, 2, tzinfo=UTC)


class Station:
    """A train of two members, on a clock that is moved by hand."""

    def __init__(self, folder: Path, story) -> None:
        self.now, self.story = TUESDAY, story
        self.ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", clock=lambda: self.now)
        self.planned: list[str] = []
        self.errors: dict[str, Exception] = {}
        self.tickets: dict[str, list[Ticket]] = {}
        self.asked: list[str] = []
        self.away = False
        self.meeting: Barrier | None = None
        self.unsettled: dict[str, str] = {}
        self.unknown: dict[str, str] = {}

    def plan_release(self, request):
        if self.meeting:
            self.meeting.wait()
        self.planned.append(f"{request.project} {request.ref[:3]}".strip())
        if request.project in self.errors:
            raise self.errors[request.project]
        plan = self.story.make_plan(project=request.project)
        return self.ledger.plans.store(plan), plan

    def tickets_of(self, project, scope):
        if self.away:
            raise Unavailable("Jira does not answer.")
        self.asked.append(scope.version or scope.sprint)
        return self.tickets.get(project, [])

    def members(self) -> Members:
        return Members(
            self.plan_release,
            self.tickets_of,
            lambda project: self.unsettled.get(project, ""),
            lambda _project, version: Named(version, {"type": "jira"}),
            lambda project, version: f"{project} {version}",
            lambda project, _version: self.unknown.get(project, ""),
        )

    def train(self, **more: object) -> Train:
        fields = {
            "name": "weekly",
            "members": ("api", "web"),
            "schedule": {"cron": "0 10 * * 2", "zone": "Europe/Paris"},
            "cut_off": timedelta(hours=2),
        }
        config = TrainConfig.model_validate({**fields, **more})
        return Train(config, Path("weekly.yaml"), config.members, timetable_of(config))

    def board(
        self,
        slot: str = "timetable",
        *,
        is_preview: bool = False,
        at_once: int = 1,
        kept_by: str = "",
        **more: object,
    ):
        request = TrainRequest(name="weekly", slot=slot)
        train, look = self.train(**more), replace(self.members(), at_once=at_once)
        return board(train, request, self.ledger, look, is_preview=is_preview, kept_by=kept_by)

    def boarded(self):
        """Return the plan of a train on which both are."""
        errors, self.errors = self.errors, {}
        plan = self.board()
        self.errors = errors
        return plan


@pytest.fixture
def station(tmp_path, story):
    made = Station(tmp_path, story)
    yield made
    made.ledger.close()


def members(plan) -> list[str]:
    return [one["project"] for one in plan.details["members"]]


def left_out(plan) -> dict[str, str]:
    return {one["project"]: one["reason"] for one in plan.details["left_out"]}


def test_the_schedule_boards_the_departure_whose_boarding_ends_now(station):
    plan = station.board()
    assert plan.version == "2026-11-24T1000"
    assert members(plan) == ["api", "web"]
    assert plan.details["slot"]["departs_at"] == "2026-11-24T09:00:00+00:00"


def test_at_once_is_this_minute_and_no_departure_of_the_timetable(station):
    station.ledger.trains.stop("weekly", "R-1: api failed", actor="gare")
    plan = station.board("")
    assert (plan.version, plan.details["is_scheduled"]) == ("2026-11-24T0800", False)
    assert members(plan) == ["api", "web"]


def test_a_missed_departure_is_not_caught_up_and_nobody_is_planned_for_it(station):
    station.now += timedelta(days=3)
    plan = station.board()
    assert plan.details["refusal"].startswith("missed: it was to depart at 2026-11-24 09:00 UTC")
    assert plan.details["is_missed"]
    assert station.planned == []


@pytest.mark.parametrize("what", ["skip", "stop", "taken"])
def test_nobody_is_planned_for_a_departure_that_will_not_be(station, what):
    trains, releases = station.ledger.trains, station.ledger.releases
    if what == "skip":
        trains.skip("weekly", "2026-11-24T1000", person="alice", reason="a fair")
        said = "skipped by alice: a fair"
    elif what == "stop":
        trains.stop("weekly", "R-1: api failed", actor="gare")
        said = "the schedule stands still: R-1: api failed"
    else:
        first = station.board()
        releases.open(station.ledger.plans.store(first), first, "run-1", "", "")
        station.planned.clear()
        said = "R-1 departs at this slot already"
    plan = station.board()
    assert (plan.details["refusal"], plan.details["is_missed"]) == (said, False)
    assert station.planned == []
    seen = station.board(is_preview=True)
    assert (seen.details["refusal"], members(seen)) == (said, ["api", "web"])


def test_a_departure_that_was_cancelled_may_be_boarded_again(station):
    first = station.board()
    release = station.ledger.releases.open(
        station.ledger.plans.store(first), first, "run-1", "", ""
    )
    station.ledger.releases.mark(release.id, ReleaseState.CANCELLED, actor="alice")
    assert station.board().details["refusal"] == ""


def test_members_that_are_empty_or_not_ready_are_left_out_with_the_reason(station):
    station.errors = {
        "api": NothingToRelease("Nothing to release."),
        "web": Refused("It is dirty."),
    }
    plan = station.board()
    assert left_out(plan) == {"api": "Nothing to release.", "web": "It is dirty."}
    assert plan.details["refusal"] == "nobody is ready: web: It is dirty"


def test_a_train_whose_members_have_nothing_to_release_is_empty(station):
    station.errors = dict.fromkeys(("api", "web"), NothingToRelease("Nothing to release."))
    assert station.board().details["refusal"] == "empty: no member has anything to release"


@pytest.mark.parametrize("error", [LedgerAway, Unavailable, RateLimited])
def test_what_is_away_says_nothing_about_a_member_and_the_other_does_not_depart_alone(
    station, error
):
    station.errors = {"api": error("It does not answer.")}
    with pytest.raises(error):
        station.board()
    with pytest.raises(error):
        board_anew(station.train(), station.boarded(), station.members(), {})


def test_a_tracker_that_is_away_says_nothing_about_a_member(station):
    station.away = True
    with pytest.raises(Unavailable):
        station.board(board={"version": "Train {date}"})


def test_a_departure_that_an_outage_has_made_too_late_says_what_it_could_not_board_for(station):
    station.now += timedelta(hours=3)
    plan = station.board(kept_by="Jira cannot be used now: it answered 503.")
    assert plan.details["refusal"] == (
        "missed: it was to depart at 2026-11-24 09:00 UTC and could not board: "
        "Jira cannot be used now: it answered 503."
    )


def test_members_are_planned_side_by_side(station):
    station.meeting = Barrier(2, timeout=10)
    assert members(station.board(at_once=2)) == ["api", "web"]


def test_only_members_with_a_ticket_of_the_version_that_their_tracker_was_asked_for_board(station):
    station.tickets = {"api": [Ticket("SHOP-1", "One", status="done"), Ticket("SHOP-9", "Nine")]}
    plan = station.board(board={"version": "Train {date}"})
    assert members(plan) == ["api"]
    assert left_out(plan) == {"web": "it has no ticket of version web Train 2026-11-24"}
    assert "api: not done in version api Train 2026-11-24: SHOP-9" in plan.warnings
    assert station.asked == ["Train 2026-11-24"] * 2


def test_a_version_that_no_tracker_has_is_told_from_one_without_tickets(station):
    station.unknown = {"api": "Jira SHOP has no version nothere"}
    station.tickets = {"web": [Ticket(f"SHOP-{number}", "Other") for number in range(20, 28)]}
    plan = station.board(board={"version": "nothere"})
    assert left_out(plan) == {
        "api": "Jira SHOP has no version nothere",
        "web": "none of its commits names a ticket of version web nothere: "
        "SHOP-20, SHOP-21, SHOP-22, SHOP-23, SHOP-24 and 3 more",
    }
    assert plan.details["refusal"] == "empty: no member has anything to release for version nothere"


def test_a_sprint_may_decide_who_boards(station):
    plan = station.board(board={"sprint": "Shop"})
    assert left_out(plan)["web"] == "it has no ticket of the sprint of Shop"


def test_a_departure_that_is_no_time_is_refused(station):
    with pytest.raises(ConfigError, match=r"2026-13-40T1000 is no time of a departure"):
        station.board("2026-13-40T1000")


def test_a_train_that_is_boarded_anew_has_the_same_members_at_what_boarded(station):
    station.errors = {"web": Refused("It is dirty.")}
    before = station.board()
    station.planned.clear()
    station.errors = {"api": NothingToRelease("Nothing to release: R-9 took it.")}
    after = board_anew(station.train(), before, station.members(), {})
    assert station.planned == ["api aaa"]
    assert (after.version, after.details["slot"]) == (before.version, before.details["slot"])
    assert left_out(after) == {"api": "Nothing to release: R-9 took it.", "web": "It is dirty."}
    assert after.details["refusal"] == "nobody is ready: web: It is dirty"


def test_a_member_whose_last_version_stands_nowhere_keeps_those_that_need_it(station):
    station.errors = {"api": NothingToRelease("Nothing to release.")}
    station.unsettled = {"api": "But production stands at 0.1.0 since R-9, a rollback."}
    plan = station.board(needs={"web": ["api"]})
    assert left_out(plan) == {
        "api": "Nothing to release. But production stands at 0.1.0 since R-9, a rollback.",
        "web": "needs api, which does not board",
    }


def test_a_member_that_is_taken_off_keeps_those_that_need_it_and_the_others_stay(station):
    station.tickets = {name: [Ticket("SHOP-1", "One")] for name in ("api", "web", "app")}
    config = {"members": ("api", "web", "app"), "needs": {"web": ["api"]}}
    before = station.board(**config, board={"version": "Train"})
    without = {"api": "left out by bob: not now"}
    train = station.train(**config, board={"version": "Train"})
    after = board_anew(train, before, station.members(), without)
    assert members(after) == ["app"]
    assert left_out(after) == {**without, "web": "needs api, which does not board"}
    assert [one["members"] for one in after.step("version").settings["trackers"]] == [["app"]]
