"""Bring a station back from a backup: everything is checked first, what is there is moved aside, never deleted.

The file may come from anybody. Until the last check has passed nothing changes but a hidden folder for the new files.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO

from gare.errors import ConfigError, Refused, UnexpectedReply
from gare.files import sync_folder, write_atomic
from gare.ledger import snapshot
from gare.ledger.backup import FORMAT, Place
from gare.ledger.backup_file import (
    ABSENT,
    HEADS,
    INDEX,
    LEDGER,
    SUMS,
    Member,
    chunks,
    damaged,
    digest_of,
    members,
    sum_line,
)
from gare.ledger.database import HEAD_REVISION, Database
from gare.ledger.replay import Reader, load
from gare.ledger.restored import mark_restored, newest_event_at
from gare.station_state import StateFolder, hold

_MOST_INDEX_BYTES = 64 * 1024
_STAGE = ".restore-"
_PARTS = ("keys", "logs", "store")
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Index:
    """What a backup says about itself."""

    made_at: str
    gare: str
    members: int
    absent: int
    revision: str
    events: int
    streams: int
    heads: str


@dataclass(frozen=True, slots=True)
class Restored:
    """What was brought back. `aside` is where the things that were there are now, if there were any."""

    index: Index
    open_releases: tuple[str, ...] = ()
    aside: Path | None = None


def restore(backup: Path, place: Place, *, may_replace: bool = False) -> Restored:
    """Check a backup and put it in place. Raises ConfigError for a bad one, Refused when it may not be done here."""
    with _opened(backup) as file:
        index = read_index(file, str(backup))
        with _held(place.state):
            StateFolder(place.state).check_format()
            there = [path for path in _ledger_files(place.ledger) if path.exists()]
            if there and not may_replace:
                raise Refused(
                    "There is a ledger here already.",
                    where=str(place.ledger),
                    hint="With `--force` it is moved aside, with all that belongs to it. Nothing was changed.",
                )
            with _stage(place.state) as stage:
                _enough_room(backup, stage)
                _unpack(file, stage, str(backup))
                _check_ledger(stage / LEDGER, index, str(backup))
                found = _go_on_from(stage / LEDGER, index)
                aside = _put_in_place(stage, place)
    return Restored(index, found, aside)


def check(backup: Path, scratch: Path) -> Index:
    """Check a backup as `restore` does, with the ledger unpacked into a scratch folder; change nothing."""
    with _opened(backup) as file:
        index = read_index(file, str(backup))
        for member in members(file, str(backup)):
            if member.name == LEDGER:
                _write(file, member, scratch / LEDGER)
        _check_ledger(scratch / LEDGER, index, str(backup))
    return index


def mark(database: Database, state: Path, *, made_at: datetime | None, actor: str) -> Restored:
    """Tell a ledger that was restored by other means (pg_restore) that it was; set the engine's database aside."""
    with _held(state):
        at = made_at.isoformat(timespec="seconds") if made_at else newest_event_at(database)
        found = mark_restored(database, {"backup_made_at": at, "by": "other means"}, actor=actor)
        aside = _move_aside([state / "prefect"], state)
    return Restored(Index(at, "", 0, 0, HEAD_REVISION, 0, 0, ""), tuple(found), aside)


def read_index(file: IO[bytes], where: str) -> Index:
    """Check every byte of a backup against its own sums and return what it says about itself."""
    sums, found, count, raw = sha256(), dict[str, str](), -1, b""
    for member in members(file, where):
        if member.name == INDEX:
            if member.size > _MOST_INDEX_BYTES:
                raise damaged(f"{INDEX} is larger than {_MOST_INDEX_BYTES >> 10} KiB", where)
            raw = b"".join(chunks(file, member))
        digest = digest_of(file, member)
        if member.name.startswith("store/"):
            if not member.name.endswith(f"/{digest}"):
                raise damaged(f"the content of `{member.name}` is another: {digest}", where)
        else:
            found[member.name] = digest
        if member.name != SUMS:
            sums.update(sum_line(member.name, digest))
            count += 1
    if found[SUMS] != sums.hexdigest():
        raise damaged(f"a content is not what {SUMS} says", where)
    index = _index(raw, where)
    if LEDGER not in found or found.get(HEADS) != index.heads or count != index.members:
        raise damaged(f"{INDEX} does not fit to the rest", where)
    return index


