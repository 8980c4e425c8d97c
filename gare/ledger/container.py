"""The file of an evidence bundle: a zip with exactly one spelling, so that a changed byte anywhere is found.

Members are stored, not compressed, one behind the other, without times, comments or extra fields. Any zip tool reads it
(PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12, 4.3.16); this reader accepts nothing but what this writer writes.
Standard library only.
"""

import hashlib
import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

MAX_FILE_BYTES = 2**32 - 1
MAX_MEMBERS = 65_534
MAX_NAME = 200
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*(/[A-Za-z0-9][A-Za-z0-9._+-]*)*")
"""A member's name: relative, plain, no folder above can be meant."""

_LOCAL, _ENTRY, _END = (
    struct.Struct("<4s5H3I2H"),
    struct.Struct("<4s6H3I5H2I"),
    struct.Struct("<4s4H2IH"),
)
_LOCAL_MARK, _ENTRY_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION, _MADE_BY_UNIX, _DAY_ONE = 20, 3 << 8 | 20, 1 << 5 | 1
_MODE = 0o100644 << 16
_CHUNK = 1024 * 1024
_SPELLED_AT = slice(4, 14)


class Problem(NamedTuple):
    """One thing that is wrong. `place` names a member, an event or a byte."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


def lowered(sentence: str) -> str:
    """Spell an error's sentence as part of another one."""
    text = sentence.rstrip(".")
    return text[:1].lower() + text[1:]


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the bundle; `crc` is its header's, `sha256` (bare hex) that of the content, which begins at `start`."""

    name: str
    size: int
    crc: int
    sha256: str
    start: int


Content = bytes | Path


def measure(content: Content) -> tuple[int, int, str]:
    """Return size, CRC-32 and sha256 (hex) of a content."""
    size, crc, hashing = 0, 0, hashlib.sha256()
    for chunk in _chunks(content):
        size, crc = size + len(chunk), zlib.crc32(chunk, crc)
        hashing.update(chunk)
    return size, crc, hashing.hexdigest()


def write(file: IO[bytes], contents: Sequence[tuple[str, Content]]) -> None:
    """Write the members in the order given. Raises ValueError for a name or size that a bundle cannot have."""
    members: list[Member] = []
    start = 0
    for name, content in contents:
        if not NAME.fullmatch(name) or len(name) > MAX_NAME:
            raise ValueError(f"{name!r} cannot be a name in a bundle")
        size, crc, sha256 = measure(content)
        member = Member(name, size, crc, sha256, start + _LOCAL.size + len(name))
        file.write(_local(member))
        for chunk in _chunks(content):
            file.write(chunk)
        start = member.start + size
        if start > MAX_FILE_BYTES:
            raise ValueError("a bundle holds 4 GiB at most")
        members.append(member)
    file.write(_directory(members))


def read(file: IO[bytes]) -> tuple[list[Member], list[Problem]]:
    """Read the whole file once and return its members and every place that is not as `write` spells it.

    Memory does not grow with the members' sizes. Stops at the first place behind which nothing can be told.
    """
    total = file.seek(0, os.SEEK_END)
    members: list[Member] = []
    problems: list[Problem] = []
    at = 0
    while True:
        file.seek(at)
        mark = file.read(4)
        if mark == _ENTRY_MARK or (mark == _END_MARK and not members):
            problems += _check_directory(file, at, total, members)
            if not members:
                problems.append(Problem("the file", "there is nothing in it"))
            return members, problems
        found = _read_member(file, at, total, _after(members))
        if isinstance(found, Problem):
            return members, [*problems, found]
        member, wrong = found
        problems += wrong
        members.append(member)
        at = member.start + member.size
        if len(members) > MAX_MEMBERS:
            return members, [*problems, Problem(f"byte {at}", f"more than {MAX_MEMBERS} members")]


def content(file: IO[bytes], member: Member) -> bytes:
    """Return a member's whole content."""
    file.seek(member.start)
    return file.read(member.size)


