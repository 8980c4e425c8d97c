"""Keep secrets out of everything people read: exact values and the spellings they travel in.

Values are registered when a secret reference is resolved (gare/secrets.py); whoever writes text for people asks
`current()`. It cannot hide what a program transforms itself (encrypts, reverses, splits over lines).
"""

import base64
import html
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from functools import lru_cache
from threading import Lock
from urllib.parse import quote, quote_plus

MASK = "***"
MIN_LENGTH = 4
_MIN_PIECE = 8


def _base64_pieces(raw: bytes) -> Iterator[str]:
    """Yield the base64 of `raw` as it appears at each of the three alignments inside a longer text.

    `Authorization: Basic base64(user:password)` holds the password at an alignment that depends on the user.
    """
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        stable_end = (shift + len(raw)) * 8 // 6
        piece = text[-(-shift * 8 // 6) : stable_end]
        if len(piece) >= _MIN_PIECE:
            yield piece
            yield piece.replace("+", "-").replace("/", "_")


def _spellings(value: str) -> Iterator[str]:
    raw = value.encode(errors="surrogateescape")
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    yield quote(value, safe="")
    yield quote(value)
    yield quote_plus(value)
    yield html.escape(value)
    yield shlex.quote(value)
    yield base64.b64encode(raw).decode()
    yield base64.urlsafe_b64encode(raw).decode()
    yield from _base64_pieces(raw)
    if len(raw) >= _MIN_PIECE:
        yield raw.hex()
        yield raw.hex().upper()


def _parts(value: str) -> Iterator[str]:
    """Yield the value and, for a key file and the like, its lines: output is masked line by line."""
    yield value
    if "\n" in value:
        yield from (line.strip() for line in value.splitlines())


class Mask:
    """Replaces known secrets in text. Values under 4 characters are left out: they would blank ordinary words."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        known = [value.strip("\r\n") for value in values]
        self.ignored = tuple(
            f"a secret of {len(value)} characters is too short to be masked"
            for value in known
            if len(value) < MIN_LENGTH
        )
        """Why a value is not masked, one sentence each, without the value."""
        wanted = {
            spelling
            for value in known
            if len(value) >= MIN_LENGTH
            for part in _parts(value)
            for spelling in (_spellings(part) if len(part) >= MIN_LENGTH else ())
        }
        ordered = sorted(wanted, key=lambda text: (-len(text), text))
        self.longest = len(ordered[0]) if ordered else 0
        """Length of the longest spelling: text cut at an arbitrary place needs this much overlap."""
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def apply(self, text: str) -> str:
        """Return the text with every known secret replaced by `***`."""
        return self._pattern.sub(MASK, text) if self._pattern else text


_known: set[str] = set()
_lock = Lock()


def register(value: str) -> None:
    """Remember a secret of this process, so that `current()` masks it."""
    with _lock:
        _known.add(value)


@lru_cache(maxsize=4)
def _mask_of(values: frozenset[str]) -> Mask:
    return Mask(sorted(values))


def current() -> Mask:
    """Return the mask of every secret registered so far in this process."""
    with _lock:
        return _mask_of(frozenset(_known))
