"""A copy of a SQLite ledger as one file, and whether such a file is a whole, sound ledger. Changes no ledger.

The file may come from anybody: it is opened as a plain file, nothing stored in it is run, it is read row by row.
"""

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from gare.errors import ConfigError, Unavailable
from gare.ledger.chain import Event, broken

_VALUE_BYTES = 256 * 1024 * 1024
"""No value of a ledger is larger; SQLite reads one into memory as a whole."""
_BUSY_S = 30


@dataclass(frozen=True, slots=True)
class Facts:
    """What a snapshot holds. `heads` is the sha256 (hex) of `head_lines`."""

    revision: str
    events: int
    streams: int
    heads: str


def take(ledger: Path, target: Path) -> None:
    """Copy a ledger that may be in use; what is committed at one moment is in the copy, which is one file."""
    if not ledger.is_file():
        raise ConfigError(
            "There is no ledger here yet, so there is nothing to back up.",
            where=str(ledger),
            hint="`gare up` makes it.",
        )
    try:
        with (
            closing(sqlite3.connect(f"{ledger.resolve().as_uri()}?mode=ro", timeout=_BUSY_S, uri=True)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):  # fmt: skip
            # In one piece: copied page by page, a busy ledger would make it begin again and again.
            source.backup(copy, progress=_patience())
            copy.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        raise Unavailable(
            f"The ledger cannot be copied now: {error}.",
            where=f"{ledger} to {target.parent}",
            hint="Look whether the folder has room and the ledger can be read; nothing was changed.",
        ) from error
    except sqlite3.DatabaseError as error:
        raise unsound(f"it cannot be read: {error}", str(ledger)) from error


def _patience() -> Callable[[int, int, int], None]:
    """Return what is called after each try: somebody who holds the ledger alone is not waited for without end."""
    deadline = time.monotonic() + _BUSY_S

    def look(status: int, _remaining: int, _total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > deadline:
            raise sqlite3.OperationalError("database is locked")

    return look


def examine(file: Path, where: str) -> Facts:
    """Check a snapshot: every page, its tables, every stream's chain. Raises ConfigError for the first thing wrong."""
    try:
        with closing(_opened(file)) as connection:
            # A page that is broken shows here, and not as a strange answer later.
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise unsound(f"it is damaged: {found}", where)
            revision = _revision(connection, where)
            _check_form(connection, revision, where)
            events, streams, heads = _check_chains(connection, where)
            return Facts(revision, events, streams, heads)
    except (sqlite3.Error, sqlite3.Warning, OverflowError, ValueError, TypeError) as error:
        raise unsound(f"it cannot be read: {error}", where) from error


def head_lines(file: Path) -> Iterator[bytes]:
    """Yield each stream with the number and the digest of its newest event, as a line."""
    with closing(_opened(file)) as connection:
        for row in connection.execute("SELECT stream, seq, head FROM streams ORDER BY stream"):
            yield _head_line(*row)


def references(file: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (release, name, sha256) of every file of the store that the events name."""
    from gare.ledger.evidence import referenced

    with closing(_opened(file)) as connection:
        for stream, events in groupby(_events(connection), lambda event: event.stream):
            for event in events:
                # One event at a time: memory does not grow with a release.
                for reference in referenced([event]):
                    yield stream, reference.name, reference.sha256


def unsound(what: str, where: str) -> ConfigError:
    """Return the one error for a ledger that is not whole."""
    return ConfigError(
        f"The ledger is not sound: {what}.",
        where=where,
        hint="Take an older backup, or look at `gare audit verify`; nothing was changed.",
    )


def _opened(file: Path) -> sqlite3.Connection:
    # immutable: without it SQLite would look for, and make, files beside it.
    connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE_BYTES)
    for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _revision(connection: sqlite3.Connection, where: str) -> str:
    from gare.ledger.database import FORMS, HEAD_REVISION

    try:
        rows = connection.execute("SELECT version_num FROM alembic_version LIMIT 2").fetchall()
    except sqlite3.OperationalError:
        raise unsound("it is no ledger of Gare", where) from None
    found = str(rows[0][0])[:32] if len(rows) == 1 else ""
    if found in FORMS:
        return found
    if found > HEAD_REVISION:
        raise ConfigError(
            f"The ledger has form {found}, made by a newer Gare; this one knows {HEAD_REVISION}.",
            where=where,
            hint="Use that Gare; nothing was changed.",
        )
    raise unsound("it does not say which form it has", where)


def _check_form(connection: sqlite3.Connection, revision: str, where: str) -> None:
    """See that it has the tables that Gare makes, and nothing that would run by itself."""
    found, wanted = _form(connection), _form_of(revision)
    if found != wanted:
        odd = sorted(map(str, found ^ wanted))[0]
        raise unsound(f"its tables are not those of form {revision}: {odd[:200]}", where)


def _form_of(revision: str) -> frozenset[tuple[object, ...]]:
    """Return the form that the migrations make."""
    from sqlalchemy import create_engine

    from gare.ledger.database import upgrade

    engine = create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            upgrade(connection, revision)
            made: Any = connection.connection.driver_connection
            return _form(made)
    finally:
        engine.dispose()


def _form(connection: sqlite3.Connection) -> frozenset[tuple[object, ...]]:
    rows = connection.execute(
        "SELECT type, name, tbl_name FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'"
    ).fetchmany(1000)
    form: set[tuple[object, ...]] = set(rows)
    for kind, name, _ in rows:
        if kind == "table":
            columns = connection.execute(
                'SELECT name, type, "notnull", pk FROM pragma_table_xinfo(?)', (name,)
            )
            form.update((name, *column) for column in columns.fetchmany(1000))
    return frozenset(form)


def _check_chains(connection: sqlite3.Connection, where: str) -> tuple[int, int, str]:
    """Check every stream against its head; return the numbers of events and streams, and the digest of the heads."""
    heads = connection.execute("SELECT stream, seq, head FROM streams ORDER BY stream")
    hashing, count, streams = hashlib.sha256(), 0, 0
    for stream, events in groupby(_events(connection), lambda event: event.stream):
        head = heads.fetchone()
        if head is None or head[0] != stream or not isinstance(head[2], str) or not head[2]:
            raise unsound(f"the newest event of {stream[:40]!r} is not known", where)
        last = [0]
        for problem in broken(_noting(events, last), head[2]):
            raise unsound(problem, where)
        if last[0] != head[1]:
            raise unsound(f"{stream} ends with event {last[0]}, not {head[1]}", where)
        hashing.update(_head_line(*head))
        count, streams = count + last[0], streams + 1
    if (more := heads.fetchone()) is not None:
        raise unsound(f"the events of {str(more[0])[:40]} are missing", where)
    return count, streams, hashing.hexdigest()


def _noting(events: Iterator[Event], last: list[int]) -> Iterator[Event]:
    """Pass the events on, and note the number of the last one: a long stream is not kept."""
    for event in events:
        last[0] = event.seq
        yield event


def _events(connection: sqlite3.Connection) -> Iterator[Event]:
    fields = ", ".join(Event._fields)
    for row in connection.execute(f"SELECT {fields} FROM events ORDER BY stream, seq"):  # noqa: S608
        event = Event(*row)
        if type(event.seq) is not int or any(type(value) is not str for value in row[:1] + row[2:]):
            raise ValueError(f"an event of {str(event.stream)[:40]!r} is not text")
        yield event


def _head_line(stream: str, seq: int, head: str) -> bytes:
    return f"{head} {seq} {stream}\n".encode()
