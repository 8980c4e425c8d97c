"""What becomes of a failed member and of its train's schedule, by whoever says so."""

import pytest
from departing import Departure

from gare.departures import drop, note_cancelled, taken_off
from gare.domain.releases import ReleaseState


@pytest.fixture
def make(tmp_path, story):
    made = []

    def departure(**config: object) -> Departure:
        made.append(Departure(tmp_path, story, "api", "web", **config))
        return made[-1]

    yield departure
    for one in made:
        one.ledger.close()


def failed(departure: Departure):
    own = departure.open("api", "run-api")
    departure.engine.put("run-api", "FAILED")
    return departure.mark(own, ReleaseState.FAILED, "step build failed")


def test_a_member_that_is_dropped_ends_and_the_schedule_stands_still(make):
    departure = make()
    own = failed(departure)
    value = drop(departure.gare, departure.release, "api", own, "failed: no", actor="gare")
    assert value == {"release": own.id, "left": "failed: no", "failed": True, "keeps": True}
    ended = departure.ledger.releases.get(own.id)
    assert (ended.state, ended.end) == (
        ReleaseState.CANCELLED,
        "left out of R-1: step build failed",
    )
    assert departure.engine.cancelled == ["run-api"]
    assert departure.ledger.trains.stopped("fortnightly").reason == "R-1: api failed: no"


def test_a_schedule_goes_on_after_a_failure_where_the_file_says_so(make):
    departure = make(after_failure="go on")
    drop(departure.gare, departure.release, "api", failed(departure), "failed", actor="gare")
    assert departure.ledger.trains.stopped("fortnightly") is None


def test_a_train_that_is_cancelled_with_a_failed_member_stops_its_schedule(make):
    departure = make()
    failed(departure)
    ended = departure.mark(departure.release, ReleaseState.CANCELLED, "cancelled")
    note_cancelled(departure.gare, ended, actor="bob")
    said = departure.ledger.trains.stopped("fortnightly").reason
    assert said == "R-1: cancelled after api failed"


def test_a_train_that_is_cancelled_with_nobody_failed_departs_the_next_time(make):
    departure = make()
    departure.arrive("api")
    ended = departure.mark(departure.release, ReleaseState.CANCELLED, "cancelled")
    note_cancelled(departure.gare, ended, actor="bob")
    assert departure.ledger.trains.stopped("fortnightly") is None


def test_a_member_is_taken_off_until_the_departure_and_not_after(make):
    departure = make()
    ledger, body = departure.ledger, {"member": "web", "reason": "left out by bob"}
    ledger.note("R-1", "member taken off", "bob", body)
    assert taken_off(ledger, departure.release, departure.plan) == {"web": "left out by bob"}
    departure.done("leave", summary="")
    assert taken_off(ledger, departure.release, departure.plan) == {}
