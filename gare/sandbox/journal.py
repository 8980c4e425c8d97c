"""The log of every request that reached the sandbox."""

import codecs
import json
from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from gare.sandbox.clock import stamp
from gare.sandbox.vendor import Request

_KEPT = 100_000
_TOLD_BODY = 4000


@dataclass(frozen=True, slots=True)
class Entry:
    """One request and what became of it. Headers are left out: they hold tokens."""

    number: int
    at: str
    vendor: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    template: str
    body: Any
    status: int
    """0: the connection was cut."""
    fault: str = ""
    wrong: str = ""
    """What the vendor's API description does not allow about it."""


class Journal:
    """The last requests, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._count = 0

    def note(
        self, at: datetime, vendor: str, request: Request, status: int, fault: str, wrong: str
    ) -> None:
        """Write one request down."""
        self._count += 1
        method, template = request.operation
        self._entries.append(
            Entry(
                self._count,
                stamp(at),
                vendor,
                method or request.method,
                request.path,
                request.query,
                template,
                _told(request),
                status,
                fault,
                wrong,
            )
        )

    def entries(self, *, after: int = 0, vendor: str = "", method: str = "") -> list[Entry]:
        """Return the requests after a number, of one vendor or method where named."""
        return [
            entry
            # A copy at once: tests read in another thread than the one that serves.
            for entry in tuple(self._entries)
            if entry.number > after
            and vendor in ("", entry.vendor)
            and method in ("", entry.method)
        ]

    def as_json(self, after: int, vendor: str) -> list[dict[str, Any]]:
        """Spell the requests for the control endpoint."""
        return [asdict(entry) for entry in self.entries(after=after, vendor=vendor)]

    def clear(self) -> None:
        """Forget every request; numbers go on."""
        self._entries.clear()


def _told(request: Request) -> Any:
    if request.content_type == "application/json" and request.body:
        try:
            return json.loads(request.body)
        except ValueError:
            pass
    if _is_binary(request.body):
        return f"({len(request.body)} bytes)"
    text = request.body[:_TOLD_BODY].decode(errors="replace")
    return text if len(request.body) <= _TOLD_BODY else f"{text}… ({len(request.body)} bytes)"


def _is_binary(body: bytes) -> bool:
    """Tell whether nobody could read it; a character may be cut at the end of what is looked at."""
    begin = body[:_TOLD_BODY]
    if b"\0" in begin:
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(begin, final=len(body) <= _TOLD_BODY)
    except UnicodeDecodeError:
        return True
    return False
