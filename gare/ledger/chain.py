"""The hash chain over events: each names the digest of the one before. Pure, so anybody can check it.

hash = sha256 of the canonical JSON list [stream, seq, at, kind, actor, body, prev], where `body` is the stored
text and the first `prev` is `GENESIS`.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gare.domain.digest import canonical, sha256

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
    digest = sha256(canonical([stream, seq, at, kind, actor, body, prev]))
    return Event(stream, seq, at, kind, actor, body, prev, digest)


def broken(events: Iterable[Event], head: str = "") -> Iterator[str]:
    """Yield one sentence for every place where a stream's chain does not hold.

    `events` are of one stream in order; `head` is the digest that the last one must have, when known.
    """
    prev, seq, last = GENESIS, 0, None
    for event in events:
        seq += 1
        name = f"event {event.seq} of {event.stream} ({event.kind})"
        if event.seq != seq:
            yield f"{name}: expected event number {seq}; one is missing or out of order"
            seq = event.seq
        if event.prev != prev:
            yield f"{name}: it does not follow the event before it"
        if link(*event[:7]).hash != event.hash:
            yield f"{name}: its content does not match its digest"
        prev, last = event.hash, event
    if head and (last is None or last.hash != head):
        yield f"the newest event is not the one expected ({head[:19]}…): events are missing at the end"