def _read_member(
    file: IO[bytes], at: int, total: int, after: str
) -> tuple[Member, list[Problem]] | Problem:
    place = f"byte {at}, {after}"
    file.seek(at)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size:
        return Problem(place, "the file ends in the middle")
    mark, *_, written_crc, _, size, length, extra = _LOCAL.unpack(head)
    if mark != _LOCAL_MARK or length > MAX_NAME or extra:
        return Problem(
            place, "no member of a bundle begins here: its header was changed, or this is no bundle"
        )
    raw = file.read(length)
    name = raw.decode("ascii", "replace")
    if not NAME.fullmatch(name):
        return Problem(place, f"the name {name!r} cannot be in a bundle")
    start = at + _LOCAL.size + length
    if head[_SPELLED_AT] != _local(Member("", 0, 0, "", 0))[_SPELLED_AT]:
        return Problem(
            name,
            "it was packed by something else than Gare; a bundle must be kept as it was written",
        )
    if start + size > total:
        return Problem(
            name, f"its header says {size} bytes, but the file ends after {total - start} of them"
        )
    file.seek(start)
    crc, hashing = 0, hashlib.sha256()
    for chunk in _limited(file, size):
        crc = zlib.crc32(chunk, crc)
        hashing.update(chunk)
    # The checksum is kept as the header has it, so that the directory is not blamed for a changed content.
    member = Member(name, size, written_crc, hashing.hexdigest(), start)
    if (wrong := _first_difference(head + raw, _local(member))) is not None:
        return member, [Problem(name, f"its header was changed (byte {at + wrong} of the file)")]
    if crc != written_crc:
        return member, [Problem(name, "its content does not match the checksum in its header")]
    return member, []


def _check_directory(
    file: IO[bytes], at: int, total: int, members: Sequence[Member]
) -> Iterator[Problem]:
    """Compare everything behind the members with what must stand there."""
    wanted = _directory(members)
    file.seek(at)
    found = file.read(len(wanted))
    wrong = _first_difference(found, wanted)
    if wrong is not None:
        yield Problem(
            f"the zip directory, {_entry_at(members, wrong)}",
            f"byte {at + wrong} of the file is not as it was written"
            if at + wrong < total
            else "the file ends early",
        )
    if total > at + len(wanted):
        more = total - at - len(wanted)
        yield Problem(
            "the end of the file", f"{more} bytes follow that do not belong to the bundle"
        )


def _first_difference(found: bytes, wanted: bytes) -> int | None:
    if found == wanted:
        return None
    pairs = enumerate(zip(found, wanted, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(found), len(wanted)))


def _entry_at(members: Sequence[Member], offset: int) -> str:
    for member in members:
        offset -= _ENTRY.size + len(member.name)
        if offset < 0:
            return f"entry of {member.name}"
    return "its last record"


def _after(members: Sequence[Member]) -> str:
    return f"after {members[-1].name}" if members else "at the beginning"


def _local(member: Member) -> bytes:
    return _LOCAL.pack(
        _LOCAL_MARK, _VERSION, 0, 0, 0, _DAY_ONE,
        member.crc, member.size, member.size, len(member.name), 0,
    ) + member.name.encode("ascii")  # fmt: skip


def _directory(members: Sequence[Member]) -> bytes:
    entries = b"".join(_entry(member) for member in members)
    start = members[-1].start + members[-1].size if members else 0
    count = len(members)
    return entries + _END.pack(_END_MARK, 0, 0, count, count, len(entries), start, 0)


def _entry(member: Member) -> bytes:
    offset = member.start - _LOCAL.size - len(member.name)
    return _ENTRY.pack(
        _ENTRY_MARK, _MADE_BY_UNIX, _VERSION, 0, 0, 0, _DAY_ONE,
        member.crc, member.size, member.size, len(member.name), 0, 0, 0, 0, _MODE, offset,
    ) + member.name.encode("ascii")  # fmt: skip


def _chunks(content: Content) -> Iterable[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _limited(file: IO[bytes], size: int) -> Iterator[bytes]:
    while size > 0 and (chunk := file.read(min(size, _CHUNK))):
        size -= len(chunk)
        yield chunk