def absent_lines(backup: Path) -> Iterator[str]:
    """Yield the first lines of what a backup says is missing in it."""
    with _opened(backup) as file:
        for member in members(file, str(backup)):
            if member.name == ABSENT:
                text = next(chunks(file, member), b"").decode("utf-8", "replace")
                yield from text.splitlines()[:_SHOWN]


def _index(raw: bytes, where: str) -> Index:
    try:
        index = Reader(load(raw.decode(), INDEX), INDEX)
        if (form := index.number("format")) != FORMAT:
            newer = "a newer Gare made it" if form > FORMAT else "no Gare makes such"
            raise ConfigError(
                f"The backup has format {form:g}; this Gare knows {FORMAT}: {newer}.",
                where=where,
                hint="Use the Gare that made it; nothing was changed.",
            )
        ledger = index.object("ledger")
        found = Index(
            index.text("made_at"), index.text("gare"), int(index.number("members")), int(index.number("absent")),
            ledger.text("revision"), int(ledger.number("events")), int(ledger.number("streams")),
            ledger.text("heads"),
        )  # fmt: skip
        datetime.fromisoformat(found.made_at)
    except (UnexpectedReply, UnicodeDecodeError) as error:
        what = error.what if isinstance(error, UnexpectedReply) else "it is no UTF-8"
        raise damaged(f"{INDEX}: {what[:200].rstrip('.')}", where) from error
    except ValueError as error:
        raise damaged(f"{INDEX}: `made_at` is no instant", where) from error
    return found


def _check_ledger(file: Path, index: Index, where: str) -> None:
    facts = snapshot.examine(file, f"{where}: {LEDGER}")
    if facts != snapshot.Facts(index.revision, index.events, index.streams, index.heads):
        raise damaged(f"{LEDGER} is not the one that {INDEX} is about", where)


def _go_on_from(file: Path, index: Index) -> tuple[str, ...]:
    """Bring the new ledger to this Gare's form and write the restore down, while nobody uses it."""
    database = Database(f"sqlite:///{file}")
    try:
        body = {
            "backup_made_at": index.made_at, "made_by": index.gare, "events": index.events,
            "heads": f"sha256:{index.heads}",
        }  # fmt: skip
        return tuple(mark_restored(database, body, actor="command line"))
    finally:
        database.close()


def _unpack(file: IO[bytes], stage: Path, where: str) -> None:
    for member in members(file, where):
        if member.name == LEDGER or member.name.startswith(_PARTS):
            _write(file, member, stage / member.name)


def _write(file: IO[bytes], member: Member, path: Path) -> None:
    path.parent.mkdir(
        parents=True, exist_ok=True, mode=0o700 if "keys" in path.parts[-2:] else 0o755
    )
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as target:
        for chunk in chunks(file, member):
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    path.chmod(_mode(member))


def _mode(member: Member) -> int:
    """Return the rights that a file gets, whatever the backup says: what is run is in the store alone."""
    if member.name.startswith("store/"):
        return 0o555 if member.mode & 0o100 else 0o444
    return 0o644 if member.name.startswith("logs/") else 0o600


def _put_in_place(stage: Path, place: Place) -> Path | None:
    try:
        return _swap(stage, place)
    except OSError as error:
        raise ConfigError(
            f"The restore was cut short: {error.strerror or error}.",
            where=str(error.filename or place.state),
            hint="Mend that and run it again with `--force`. What was there is in `before-restore-…`, whole.",
        ) from error


