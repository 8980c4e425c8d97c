# ruff: noqa: E501 - tables of whole sentences
"""The audit of the whole ledger: whatever somebody with the database changes is found and named."""

import base64
import shutil
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from gare.domain.digest import canonical
from gare.domain.releases import ReleaseState
from gare.errors import Refused
from gare.ledger.audit import CHECKS, audit_ledger, refuse_unsound
from gare.ledger.chain import GENESIS, link
from gare.ledger.keys import Keys
from gare.ledger.ledger import Ledger
from gare.ledger.schema import events, streams


@pytest.fixture
def told(ledger, story, store, tmp_path) -> Ledger:
    return fill_a_bit(ledger, story, store, tmp_path)


@pytest.fixture(scope="module")
def kept(story, tmp_path_factory) -> Path:
    """A database file to copy."""
    folder = tmp_path_factory.mktemp("kept")
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", clock=story.Clock())
    fill_a_bit(ledger, story, folder / "store", folder)
    ledger.database.close()
    return folder / "ledger.db"


@pytest.fixture
def copy(kept, tmp_path) -> Iterator[Ledger]:
    shutil.copy(kept, tmp_path / "ledger.db")
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield ledger
    ledger.database.close()


def fill_a_bit(ledger: Ledger, story, store: Path, tmp_path: Path) -> Ledger:
    """Three releases, people's tokens, three keys: a bit of everything."""
    story.tell(ledger, store, tmp_path)
    ledger.set_verified("R-1", "shop", "production", "1.4.0")
    run = "22222222-2222-3333-4444-555555555555"
    release, plan = story.open_release(ledger, story.make_plan(version="1.5.0", tag="v1.5.0"), run)
    story.build_and_validate(ledger, release, store, tmp_path)
    story.ask(ledger, release, plan)
    story.vote(ledger, release, story.ALICE)
    ledger.releases.mark("R-2", ReleaseState.CANCELLED, actor="rita", end="not now")
    run = "33333333-2222-3333-4444-555555555555"
    story.open_release(ledger, story.make_plan(project="api", version="0.1.0"), run)
    ledger.tokens.create("alice", actor="command line")
    ledger.tokens.create("bob", actor="command line")
    ledger.tokens.revoke("bob", actor="command line")
    keys = Keys(ledger.database, tmp_path / "keys")
    keys.signer()
    keys.rotate(actor="command line")
    keys.rotate(actor="command line")
    return ledger


def change(ledger: Ledger, *statements: str) -> None:
    with ledger.database.write() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def problems(ledger: Ledger) -> list[str]:
    return [str(problem) for problem in audit_ledger(ledger.database).problems]


def test_an_untouched_ledger_is_sound(told):
    report = audit_ledger(told.database)
    assert report.problems == []
    assert (report.streams, report.releases) == (4, 3)
    with told.database.read() as connection:
        assert report.events == connection.execute(text("SELECT count(*) FROM events")).scalar()
    assert report.checks == dict.fromkeys(CHECKS, 0)
    refuse_unsound(report, "ledger")


def test_an_empty_ledger_is_sound(ledger):
    assert problems(ledger) == []


def test_every_column_of_every_event_matters(copy):
    """One event of each stream, each column: found, and the event named."""
    for stream in ("R-1", "R-2", "station"):
        for column, value in {
            "at": "x",
            "kind": "x",
            "actor": "x",
            "body": "{}",
            "prev": "x",
            "hash": "x",
        }.items():
            where = f"stream = '{stream}' AND seq = 2"
            with copy.database.read() as connection:
                kept = connection.exec_driver_sql(f"SELECT {column} FROM events WHERE {where}").scalar()  # fmt: skip
            change(copy, f"UPDATE events SET {column} = '{value}' WHERE {where}")
            found = problems(copy)
            assert any(problem.startswith(f"event 2 of {stream} (") for problem in found), (
                column,
                found,
            )
            with copy.database.write() as connection:
                connection.execute(
                    text(f"UPDATE events SET {column} = :kept WHERE {where}"), {"kept": kept}
                )
    assert problems(copy) == []


