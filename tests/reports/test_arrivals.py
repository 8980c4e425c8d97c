"""The figures of an arrival: what the waiting was for, each second once, and how old the commits were."""

from datetime import UTC, datetime, timedelta

import pytest

from gare.domain.releases import ReleaseState
from gare.domain.waits import Cause, Waited
from gare.ledger.ledger import Ledger
from gare.reports.arrivals import in_words, lead_time, summed, waiting_by_cause

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


class Moving:
    """A release on a clock that is moved by hand."""

    def __init__(self, folder, story) -> None:
        self.now = NOW
        self.ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", clock=lambda: self.now)
        plan = story.make_plan()
        self.id = self.ledger.releases.open(self.ledger.plans.store(plan), plan, "run-1", "", "").id

    def wait(self, minutes: int, *waits: Waited) -> None:
        mark = self.ledger.releases.mark
        mark(self.id, ReleaseState.WAITING, actor="gare", waiting=waits)
        self.now += timedelta(minutes=minutes)
        mark(self.id, ReleaseState.RUNNING, actor="gare")
        self.now += timedelta(hours=1)

    def waited(self) -> dict[str, timedelta]:
        return waiting_by_cause(self.ledger.database.events(self.id))


@pytest.fixture
def moving(tmp_path, story):
    made = Moving(tmp_path, story)
    yield made
    made.ledger.close()


def test_waiting_is_counted_by_its_cause_whatever_projects_are_called(moving):
    moving.wait(10, Waited("queued behind R-9 of vote-api, place 1 of 1", Cause.QUEUE))
    moving.wait(5, Waited("1 vote of window-shop missing", Cause.APPROVALS, "go"))
    found = moving.waited()
    assert found == {"queue": timedelta(minutes=10), "approvals": timedelta(minutes=5)}
    assert summed([found, {"approvals": timedelta(minutes=8)}]) == {
        "approvals": timedelta(minutes=13),
        "queue": timedelta(minutes=10),
    }


def test_a_train_that_waits_for_its_members_is_not_counted_beside_them(moving):
    moving.wait(30, Waited("R-2 of api is waiting for votes", Cause.MEMBERS, "arrive-api", "R-2"))
    assert moving.waited() == {}
    both = (
        Waited("R-2 of api is running", Cause.MEMBERS, "arrive-api", "R-2"),
        Waited("web has failed", Cause.FAILED, "arrive-web"),
    )
    moving.wait(20, *both)
    assert moving.waited() == {"failed members": timedelta(minutes=20)}


def test_what_an_older_gare_wrote_without_a_cause_is_counted_as_other(moving):
    moving.ledger.note(moving.id, "release waiting", "gare", {"end": "", "waiting": ["a vote"]})
    moving.now += timedelta(minutes=3)
    moving.ledger.note(moving.id, "release running", "gare", {"end": "", "waiting": []})
    assert moving.waited() == {"other": timedelta(minutes=3)}


def test_the_lead_time_is_the_median_age_of_the_commits(story):
    plan = story.make_plan()
    committed = datetime.fromisoformat(plan.commits[0].date)
    assert lead_time([plan], committed + timedelta(days=3)) == timedelta(days=3)
    assert lead_time([], NOW) is None


def test_the_figures_are_told_in_words():
    assert in_words(3 * 86400.0, {"approvals": 7500, "queue": 30}) == [
        "Lead time: 3d 0h from commit to arrival, in the middle of all commits.",
        "Waited for, all members together: approvals 2h 05m, queue 30s.",
    ]
    assert in_words(60, {})[1] == "Waited for, all members together: nothing."
