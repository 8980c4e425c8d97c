"""The file of a backup: a tar with exactly one spelling, written and read in one pass, in memory that does not grow.

Members lie one behind the other, not compressed (nothing can blow up), names in order, without owners, times, links and
folders. Any tar program reads it; this reader accepts nothing but what this writer writes. Knows nothing of ledgers.
"""

import hashlib
import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, NamedTuple

from gare.errors import ConfigError

README, HEADS, LEDGER = "README.txt", "heads.txt", "ledger.db"
ABSENT, INDEX, SUMS = "absent.jsonl", "index.json", "SHA256SUMS"
TAIL = (ABSENT, INDEX, SUMS)
"""The last members, in this order: they tell about the ones before."""

_PLAIN = r"[A-Za-z0-9][A-Za-z0-9._+-]*"
_NAME = re.compile(
    rf"README\.txt|heads\.txt|ledger\.db|keys/{_PLAIN}|logs/R-[0-9]{{1,9}}(/{_PLAIN})+"
    r"|store/sha256/([0-9a-f]{2})/\2[0-9a-f]{62}"
)
_BLOCK = tarfile.BLOCKSIZE
_END = bytes(2 * _BLOCK)
_CHUNK = 1024 * 1024
_USTAR_MOST = 8 * 1024**3
"""From this size on a length needs the GNU spelling."""


class Member(NamedTuple):
    """A file in the backup; its content begins at byte `start`."""

    name: str
    size: int
    mode: int
    start: int


def may_be_named(name: str) -> bool:
    """Tell whether a backup can hold a file of this name."""
    try:
        return bool(_NAME.fullmatch(name) and _header(name, 0, 0))
    except ValueError:
        return False


class Writer:
    """Writes members in order and remembers what SHA256SUMS must say: a station may have a million files."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sums = SpooledTemporaryFile(max_size=_CHUNK)  # noqa: SIM115 - closed by end
        self.count = 0

    def add(self, name: str, chunks: Iterable[bytes], size: int, *, mode: int = 0o600) -> str:
        """Write a member of exactly this size and return its sha256 (hex); ValueError, and no member, otherwise."""
        begin = self._file.tell()
        self._file.write(_header(name, size, mode))
        hashing, written = hashlib.sha256(), 0
        for chunk in chunks:
            self._file.write(chunk)
            hashing.update(chunk)
            written += len(chunk)
        if written != size:
            self.take_back(begin)
            raise ValueError(f"it has {written} bytes now, not {size}")
        self._file.write(bytes(-size % _BLOCK))
        return hashing.hexdigest()

    def keep(self, name: str, sha256: str) -> None:
        """Count the member that was just added."""
        self.count += 1
        self._sums.write(sum_line(name, sha256))

    def here(self) -> int:
        """Return where the next member begins."""
        return self._file.tell()

    def take_back(self, begin: int) -> None:
        """Forget everything from this byte on."""
        self._file.seek(begin)
        self._file.truncate()

    def end(self) -> None:
        """Finish the file with SHA256SUMS of everything before it."""
        with self._sums as lines:
            size = lines.tell()
            lines.seek(0)
            self.add(SUMS, iter(lambda: lines.read(_CHUNK), b""), size, mode=0o644)
        self._file.write(_END)


def sum_line(name: str, sha256: str) -> bytes:
    """Spell a line of SHA256SUMS as `sha256sum` does."""
    return f"{sha256}  {name}\n".encode()


def members(file: IO[bytes], where: str) -> Iterator[Member]:
    """Yield every member, in order. Raises ConfigError where the file is not as `Writer` spells it."""
    total = file.seek(0, os.SEEK_END)
    at, before, rest = 0, "", list(TAIL)
    while rest:
        file.seek(at)
        member = _member(file.read(_BLOCK), at, where)
        if member.name == rest[0]:
            rest.pop(0)
        elif len(rest) < len(TAIL) or not _NAME.fullmatch(member.name):
            raise damaged(f"{member.name[:100]!a} cannot be at byte {at} of a backup", where)
        elif member.name <= before:
            raise damaged(f"`{member.name}` is there twice, or not in its order", where)
        before = member.name
        at = member.start + member.size + -member.size % _BLOCK
        if at > total:
            raise damaged(f"the file ends in the middle of `{member.name}`", where)
        file.seek(member.start + member.size)
        if any(file.read(at - member.start - member.size)):
            raise damaged(f"something stands behind `{member.name}`", where)
        yield member
    file.seek(at)
    if file.read(len(_END) + 1) != _END:
        raise damaged("it does not end as a backup ends", where)


def chunks(file: IO[bytes], member: Member) -> Iterator[bytes]:
    """Yield a member's content, piece by piece."""
    at, end = member.start, member.start + member.size
    while at < end:
        file.seek(at)
        chunk = file.read(min(_CHUNK, end - at))
        if not chunk:
            return
        at += len(chunk)
        yield chunk


def digest_of(file: IO[bytes], member: Member) -> str:
    """Return the sha256 (hex) of a member's content."""
    hashing = hashlib.sha256()
    for chunk in chunks(file, member):
        hashing.update(chunk)
    return hashing.hexdigest()


def damaged(what: str, where: str) -> ConfigError:
    """Return the one error for a file that is no whole backup."""
    return ConfigError(
        f"This is no whole backup of Gare: {what}.",
        where=where,
        hint="Take another copy of it, or an older backup; nothing was changed.",
    )


def _member(block: bytes, at: int, where: str) -> Member:
    if len(block) < _BLOCK:
        raise damaged(
            f"the file ends at byte {at + len(block)}, before its table of contents", where
        )
    try:
        info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        name, size, mode = info.name, info.size, info.mode
        is_ours = size >= 0 and _header(name, size, mode) == block
    except (tarfile.TarError, ValueError, OverflowError):
        is_ours = False
    if not is_ours:
        raise damaged(f"what begins at byte {at} was not written by `gare backup`", where)
    return Member(name, size, mode, at + _BLOCK)


def _header(name: str, size: int, mode: int) -> bytes:
    """Spell a header. Raises ValueError for a name that does not fit."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, mode & 0o777
    # Two calls, because the types want to see the constants.
    if size < _USTAR_MOST:
        block = info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    else:
        block = info.tobuf(tarfile.GNU_FORMAT, "ascii", "strict")
    if len(block) != _BLOCK:
        raise ValueError("its name is too long")
    return block