LOST = "which its events do not hold: the newest were removed or written anew"
TAMPERED = {
    "the newest event of a release": (
        ["DELETE FROM events WHERE stream = 'R-3'"],
        ["stream R-3: all its events are gone", "R-3: no event opens it"],
    ),
    "the newest event and the head": (
        ["DELETE FROM events WHERE stream = 'R-1' AND seq > 28",
         "UPDATE streams SET seq = 28, head = (SELECT hash FROM events WHERE stream = 'R-1' AND seq = 28) WHERE stream = 'R-1'"],
        [f"event 1 of station (release closed): it closed R-1 as released at {{head}}, {LOST}",
         'R-1: release: state: it says "released", the events say "running"'],
    ),
    "the newest events, the head, the rows": (
        ["DELETE FROM events WHERE stream = 'R-1' AND seq > 26",
         "UPDATE streams SET seq = 26, head = (SELECT hash FROM events WHERE stream = 'R-1' AND seq = 26) WHERE stream = 'R-1'",
         "UPDATE releases SET state = 'running', closed_at = NULL, \"end\" = '' WHERE number = 1",
         "DELETE FROM steps WHERE step = 'close' AND release = 1", "DELETE FROM verified"],
        [f"event 1 of station (release closed): it closed R-1 as released at {{head}}, {LOST}"],
    ),
    "the newest of the station": (
        ["DELETE FROM events WHERE stream = 'station' AND seq = 10"],
        ["stream station: its newest event is number 9, the table of streams says 10: the newest were removed"],
    ),
    "an event in the middle": (
        ["DELETE FROM events WHERE stream = 'R-1' AND seq = 12"],
        ["event 13 of R-1 (vote approve): expected event number 12; one is missing or out of order",
         "event 13 of R-1 (vote approve): it does not follow the event before it"],
    ),
    "a head": (
        ["UPDATE streams SET head = 'x' WHERE stream = 'R-2'"],
        ["stream R-2: its newest event is not x, which the table of streams names"],
    ),
    "a stream in the table": (
        ["DELETE FROM streams WHERE stream = 'R-2'"], ["stream R-2: the table of streams does not have it"],
    ),
    "a stream of its own": (
        ["INSERT INTO streams VALUES ('R-9', 1, 'x')"], ["stream R-9: all its events are gone", "stream R-9: it has events, but there is no such release"],
    ),
    "a version": (
        ["UPDATE releases SET version = '6.6.6' WHERE number = 1"],
        ['R-1: release: version: it says "6.6.6", the events say "1.4.0"'],
    ),
    "a state": (
        ["UPDATE releases SET state = 'rejected' WHERE number = 1"],
        ['R-1: release: state: it says "rejected", the events say "released"'],
    ),
    "a state that is none": (["UPDATE releases SET state = 'x' WHERE number = 1"], ["R-1: its rows cannot be read: 'x' is not a valid ReleaseState"]),
    "an instant that is none": (["UPDATE steps SET started_at = 'x' WHERE release = 1 AND step = 'build'"], ["R-1: its rows cannot be read: Invalid isoformat string: 'x'"]),
    "a step's value": (
        ["UPDATE steps SET value = '{\"summary\": \"13 passed\"}' WHERE release = 1 AND step = 'close'"],
        ['R-1: steps: close: value: summary: it says "13 passed", the events say "close went well"'],
    ),
    "a step's value that is no JSON": (["UPDATE steps SET value = '{' WHERE release = 1 AND step = 'build'"], ["R-1: its rows cannot be read: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"]),
    "a step": (["DELETE FROM steps WHERE release = 1 AND step = 'backup'"], ["R-1: steps: it has 8 entries, the events make 9"]),
    "a voter": (
        ["UPDATE votes SET person = 'mallory' WHERE release = 1 AND person = 'bob'"],
        ['R-1: approvals: approve-production: votes: bob: person: it says "mallory", the events say "bob"'],
    ),
    "a vote": (["DELETE FROM votes WHERE release = 1 AND person = 'bob'"], ["R-1: approvals: approve-production: votes: it has 1 entries, the events make 2"]),
    "a decision": (
        ["UPDATE approvals SET decision = 'approved' WHERE release = 2"],
        ['R-2: approvals: approve-production: decision: it says "approved", the events say "pending"'],
    ),
    "an expiry": (["UPDATE approvals SET expires_at = '2099-01-01T00:00:00.000000+00:00' WHERE release = 2"], None),
    "a receipt": (
        ["UPDATE effects SET receipt = '{}' WHERE release = 1"],
        ["R-1: effects: publish: receipt: head: it is missing"],
    ),
    "an effect": (["DELETE FROM effects WHERE release = 1"], ["R-1: effects: it has 0 entries, the events make 1"]),
    "a plan": (["UPDATE plans SET body = '{}' WHERE version = '1.5.0'"], None),
    "an end that the station does not know": (
        ["UPDATE releases SET closed_at = '2026-03-02T10:00:00.000000+00:00' WHERE number = 3"],
        ["R-3: the station did not note that it was closed"],
    ),
    "a token of one's own": (
        [f"INSERT INTO tokens VALUES ('sha256:{'9' * 64}', 'alice', 'x', NULL)"],
        ["token sha256:999999999999…: no event made it for alice"],
    ),
    "a token made valid again": (["UPDATE tokens SET revoked_at = NULL"], None),
    "a token's person": (["UPDATE tokens SET person = 'mallory' WHERE person = 'alice'"], None),
    "a token that is gone": (["DELETE FROM tokens WHERE person = 'bob'"], None),
    "what was verified good": (
        ["UPDATE verified SET version = '6.6.6'"],
        ["verified shop in production: no event of R-1 says that 6.6.6 was verified good there"],
    ),
    "a key made current again": (["UPDATE keys SET retired_at = NULL"], ["keys: more than one is current"]),
    "a key of one's own": ([f"INSERT INTO keys (id, public, made_at) VALUES ('sha256:{'9' * 64}', 'x', 'y')"], [f"keys: sha256:{'9' * 64}: it does not belong there"]),
    "an endorsement": ([f"UPDATE keys SET endorsement = '{base64.b64encode(bytes(64)).decode()}' WHERE endorsement IS NOT NULL"], None),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_what_is_changed_is_found_and_named(copy, name):
    statements, expected = TAMPERED[name]
    [closing] = [event for event in copy.database.events("R-1") if event.kind == "release released"]
    change(copy, *statements)
    found = problems(copy)
    assert found
    for sentence in expected or []:
        assert sentence.replace("{head}", closing.hash) in found
    with pytest.raises(Refused):
        refuse_unsound(audit_ledger(copy.database), "ledger")


def test_events_of_two_releases_that_changed_places_are_found(copy):
    change(
        copy,
        "UPDATE events SET stream = 'x' WHERE stream = 'R-1' AND seq = 1",
        "UPDATE events SET stream = 'R-1' WHERE stream = 'R-3' AND seq = 1",
        "UPDATE events SET stream = 'R-3' WHERE stream = 'x' AND seq = 1",
    )
    found = problems(copy)
    assert "event 1 of R-1 (release opened): its content does not match its digest" in found
    assert "event 1 of R-3 (release opened): its content does not match its digest" in found


def test_bytes_that_are_no_text_are_told(sqlite_ledger, story):
    story.open_release(sqlite_ledger)
    change(sqlite_ledger, "UPDATE events SET body = CAST(x'ff' AS TEXT)")
    assert any("decode" in problem for problem in problems(sqlite_ledger))
    change(sqlite_ledger, "UPDATE events SET body = x'00', seq = 1.5")
    assert "event 1.5 of R-1 (release opened): its content does not match its digest" in problems(sqlite_ledger)  # fmt: skip


def test_the_station_may_go_on_meanwhile(told):
    """What is read is one moment: events that come during the audit are no problem."""
    end = threading.Event()

    def go_on() -> None:
        while not end.is_set():
            told.releases.begin_step("R-3", "build", actor="gare")

    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        for _ in range(5):
            assert problems(told) == []
    finally:
        end.set()
        writer.join()


def fill(ledger: Ledger, release: str, count: int) -> None:
    """Append many events that change no row."""
    first = ledger.database.events(release)[-1]
    rows, prev, body = [], first.hash, canonical({"step": "build", "error": "x" * 200})
    for seq in range(first.seq + 1, first.seq + count + 1):
        event = link(release, seq, first.at, "step repeats", "gare", body, prev)
        rows.append(event._asdict())
        prev = event.hash
    with ledger.database.write() as connection:
        connection.execute(insert(events), rows)
        connection.execute(
            streams.update().where(streams.c.stream == release).values(seq=seq, head=prev)
        )
    assert prev != GENESIS


def test_memory_does_not_grow_with_the_number_of_events(ledger, story):
    """On both databases: rows come a few thousand at a time."""
    story.open_release(ledger)
    peaks = []
    for count in (4_000, 12_000):
        fill(ledger, "R-1", count)
        tracemalloc.start()
        assert problems(ledger) == []
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0] + 1_000_000
    assert peaks[1] < 20_000_000
