"""The ledger's database: open, migrate, transactions, append to the hash chain. SQLite or PostgreSQL.

SQLite runs in WAL mode with synchronous=FULL: a committed event survives a power cut. On both, one transaction
writes at a time (BEGIN IMMEDIATE, an advisory lock): what it has read stays true until it commits.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    URL,
    ClauseElement,
    Connection,
    CursorResult,
    Engine,
    bindparam,
    create_engine,
    event,
    insert,
    inspect,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.exc import ArgumentError, DatabaseError, DataError, OperationalError

from gare.clock import now
from gare.domain.digest import canonical
from gare.errors import ConfigError, Fenced, LedgerAway, Refused
from gare.ledger.chain import GENESIS, Event, link
from gare.ledger.schema import events, leases, metadata, streams
from gare.polling import looks

HEAD_REVISION = "0006"
"""The newest migration; a test compares it with the migrations' own head."""

_SINCE_0002 = {"holders", "leases", "rescues", "locks", "keys"}
_SINCE_0003 = {"freezes", "overrides", "holds", "fixes", "later_checks", "slots", "stops"}
FORMS = {
    "0001": set(metadata.tables) - _SINCE_0003 - _SINCE_0002,
    "0002": set(metadata.tables) - _SINCE_0003,
    "0003": set(metadata.tables),
    "0004": set(metadata.tables),
    "0005": set(metadata.tables),
    "0006": set(metadata.tables),
}
"""The tables of each form; a test compares them with what the migrations make."""

Clock = Callable[[], datetime]
_Found = TypeVar("_Found")

AT_ONCE = datetime(2000, 1, 1, tzinfo=UTC)
"""Past whatever the clock says, or is set back to: a release that is to be woken now."""
_BUSY_S = 30
_WRITER = 7461236
# Spelled once a database: putting a statement together costs more than running it, and every write appends.
_NEWEST = select(streams.c.seq, streams.c.head).where(streams.c.stream == bindparam("of"))
_APPEND = insert(events)
_ADVANCE = (
    update(streams)
    .where(streams.c.stream == bindparam("of"))
    .values(seq=bindparam("number"), head=bindparam("digest"))
)
_BEGIN = insert(streams).values(
    stream=bindparam("of"), seq=bindparam("number"), head=bindparam("digest")
)
_NO_TEXT = re.compile("[\\x00\ud800-\udfff]")


