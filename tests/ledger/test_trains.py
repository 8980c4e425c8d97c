"""What people say about trains is kept, recorded, and held against the events."""

from sqlalchemy import update

from gare.ledger.audit import audit_ledger
from gare.ledger.schema import slots

TRAIN, SLOT = "fortnightly", "2026-11-24T1000"


def kinds(ledger) -> list[str]:
    return [event.kind for event in ledger.database.events("station")]


def test_a_departure_is_skipped_once_and_restored(ledger):
    trains = ledger.trains
    assert trains.skip(TRAIN, SLOT, person="alice", reason="holidays")
    assert not trains.skip(TRAIN, SLOT, person="bob", reason="also")
    assert str(trains.skips(TRAIN)[SLOT]) == "skipped by alice: holidays"
    assert trains.skips("other") == {}
    assert trains.unskip(TRAIN, SLOT, person="bob")
    assert not trains.unskip(TRAIN, SLOT, person="bob")
    assert trains.skips(TRAIN) == {}
    assert kinds(ledger) == ["slot skipped", "slot restored"]
    assert audit_ledger(ledger.database).is_sound


def test_a_schedule_stands_still_for_the_first_reason_until_somebody_resumes_it(ledger):
    trains = ledger.trains
    assert trains.stop(TRAIN, "R-3: api failed", actor="gare")
    assert not trains.stop(TRAIN, "R-4: web failed", actor="gare")
    assert trains.stopped(TRAIN).reason == "R-3: api failed"
    assert audit_ledger(ledger.database).is_sound
    assert trains.resume(TRAIN, person="alice")
    assert not trains.resume(TRAIN, person="alice")
    assert trains.stopped(TRAIN) is None
    assert kinds(ledger) == ["train stopped", "train resumed"]
    assert audit_ledger(ledger.database).is_sound


def test_a_skip_that_no_event_tells_of_is_found(sqlite_ledger):
    sqlite_ledger.trains.skip(TRAIN, SLOT, person="alice", reason="holidays")
    with sqlite_ledger.database.write() as connection:
        connection.execute(update(slots).values(person="mallory"))
    [problem] = audit_ledger(sqlite_ledger.database).problems
    assert "mallory" in str(problem)
