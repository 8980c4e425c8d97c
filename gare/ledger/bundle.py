"""A bundle's members as values, read within limits: the file may come from anybody. Standard library only."""

from collections.abc import Sequence
from functools import cached_property
from typing import IO, Any

from gare.errors import UnexpectedReply
from gare.ledger import container
from gare.ledger.chain import Event
from gare.ledger.container import Member
from gare.ledger.dsse import MAX_KEYS, PublicKey
from gare.ledger.evidence import EVENTS, FORMAT, INDEX, KEYS, PLAN, STATION
from gare.ledger.replay import Reader, Record, load, replay

MAX_JSON_BYTES = 64 * 1024 * 1024
MAX_JSON_VALUES = 3_000_000
"""Commas and brackets of one member at most: what is read costs memory by their number, not by the bytes."""


class Bundle:
    """The members of a bundle as values; reading one that is not as it should be raises UnexpectedReply."""

    def __init__(self, file: IO[bytes], members: Sequence[Member]) -> None:
        self._file = file
        self.all = members
        self.members = {member.name: member for member in reversed(members)}

    def text(self, name: str) -> str:
        """Return the text of a member, within limits."""
        if (member := self.members.get(name)) is None:
            raise UnexpectedReply("It is missing.", where=name)
        if member.size > MAX_JSON_BYTES:
            raise UnexpectedReply(f"It is larger than {MAX_JSON_BYTES >> 20} MiB.", where=name)
        raw = container.content(self._file, member)
        if sum(raw.count(mark) for mark in (b",", b"{", b"[")) > MAX_JSON_VALUES:
            raise UnexpectedReply(f"It holds more than {MAX_JSON_VALUES} values.", where=name)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnexpectedReply(f"Byte {error.start} of it is no UTF-8.", where=name) from None

    def json(self, name: str) -> Any:
        """Return the value of a JSON member."""
        return load(self.text(name), name)

    @cached_property
    def index(self) -> Reader:
        """Return the table of contents."""
        reader = Reader(self.json(INDEX), INDEX)
        if reader.number("format") != FORMAT:
            raise UnexpectedReply(
                f"It has format {reader.number('format'):g}; this Gare reads {FORMAT}"
                + (" (1 was not signed: write it anew)." if reader.number("format") == 1 else "."),
                where=INDEX,
            )
        return reader

    @cached_property
    def events(self) -> list[Event]:
        """Return the chain's events as they stand in the bundle."""
        return self._lines(EVENTS)

    @cached_property
    def station(self) -> list[Event]:
        """Return what the station's own stream says of the release's end."""
        return self._lines(STATION)

    @cached_property
    def keys(self) -> list[PublicKey]:
        """Return the keys that lead to the one that signs; not checked. Never empty."""
        items = self.json(KEYS)
        if not isinstance(items, list) or not 0 < len(items) <= MAX_KEYS:
            raise UnexpectedReply("It is no list of keys.", where=KEYS)
        return [_key(Reader(item, f"{KEYS}: {number}")) for number, item in enumerate(items, 1)]

    def _lines(self, name: str) -> list[Event]:
        # Not splitlines: it breaks at characters that a text may hold.
        lines = self.text(name).removesuffix("\n").split("\n")
        found = [line for line in lines if line or len(lines) > 1]
        return [_event(line, f"{name}: line {number}") for number, line in enumerate(found, 1)]

    @cached_property
    def replayed(self) -> tuple[Record, list[UnexpectedReply]]:
        """Return the record that the events make, and the events that cannot be."""
        return replay(self.events)

    @property
    def record(self) -> Record:
        """Return the record that the events make."""
        record = self.replayed[0]
        if not record.release:
            raise UnexpectedReply("No event opens the release.", where=EVENTS)
        return record

    @cached_property
    def plan(self) -> Reader:
        """Return the plan."""
        return Reader(self.json(PLAN), PLAN)


def _event(line: str, place: str) -> Event:
    reader = Reader(load(line, place), place)
    texts = {key: reader.text(key) for key in Event._fields if key != "seq"}
    return Event(seq=int(reader.number("seq")), **texts)


def _key(reader: Reader) -> PublicKey:
    by, endorsement = reader.any("endorsed_by"), reader.any("endorsement")
    return PublicKey(
        reader.text("id"),
        reader.text("public"),
        reader.text("made_at"),
        reader.text("endorsed_by") if by is not None else None,
        reader.text("endorsement") if endorsement is not None else None,
    )
