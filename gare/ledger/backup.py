"""Write a station's record into one file while the station works: the ledger, the store, the keys, the commands' logs.

The ledger is copied first, then the files that it names: a file that comes later is not missed by anything in the copy.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple

from gare import __version__
from gare.domain.digest import canonical
from gare.errors import ConfigError, Refused
from gare.files import hash_file, sync_folder, temporary_name
from gare.ledger import snapshot
from gare.ledger.backup_file import (
    ABSENT,
    HEADS,
    INDEX,
    LEDGER,
    README,
    Writer,
    may_be_named,
)

FORMAT = 1
_CHUNK = 1024 * 1024
_TRIES = 5

README_TEXT = """\
The backup of a station, written by `gare backup`.

In it: the ledger (ledger.db, SQLite), the store of artifacts and reports, the station's private keys, the logs of the
commands of releases. KEEP IT SECRET: the keys sign evidence.
Not in it: the configuration (it is in Git), secrets, the engine's database (the ledger is the record; `gare recover`
makes new runs), checkouts.

Restore it:           gare restore FILE
Check it:             gare restore FILE --check
Check it by hand:     tar xf FILE && sha256sum -c SHA256SUMS && sqlite3 ledger.db 'PRAGMA integrity_check'
What was missing:     absent.jsonl
The newest event of each stream: heads.txt
"""


class Place(NamedTuple):
    """What is saved: the state folder and the ledger's file."""

    state: Path
    ledger: Path


class Absent(NamedTuple):
    """A file that should be in the backup and is not."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was written."""

    path: Path
    made_at: str
    size: int
    sha256: str
    facts: snapshot.Facts
    members: int
    absent: list[Absent] = field(default_factory=list)


def write_backup(place: Place, out: Path, *, made_at: datetime, may_replace: bool = False) -> Made:
    """Write the backup, whole or not at all. Raises Refused when the file is there, ConfigError, Unavailable."""
    if out.is_dir() or (os.path.lexists(out) and not may_replace):
        raise Refused(
            "There is something of this name already.",
            where=str(out),
            hint="Name another file, or write `--force` to replace a file. Nothing was changed.",
        )
    partial, copy = temporary_name(out), temporary_name(out)
    try:
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        snapshot.take(place.ledger, copy)
        facts = snapshot.examine(copy, str(place.ledger))
        with open(partial, "x+b", opener=_private) as file:
            count, absent = _fill(file, place, copy, facts, made_at.isoformat(timespec="seconds"))
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        digest = hash_file(partial)
        os.replace(partial, out)
        sync_folder(out.parent)
    except OSError as error:
        raise ConfigError(
            f"The backup cannot be written: {error.strerror}.",
            where=str(error.filename or out),
            hint="Name a file in a folder that exists, may be written and has room; nothing is left behind.",
        ) from error
    finally:
        for path in (partial, copy, copy.with_name(f"{copy.name}-journal")):
            with suppress(OSError):
                path.unlink()
    return Made(out, made_at.isoformat(timespec="seconds"), size, digest, facts, count, absent)


def _fill(
    file: IO[bytes], place: Place, copy: Path, facts: snapshot.Facts, made_at: str
) -> tuple[int, list[Absent]]:
    writer = Writer(file)
    named = {
        bytes.fromhex(sha256): f"{stream}: {name}"
        for stream, name, sha256 in snapshot.references(copy)
    }
    absent: list[Absent] = []
    _add_bytes(writer, README, README_TEXT.encode())
    size = sum(map(len, snapshot.head_lines(copy)))
    writer.keep(HEADS, writer.add(HEADS, snapshot.head_lines(copy), size, mode=0o644))
    absent += _add_files(writer, place.state, _listed(place.state / "keys"), 0o600)
    _add_file(writer, LEDGER, copy, 0o600)
    absent += _add_files(writer, place.state, _logs(place.state / "logs"), 0o644)
    absent += _add_store(writer, place.state, named)
    # What is left was named by the ledger and is not in the store.
    absent += [
        Absent(_stored(digest.hex()), f"it is not in the store ({name})")
        for digest, name in named.items()
    ]
    _add_bytes(
        writer, ABSENT, b"".join((canonical(item._asdict()) + "\n").encode() for item in absent)
    )
    index = {
        "format": FORMAT, "gare": __version__, "made_at": made_at, "members": writer.count,
        "absent": len(absent),
        "ledger": {"revision": facts.revision, "events": facts.events, "streams": facts.streams, "heads": facts.heads},
    }  # fmt: skip
    count = writer.count
    _add_bytes(writer, INDEX, (json.dumps(index, sort_keys=True, indent=2) + "\n").encode())
    writer.end()
    return count, absent


def _add_bytes(writer: Writer, name: str, content: bytes) -> None:
    writer.keep(name, writer.add(name, [content], len(content), mode=0o644))


def _add_file(writer: Writer, name: str, path: Path, mode: int, sha256: str = "") -> str:
    """Add a file as it is now; return why it cannot be, or nothing. A log may grow meanwhile: its beginning counts."""
    begin = writer.here()
    try:
        with path.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            found = writer.add(name, _first(source, size), size, mode=mode)
    except FileNotFoundError:
        return "it is gone"
    except ValueError as error:
        return str(error)
    except OSError as error:
        if error.filename != str(path):
            raise  # the backup's own file, not this one
        return f"it cannot be read: {error.strerror}"
    if sha256 and found != sha256:
        writer.take_back(begin)
        return f"it was changed in the store: its sha256 is {found}"
    writer.keep(name, found)
    return ""


def _add_files(writer: Writer, state: Path, paths: Iterable[Path], mode: int) -> Iterator[Absent]:
    for path in paths:
        name = path.relative_to(state).as_posix()
        why = (
            _add_file(writer, name, path, mode)
            if may_be_named(name)
            else "its name cannot be in a backup"
        )
        if why:
            yield Absent(name, why)


def _add_store(writer: Writer, state: Path, named: dict[bytes, str]) -> Iterator[Absent]:
    """Add every file of the store that is what its name says; take what is there out of `named`."""
    for folder in _listed(state / "store" / "sha256", folders=True):
        for path in _listed(folder):
            name = path.relative_to(state).as_posix()
            if not may_be_named(name):
                continue  # a file that is just being written
            release = named.pop(bytes.fromhex(path.name), "")
            mode = 0o555 if os.access(path, os.X_OK) and path.stat().st_mode & 0o100 else 0o444
            if why := _add_file(writer, name, path, mode, path.name):
                yield Absent(name, f"{why} ({release or 'no release names it'})")


def _stored(hexadecimal: str) -> str:
    return f"store/sha256/{hexadecimal[:2]}/{hexadecimal}"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _first(source: IO[bytes], size: int) -> Iterator[bytes]:
    while size > 0 and (chunk := source.read(min(size, _CHUNK))):
        size -= len(chunk)
        yield chunk


def _logs(folder: Path) -> Iterator[Path]:
    """Yield the logs of releases' commands, not those of the station's own processes."""
    for release in _listed(folder, folders=True):
        if re.fullmatch(r"R-[0-9]+", release.name):
            found = [
                path for path in release.rglob("*") if path.is_file() and not path.is_symlink()
            ]
            yield from sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _listed(folder: Path, *, folders: bool = False) -> list[Path]:
    """Return a folder's plain files (or folders) in order; links are nobody's."""
    try:
        with os.scandir(folder) as entries:
            found = [
                Path(entry.path)
                for entry in entries
                if (entry.is_dir if folders else entry.is_file)(follow_symlinks=False)
            ]
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda path: path.name)
