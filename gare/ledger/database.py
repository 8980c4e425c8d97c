"""The ledger's database: open, migrate, transactions, append to the hash chain. SQLite or PostgreSQL.

SQLite runs in WAL mode with synchronous=FULL: a committed event survives a power cut. Writers begin IMMEDIATE,
so two of them queue instead of failing half way.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    event,
    insert,
    inspect,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from gare.domain.digest import canonical
from gare.errors import ConfigError, Unavailable
from gare.ledger.chain import GENESIS, Event, link
from gare.ledger.schema import events, streams

HEAD_REVISION = "0001"
"""The newest migration; a test compares it with the migrations' own head."""

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present instant, aware UTC."""
    return datetime.now(UTC)


def spell(at: datetime) -> str:
    """Spell an instant as stored: ISO 8601 UTC with microseconds, sortable as text."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def read_instant(value: str) -> datetime:
    """Read an instant that `spell` wrote."""
    return datetime.fromisoformat(value)


class Database:
    """One ledger database. Thread-safe; open one per process."""

    def __init__(self, url: str, *, clock: Clock = utc_now) -> None:
        self.url, self.clock = url, clock
        try:
            self.engine = _engine(url)
        except (ArgumentError, ModuleNotFoundError) as error:
            raise ConfigError(
                f"The ledger's address is not usable: {error}",
                where="station.yaml: ledger",
                hint="Write `postgresql+psycopg://user@host/name`, or leave it out for SQLite.",
            ) from error
        with self._told():
            migrate(self.engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a connection for reading; each statement sees what is committed."""
        with (
            self._told(),
            self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        ):
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open one transaction; committed at the end, undone by any exception."""
        with self._told(), self.engine.begin() as connection:
            yield connection

    def append(
        self, connection: Connection, stream: str, kind: str, actor: str, body: Mapping[str, Any]
    ) -> Event:
        """Append an event to a stream within the caller's transaction, chained to the one before."""
        row = connection.execute(
            select(streams.c.seq, streams.c.head)
            .where(streams.c.stream == stream)
            .with_for_update()
        ).first()
        seq, prev = (row.seq + 1, row.head) if row else (1, GENESIS)
        made = link(stream, seq, spell(self.clock()), kind, actor, canonical(body), prev)
        connection.execute(insert(events).values(made._asdict()))
        if row:
            connection.execute(
                update(streams).where(streams.c.stream == stream).values(seq=seq, head=made.hash)
            )
        else:
            connection.execute(insert(streams).values(stream=stream, seq=seq, head=made.hash))
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
            raise Unavailable(
                f"The ledger cannot be used now: {error.orig}.",
                where=make_url(self.url).render_as_string(hide_password=True),
                hint="Check that the database is up, reachable, writable and has room; nothing was changed.",
            ) from error
        except DatabaseError as error:
            if "not a database" not in str(error) and "malformed" not in str(error):
                raise
            raise ConfigError(
                f"The ledger is no database that can be read: {error.orig}.",
                where=make_url(self.url).render_as_string(hide_password=True),
                hint="Restore it from a backup, or move the file away to begin a new ledger.",
            ) from error


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if not parsed.drivername.startswith("sqlite"):
        return create_engine(parsed, pool_pre_ping=True)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": 30, "check_same_thread": False})
    event.listen(engine, "connect", _on_sqlite_connect)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _on_sqlite_connect(connection: Any, _record: Any) -> None:
    # The driver must not begin on its own: we begin IMMEDIATE ourselves (SQLAlchemy manual, "Serializable
    # isolation / Savepoints / Transactional DDL" of the SQLite dialect).
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def migrate(engine: Engine) -> None:
    """Bring the database to this Gare's form; refuse one that a newer Gare made."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if revision(connection) == HEAD_REVISION:
            return
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(7461235)"))
        found = revision(connection)
        if found == HEAD_REVISION:
            return
        if found and found > HEAD_REVISION:
            raise ConfigError(
                f"The ledger has form {found}, made by a newer Gare; this one knows {HEAD_REVISION}.",
                where=engine.url.render_as_string(hide_password=True),
                hint="Install that Gare again; nothing was changed.",
            )
        _upgrade(connection)


def revision(connection: Connection) -> str:
    """Return the migration that the database is at; empty for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