def _swap(stage: Path, place: Place) -> Path | None:
    """Move what is there aside and the new files in; cut short, the station says so and the restore begins again."""
    state = place.state
    unfinished = StateFolder(state).unfinished
    write_atomic(unfinished, "A restore is under way, or was cut short: run it again.\n")
    old = [*_ledger_files(place.ledger), *(state / name for name in (*_PARTS, "prefect", "work"))]
    aside = _move_aside(old, state)
    for name in _PARTS:
        if (stage / name).exists():
            os.replace(stage / name, state / name)
    place.ledger.parent.mkdir(parents=True, exist_ok=True)
    _move(stage / LEDGER, place.ledger)
    sync_folder(state)
    unfinished.unlink()
    sync_folder(state)
    return aside


def _move_aside(paths: list[Path], state: Path) -> Path | None:
    full = [path for path in paths if path.is_file() or (path.is_dir() and any(path.iterdir()))]
    for path in paths:
        if path.is_dir() and path not in full:
            path.rmdir()
    if not full:
        return None
    number = 1
    while (aside := state / f"before-restore-{number}").exists():
        number += 1
    aside.mkdir(mode=0o700)
    for path in full:
        _move(path, aside / path.name)
    sync_folder(aside)
    return aside


def _move(path: Path, target: Path) -> None:
    """Rename a file or folder; copied when the other place is on another disk."""
    try:
        os.replace(path, target)
    except OSError:
        shutil.move(path, target)
    sync_folder(target.parent)


def _ledger_files(ledger: Path) -> list[Path]:
    return [
        ledger,
        *(ledger.with_name(f"{ledger.name}{end}") for end in ("-wal", "-shm", "-journal")),
    ]


def _enough_room(backup: Path, stage: Path) -> None:
    wanted, free = backup.stat().st_size, shutil.disk_usage(stage).free
    if wanted > free:
        raise ConfigError(
            f"There is no room: the backup needs {wanted >> 20} MiB, {free >> 20} MiB are free.",
            where=str(stage.parent),
            hint="Make room, then try again; nothing was changed.",
        )


@contextmanager
def _opened(backup: Path) -> Iterator[IO[bytes]]:
    try:
        if not backup.is_file():
            raise FileNotFoundError(2, "there is no such file", str(backup))
        with backup.open("rb") as file:
            yield file
    except OSError as error:
        raise ConfigError(
            f"The backup cannot be restored: {error.strerror or error}.",
            where=str(error.filename or backup),
            hint="Look whether the file can be read and the state folder written and has room.",
        ) from error


@contextmanager
def _held(state: Path) -> Iterator[None]:
    """Hold the state folder as a station does, so that none starts meanwhile; leave no trace when nothing was done."""
    folder = StateFolder(state)
    with ExitStack() as unless_done:
        if not state.exists():
            unless_done.callback(_remove_new, folder)
        state.mkdir(parents=True, exist_ok=True)
        with hold(folder) as is_ours:
            _refuse_in_use(folder, is_ours=is_ours)
            yield
        unless_done.pop_all()


def _remove_new(folder: StateFolder) -> None:
    with suppress(OSError):
        folder.lock.unlink()
        folder.root.rmdir()


def _refuse_in_use(folder: StateFolder, *, is_ours: bool) -> None:
    if not is_ours:
        raise Refused(
            "The station is up; a restore would take the ledger away from under it.",
            where=str(folder.root),
            hint="`gare down` first, then restore. Nothing was changed.",
        )
    if folder.record.exists():
        raise Refused(
            "A station was killed here, and something of it may still run.",
            where=str(folder.record),
            hint="`gare down` ends what is left of it; then restore. Nothing was changed.",
        )


@contextmanager
def _stage(state: Path) -> Iterator[Path]:
    """Make a folder for the new files, on the same disk; nothing of it stays."""
    for left in state.glob(f"{_STAGE}*"):
        shutil.rmtree(left, ignore_errors=True)
    stage = state / f"{_STAGE}{os.getpid()}"
    stage.mkdir(mode=0o700)
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)