def spell(at: datetime) -> str:
    """Spell an instant as stored: ISO 8601 UTC with microseconds, sortable as text."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def read_instant(value: str) -> datetime:
    """Read an instant that `spell` wrote."""
    return datetime.fromisoformat(value)


def plain(value: str) -> str:
    """Replace what no database keeps as text (NUL, half characters): an error message must never be lost for it."""
    return _NO_TEXT.sub("\ufffd", value)


class _Prepared:
    """A statement in the words of one database, run without being put together again."""

    def __init__(self, statement: ClauseElement, engine: Engine) -> None:
        compiled = statement.compile(dialect=engine.dialect)
        self._text = str(compiled)
        self._order: Sequence[str] | None = getattr(compiled, "positiontup", None)

    def __call__(self, connection: Connection, values: dict[str, Any]) -> CursorResult[Any]:
        order = self._order
        params = values if order is None else tuple(values[name] for name in order)
        return connection.exec_driver_sql(self._text, params)


class Database:
    """One ledger database. Thread-safe; open one per process."""

    def __init__(self, url: str, *, clock: Clock = now) -> None:
        self.url, self.clock = url, clock
        self.patience_s = 0.0
        """How long a database that is away is waited for. People want an answer; a release's process has time."""
        self._fences: dict[str, int] = {}
        try:
            self.engine = _engine(url)
        except (ArgumentError, ModuleNotFoundError) as error:
            raise ConfigError(
                f"The ledger's address is not usable: {error}",
                where="station.yaml: ledger",
                hint="Write `postgresql+psycopg://user@host/name`, or leave it out for SQLite.",
            ) from error
        except OSError as error:
            raise ConfigError(
                f"The ledger's folder cannot be made: {error.strerror}.",
                where=str(error.filename),
                hint="Make it writable, or name another `state` folder in station.yaml.",
            ) from error
        prepare = partial(_Prepared, engine=self.engine)
        self._newest, self._append = prepare(_NEWEST), prepare(_APPEND)
        self._advance, self._begin = prepare(_ADVANCE), prepare(_BEGIN)
        try:
            with self._told(), _told_at_start(url):
                migrate(self.engine)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a connection for reading; each statement sees what is committed."""
        with self._told(), ExitStack() as stack:
            connection = self._open(stack, self.engine.connect)
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open one transaction; committed at the end, undone by any exception.

        Raises Fenced when a lease that this process writes under has been taken over.
        """
        with self._told(), ExitStack() as stack:
            connection = self._open(stack, self.engine.begin)
            self._check_fences(connection)
            yield connection

    def lasting(self, write: Callable[[], _Found]) -> _Found:
        """Do a write that must not be lost, anew while the database fails in the middle of it (full, restarted).

        Whether a commit that failed has happened is not known: `write` must bear being done twice.
        """
        for left_s in looks(self.patience_s):
            try:
                return write()
            except LedgerAway:
                if not left_s:
                    raise
        raise AssertionError("the last look returns or raises")

    def _open(
        self, stack: ExitStack, connect: Callable[[], AbstractContextManager[Connection]]
    ) -> Connection:
        """Open a connection or a transaction, waiting for a database that is locked or away."""
        for left_s in looks(self.patience_s):
            try:
                return stack.enter_context(connect())
            except OperationalError:
                if not left_s:
                    raise
        raise AssertionError("the last look returns or raises")

    def fence(self, lease: str, number: int) -> None:
        """Write from now on only while the lease has this number (gare.ledger.leases)."""
        self._fences[lease] = number

    def unfence(self, lease: str) -> None:
        """Write again without holding the lease."""
        self._fences.pop(lease, None)

    def _check_fences(self, connection: Connection) -> None:
        for lease, number in self._fences.items():
            found = connection.execute(
                select(leases.c.fence).where(leases.c.name == lease)
            ).scalar_one_or_none()
            if found != number:
                raise Fenced(
                    f"Another process has taken over {lease}: it has number {found}, this one {number}.",
                    where=f"process {os.getpid()}",
                    hint="Nothing was changed; this process stops.",
                )

    def close(self) -> None:
        """Let go of every connection; the next use opens them again."""
        self.engine.dispose()

    def append(
        self,
        connection: Connection,
        stream: str,
        kind: str,
        actor: str,
        body: Mapping[str, Any],
        *,
        at: datetime | None = None,
    ) -> Event:
        """Append an event to a stream within the caller's transaction, chained to the one before.

        `at` is the instant that the caller writes into its row, so that both say the same.
        """
        row = self._newest(connection, {"of": stream}).first()
        seq, prev = (row.seq + 1, row.head) if row else (1, GENESIS)
        text = plain(canonical(body))
        made = link(stream, seq, spell(at or self.clock()), kind, plain(actor), text, prev)
        self._append(connection, made._asdict())
        step = self._advance if row else self._begin
        step(connection, {"of": stream, "number": seq, "digest": made.hash})
        return made

    def events(self, stream: str, after: int = 0) -> list[Event]:
        """Return a stream's events in order, from number `after` + 1 on."""
        with self.read() as connection:
            rows = connection.execute(
                select(events)
                .where(events.c.stream == stream, events.c.seq > after)
                .order_by(events.c.seq)
            )
            return [Event(**row._mapping) for row in rows]

    def head(self, stream: str) -> str:
        """Return the digest of a stream's newest event."""
        with self.read() as connection:
            found = connection.execute(
                select(streams.c.head).where(streams.c.stream == stream)
            ).scalar()
            return found or GENESIS

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise LedgerAway(
                f"The ledger cannot be used now: {error.orig}.",
                where=make_url(self.url).render_as_string(hide_password=True),
                hint="Check that the database is up, reachable, writable and has room; nothing was changed.",
            ) from error
        except DataError as error:
            raise Refused(
                f"The ledger cannot keep this value: {_first_line(error)}.",
                where=make_url(self.url).render_as_string(hide_password=True),
                hint="Make it shorter or plainer; nothing was changed.",
            ) from error
        except DatabaseError as error:
            if (problem := _problem(error)) is None:
                raise
            raise ConfigError(
                f"{problem[0]}: {_first_line(error)}.",
                where=make_url(self.url).render_as_string(hide_password=True),
                hint=problem[1],
            ) from error


