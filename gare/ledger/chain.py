"""The hash chain over events: each names the digest of the one before. Pure, so anybody can check it.

hash = sha256 of the canonical JSON list [stream, seq, at, kind, actor, body, prev], where `body` is the stored
text and the first `prev` is `GENESIS`.
"""

import hashlib
from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring as quote
from typing import NamedTuple

GENESIS = "sha256:" + "0" * 64


class Event(NamedTuple):
    """One thing that happened. `body` is canonical JSON text; `at` is ISO 8601 UTC."""

    stream: str
    seq: int
    at: str
    kind: str
    actor: str
    body: str
    prev: str
    hash: str


def link(stream: str, seq: int, at: str, kind: str, actor: str, body: str, prev: str) -> Event:
    """Make the event that follows `prev`."""
    digest = content_digest(stream, seq, at, kind, actor, body, prev)
    return Event(stream, seq, at, kind, actor, body, prev, digest)


def content_digest(
    stream: str, seq: int, at: str, kind: str, actor: str, body: str, prev: str
) -> str:
    """Return the hash of an event. Raises TypeError or UnicodeEncodeError for columns that are no text."""
    # The canonical JSON of the list, put together here: twice as fast as the encoder (a test compares both).
    text = f"[{quote(stream)},{seq:d},{quote(at)},{quote(kind)},{quote(actor)},{quote(body)},{quote(prev)}]"
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def holds(event: Event) -> bool:
    """Whether an event's content matches its digest."""
    try:
        return content_digest(*event[:7]) == event.hash
    except (TypeError, ValueError):
        return False  # a column that is no text, or no number


def broken(events: Iterable[Event], head: str = "") -> Iterator[str]:
    """Yield one sentence for every place where a stream's chain does not hold.

    `events` are of one stream in order; `head` is the digest that the last one must have, when known.
    """
    prev, seq, last = GENESIS, 0, None
    for event in events:
        seq += 1
        if event.seq != seq:
            yield f"{event_name(event)}: expected event number {seq}; one is missing or out of order"
            seq = event.seq if isinstance(event.seq, int) else seq
        if event.prev != prev:
            yield f"{event_name(event)}: it does not follow the event before it"
        if not holds(event):
            yield f"{event_name(event)}: its content does not match its digest"
        prev, last = event.hash, event
    if head and (last is None or last.hash != head):
        yield f"the newest event is not the one expected ({head[:19]}…): events are missing at the end"


def event_name(event: Event) -> str:
    """Name an event for people."""
    return f"event {event.seq} of {event.stream} ({event.kind})"
