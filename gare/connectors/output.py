"""The output of a program as clean lines: part of gare.connectors.process.

Bytes come from a pipe or a growing file (`Feed`), become decoded, masked lines without control characters
(`LineCutter`), and go to the log and to people (`Report`).
"""

import codecs
import hashlib
import os
import queue
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Protocol

from gare.errors import InternalError
from gare.masking import Mask

LINE_LIMIT = 4000
_TAIL_LINES = 20
_TAIL_WIDTH = 160
_PENDING_LIMIT = 64 * 1024
_CHUNK = 64 * 1024
_POLL_S = 0.02
_ANSI = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC and other strings: titles, links
    r"|\x1b[ -/]*[0-~]"
)
# Also the marks that reorder text: a line of output must not look like another one.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


_SPECIAL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_OVERWRITTEN = re.compile(r"[^\n]*\r(?!\n|\Z)")


class LineCutter:
    """Cuts bytes into lines for people. Progress bars keep their last state, long lines their beginning."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._pending = ""

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Take the next bytes and yield the lines they complete."""
        text = self._pending + self._decode(chunk)
        # A "\r" at the very end may be half of a "\r\n": it stays with the pending text.
        whole, mark, self._pending = text.rpartition("\n")
        if mark:
            yield from self._clean(whole)
        if len(self._pending) > _PENDING_LIMIT:
            yield from self._shorten()

    def end(self) -> Iterator[str]:
        """Yield what is left when the output ends without a line break."""
        rest = self._pending + self._decode(b"", True)
        self._pending = ""
        if rest:
            yield from self._clean(rest)

    def _shorten(self) -> Iterator[str]:
        """Bound the memory of a line that does not end: a progress bar, or a binary."""
        _, mark, last = self._pending[:-1].rpartition("\r")
        if mark and len(last) < _PENDING_LIMIT:
            self._pending = last + self._pending[-1]
            return
        # A secret may lie across the cut: mask first, and keep back as much as the longest one has.
        masked = self._mask.apply(self._pending)
        keep = min(self._mask.longest, len(masked) // 2)
        self._pending = masked[len(masked) - keep :]
        yield from self._clean(masked[: len(masked) - keep])

    def _clean(self, text: str) -> Iterator[str]:
        """Clean many lines at once: a flood of short lines must not cost a call each."""
        if not text.isascii() or _SPECIAL.search(text):
            text = _CONTROL.sub("", _OVERWRITTEN.sub("", _ANSI.sub("", text).replace("\r\n", "\n")))
        for line in self._mask.apply(text).split("\n"):
            if len(line) > LINE_LIMIT:
                yield f"{line[:LINE_LIMIT]}… ({len(line) - LINE_LIMIT} more characters)"
            else:
                yield line.rstrip()


class Feed(Protocol):
    """Bytes of a running program."""

    def take(self, timeout_s: float) -> bytes | None:
        """Return the next bytes: b"" when none came in time, None when there will be no more."""

    def close(self) -> None:
        """Stop listening."""


class PipeFeed:
    """Reads a pipe in a thread of its own: no wait of ours can hang on a process that keeps the pipe open.

    After `close` the thread goes on reading to nowhere until the last writer has gone.
    """

    def __init__(self, pipe: IO[bytes] | None) -> None:
        if pipe is None:
            raise InternalError("A command was started without a pipe for its output.")
        self._pipe = pipe
        self._queue: queue.Queue[bytes] = queue.Queue(maxsize=16)
        self._is_closed = threading.Event()
        self._has_ended = False
        threading.Thread(target=self._read, name="gare-output", daemon=True).start()

    def _read(self) -> None:
        with self._pipe:
            while chunk := os.read(self._pipe.fileno(), _CHUNK):
                self._put(chunk)
        self._put(b"")

    def _put(self, chunk: bytes) -> None:
        while not self._is_closed.is_set():
            try:
                return self._queue.put(chunk, timeout=0.2)
            except queue.Full:
                continue

    def take(self, timeout_s: float) -> bytes | None:
        """Return the next bytes: b"" when none came in time, None when there will be no more."""
        if self._has_ended:
            # The program closed its output and goes on: do not spin while it does.
            time.sleep(min(timeout_s, _POLL_S / 10))
            return None
        try:
            chunk = self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return b""
        self._has_ended = not chunk
        return chunk or None

    def close(self) -> None:
        """Stop listening."""
        self._is_closed.set()


class FileFeed:
    """Follows a file that grows. It never ends: whoever still writes may do so for years."""

    def __init__(self, path: Path, start: int) -> None:
        self._file = path.open("rb")
        self._file.seek(start)

    def take(self, timeout_s: float) -> bytes | None:
        """Return the next bytes: b"" when none came in time."""
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._file.seek(0)  # truncated by its writer, as `> /dev/stderr` in a shell script does
        chunk = self._file.read(_CHUNK)
        if not chunk:
            time.sleep(min(timeout_s, _POLL_S))
        return chunk

    def close(self) -> None:
        """Stop listening."""
        self._file.close()


class Report:
    """Where a program's output goes: the log, `say`, and the last lines for the error."""

    def __init__(
        self, file: IO[bytes], say: Callable[[str], None], mask: Mask, say_limit: int, where: str
    ) -> None:
        self._file, self._say, self._limit, self._where = file, say, say_limit, where
        self._cutter = LineCutter(mask)
        self._hash = hashlib.sha256()
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self.lines = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        for line in self._cutter.feed(chunk):
            self._line(line)

    def note(self, text: str) -> None:
        """Write a line of our own to the log."""
        data = (text + "\n").encode(errors="replace")
        self._hash.update(data)
        self._file.write(data)

    def end(self) -> None:
        """Take what came without a line break at the end."""
        for line in self._cutter.end():
            self._line(line)

    def _line(self, line: str) -> None:
        self.note(line)
        self.lines += 1
        self._tail.append(line if len(line) <= _TAIL_WIDTH else f"{line[:_TAIL_WIDTH]}…")
        if self.lines <= self._limit:
            self._say(line)
        elif self.lines == self._limit + 1:
            self._say(f"… more in the {self._where}")

    @property
    def sha256(self) -> str:
        """The digest of the log so far, bare hex."""
        return self._hash.hexdigest()

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines."""
        return tuple(self._tail)