@contextmanager
def _told_at_start(url: str) -> Iterator[None]:
    """Tell what a person must mend before anything can begin; later, the same may pass by itself."""
    try:
        yield
    except OperationalError as error:
        said = str(error.orig)
        if "readonly database" not in said and "unable to open" not in said:
            raise
        raise ConfigError(
            f"The ledger cannot be opened for writing: {_first_line(error)}.",
            where=make_url(url).render_as_string(hide_password=True),
            hint="Let the user that runs Gare write the file and its folder; nothing was changed.",
        ) from error


def _first_line(error: DatabaseError) -> str:
    return str(error.orig).strip().partition("\n")[0].rstrip(".")


def _problem(error: DatabaseError) -> tuple[str, str] | None:
    """Return what is wrong with a database and what to do; None when it is our own defect."""
    said = str(error.orig)
    if "not a database" in said or "malformed" in said:
        return (
            "The ledger is no database that can be read",
            "Restore it from a backup, or move the file away to begin a new ledger.",
        )
    # SQLSTATE 42501 insufficient_privilege, 25006 read_only_sql_transaction (PostgreSQL manual, appendix A).
    if getattr(error.orig, "sqlstate", None) in ("42501", "25006"):
        return (
            "The ledger's database does not let Gare write",
            "Grant its user all rights on the schema, or name the primary server.",
        )
    return None


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return _postgresql(parsed)
    if parsed.get_backend_name() != "sqlite":
        raise ArgumentError(f"{parsed.get_backend_name()} is neither SQLite nor PostgreSQL")
    if parsed.database and parsed.database != ":memory:":
        if Path(parsed.database).is_dir():
            raise ConfigError(
                "The ledger cannot be opened: a folder is in its place.",
                where=parsed.database,
                hint="Move the folder away, or restore the ledger from a backup.",
            )
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        parsed.set(query={"timeout": str(_BUSY_S), **parsed.query}),
        connect_args={"check_same_thread": False},
    )
    event.listen(engine, "connect", _on_sqlite_connect)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _on_sqlite_connect(connection: Any, _record: Any) -> None:
    # The driver must not begin on its own: we begin IMMEDIATE ourselves (SQLAlchemy manual, "Serializable
    # isolation / Savepoints / Transactional DDL" of the SQLite dialect).
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgresql(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_pre_ping=True,
        connect_args={"options": f"-c lock_timeout={_BUSY_S}s", "connect_timeout": _BUSY_S}
        if "options" not in url.query
        else {},
    )
    event.listen(engine, "begin", _one_writer)
    return engine


def _one_writer(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER})")


def migrate(engine: Engine) -> None:
    """Bring the database to this Gare's form; refuse one that a newer Gare, or something else, made."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if _checked_revision(connection) == HEAD_REVISION:
            return
    with engine.begin() as connection:
        if _checked_revision(connection) != HEAD_REVISION:
            _upgrade(connection)


def revision(connection: Connection) -> str:
    """Return the migration that the database is at; empty for a new one."""
    return _revision(connection, set(inspect(connection).get_table_names()))


def _revision(connection: Connection, tables: set[str]) -> str:
    if "alembic_version" not in tables:
        return ""
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""


def _checked_revision(connection: Connection) -> str:
    """Return the migration that the database is at. Raises ConfigError when its tables are not those of that form."""
    tables = set(inspect(connection).get_table_names())
    found, ours = _revision(connection, tables), tables & set(metadata.tables)
    where = connection.engine.url.render_as_string(hide_password=True)
    if found > HEAD_REVISION:
        raise ConfigError(
            f"The ledger has form {found}, made by a newer Gare; this one knows {HEAD_REVISION}.",
            where=where,
            hint="Install that Gare again; nothing was changed.",
        )
    if more := sorted(ours - FORMS.get(found, set())):
        raise ConfigError(
            f"The database holds tables that Gare did not finish or did not make: {', '.join(more)}.",
            where=where,
            hint="Restore the ledger from a backup, or give Gare a database of its own; nothing was changed.",
        )
    if less := sorted(FORMS.get(found, set()) - ours):
        raise ConfigError(
            f"The ledger says that it has form {found}, but tables of it are missing: {', '.join(less)}.",
            where=where,
            hint="Restore the ledger from a backup; nothing was changed.",
        )
    return found


def _upgrade(connection: Connection) -> None:
    upgrade(connection, "head")


def upgrade(connection: Connection, to: str) -> None:
    """Run the migrations up to one of them, within the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
