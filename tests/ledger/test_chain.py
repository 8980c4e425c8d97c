"""The chain over events: whatever is changed in it is found and named."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gare.ledger.chain import GENESIS, Event, broken, link


def chain(count: int) -> list[Event]:
    events: list[Event] = []
    for seq in range(1, count + 1):
        prev = events[-1].hash if events else GENESIS
        events.append(
            link(
                "R-1",
                seq,
                f"2026-03-02T09:00:{seq:02d}+00:00",
                "step done",
                "gare",
                f'{{"n":{seq}}}',
                prev,
            )
        )
    return events


def told(events: list[Event], head: str = "") -> list[str]:
    return list(broken(events, head))


def test_an_untouched_chain_holds():
    events = chain(5)
    assert told(events, events[-1].hash) == []
    assert told([]) == []


CONTENT = "event 3 of R-1 (step done): its content does not match its digest"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"stream": "R-2"}, ["event 3 of R-2 (step done): its content does not match its digest"]),
        ({"at": "2020-01-01T00:00:00+00:00"}, [CONTENT]),
        ({"kind": "step failed"}, ["event 3 of R-1 (step failed): its content does not match its digest"]),
        ({"actor": "mallory"}, [CONTENT]),
        ({"body": '{"n":33}'}, [CONTENT]),
        ({"prev": GENESIS}, ["event 3 of R-1 (step done): it does not follow the event before it", CONTENT]),
        ({"hash": GENESIS}, [CONTENT, "event 4 of R-1 (step done): it does not follow the event before it"]),
        (
            {"seq": 7},
            [
                "event 7 of R-1 (step done): expected event number 3; one is missing or out of order",
                "event 7 of R-1 (step done): its content does not match its digest",
                "event 4 of R-1 (step done): expected event number 8; one is missing or out of order",
            ],
        ),
    ],
)  # fmt: skip
def test_each_changed_column_is_named(change: dict[str, Any], expected: list[str]):
    events = chain(5)
    events[2] = events[2]._replace(**change)
    assert told(events, events[-1].hash) == expected


def test_an_event_whose_digest_was_made_anew_no_longer_fits_the_next():
    events = chain(5)
    events[2] = link(*events[2]._replace(actor="mallory")[:7])
    assert told(events, events[-1].hash) == [
        "event 4 of R-1 (step done): it does not follow the event before it"
    ]


def test_an_event_removed_in_the_middle_is_named():
    events = chain(5)
    del events[2]
    assert told(events, events[-1].hash) == [
        "event 4 of R-1 (step done): expected event number 3; one is missing or out of order",
        "event 4 of R-1 (step done): it does not follow the event before it",
    ]


def test_removing_the_newest_is_found_by_the_head():
    events = chain(5)
    head = events.pop().hash
    assert told(events) == []
    assert told(events, head) == [
        f"the newest event is not the one expected ({head[:19]}…): events are missing at the end"
    ]
    assert told([], head) == [
        f"the newest event is not the one expected ({head[:19]}…): events are missing at the end"
    ]


def test_a_chain_written_anew_from_the_first_event_is_found_by_the_head():
    events, head = chain(5), chain(5)[-1].hash
    forged: list[Event] = []
    for event in events:
        prev = forged[-1].hash if forged else GENESIS
        forged.append(link(*event._replace(actor="mallory", prev=prev)[:7]))
    assert told(forged) == []
    assert len(told(forged, head)) == 1


@given(st.permutations(range(6)))
def test_any_other_order_is_found(order: list[int]):
    events = chain(6)
    assert bool(told([events[place] for place in order], events[-1].hash)) == (
        order != sorted(order)
    )


@given(st.sets(st.integers(0, 7)))
def test_any_missing_events_are_found(missing: set[int]):
    events = chain(8)
    kept = [event for place, event in enumerate(events) if place not in missing]
    assert bool(told(kept, events[-1].hash)) == bool(missing)


@given(
    st.integers(0, 7),
    st.sampled_from(["stream", "at", "kind", "actor", "body", "prev", "hash"]),
    st.text(),
)
def test_any_other_text_in_any_column_is_found(place: int, column: str, text: str):
    events = chain(8)
    head, before = events[-1].hash, getattr(events[place], column)
    events[place] = events[place]._replace(**{column: text})
    try:
        found = told(events, head)
    except UnicodeEncodeError:
        return  # half characters cannot be stored at all
    assert bool(found) == (text != before)


@given(st.text('ab":,[]\\', max_size=6), st.text('ab":,[]\\', max_size=6))
def test_moving_text_from_one_column_to_the_next_changes_the_digest(actor: str, body: str):
    """Columns are told apart inside the digest."""
    one = link("R-1", 1, "now", "kind", actor, body, GENESIS)
    for cut in range(1, len(body)):
        assert (
            link("R-1", 1, "now", "kind", actor + body[:cut], body[cut:], GENESIS).hash != one.hash
        )
