"""Which process may act: holders (living processes) and leases (what each of them holds), with fencing numbers.

A process that holds anything renews its own row while it lives; everything it holds ends with that row. A lease's
number grows at every take-over, and a process with an old number cannot write (`Database.fence`). Whether a process of
this machine is dead is asked of the system, so nobody waits for the lease of a process that was killed here.
"""

import os
import secrets
import socket
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import cache
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from gare.errors import Fenced, GareError
from gare.ledger.database import Database, read_instant, spell
from gare.ledger.schema import holders, leases

TTL = timedelta(seconds=20)
"""A process that could not renew for so long is taken for dead. Four beats: a busy machine misses one or two."""
BEAT_S = 5.0
_RETRY_S = 1.0


class Lease(NamedTuple):
    """How a lease stands: whether a living process holds it, and which turn took it last."""

    is_held: bool
    turn: int


class Leases:
    """The leases of one database, as one process sees them. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._guard = threading.Lock()
        self._me = ""
        self._stop = threading.Event()
        self.on_lost: Callable[[], None] = lambda: None
        """Called, in another thread, when a fenced lease of this process has been taken over."""
        self.on_beat: Callable[[], None] = lambda: None
        """Called at every beat, in another thread: what else lives as long as this process does."""

    @property
    def me(self) -> str:
        """Return this process's name as a holder; from its first use on, the process is known to live."""
        with self._guard:
            if not self._me:
                name = f"{_here()}:{secrets.token_hex(4)}"
                self._renew(name)
                self._me = name
                args = (weakref.ref(self), name, self._stop)
                threading.Thread(target=_beat, args=args, name="lease", daemon=True).start()
            return self._me

    def take(self, name: str, *, turn: int = 0) -> int | None:
        """Take a lease that nobody living holds; return its fencing number, None when another process has it.

        `turn` counts the processes that were started for the same work: it tells one that has ended from one that has
        not begun yet.
        """
        me = self.me
        with self._db.write() as connection:
            row = connection.execute(select(leases).where(leases.c.name == name)).first()
            if row is None:
                connection.execute(insert(leases).values(name=name, holder=me, fence=1, turn=turn))
                return 1
            if row.holder == me:
                return int(row.fence)
            if self.lives(connection, row.holder):
                return None
            fence = int(row.fence) + 1
            connection.execute(
                update(leases)
                .where(leases.c.name == name)
                .values(holder=me, fence=fence, turn=turn)
            )
            return fence

    def free(self, name: str) -> None:
        """Let go of a lease; its number stays, to grow at the next take."""
        with self._db.write() as connection:
            connection.execute(
                update(leases)
                .where(leases.c.name == name, leases.c.holder == self._me)
                .values(holder="")
            )

    def look(self, names: list[str]) -> dict[str, Lease]:
        """Return those of the leases that were ever taken."""
        with self._db.write() as connection:
            rows = connection.execute(select(leases).where(leases.c.name.in_(names))).all()
            return {row.name: Lease(self.lives(connection, row.holder), row.turn) for row in rows}

    def lives(self, connection: Connection, holder: str | None) -> bool:
        """Tell within a transaction whether a holder is a living process."""
        if not holder:
            return False
        if holder == self._me:
            return True
        until = connection.execute(
            select(holders.c.until).where(holders.c.name == holder)
        ).scalar_one_or_none()
        if until is None or _is_dead_here(holder):
            return False
        now = self._db.clock()
        if read_instant(until) > now + TTL:
            # The clock was set back: a living process says so at its next beat, a dead one has one more lease.
            connection.execute(
                update(holders).where(holders.c.name == holder).values(until=spell(now + TTL))
            )
            return True
        return read_instant(until) > now

    def leave(self) -> None:
        """Stop being a holder: everything that this process held is free at once."""
        with self._guard:
            self._stop.set()
            if self._me:
                with suppress(GareError), self._db.write() as connection:
                    connection.execute(delete(holders).where(holders.c.name == self._me))
                self._me = ""
            self._stop = threading.Event()

    def _renew(self, name: str) -> None:
        now = self._db.clock()
        with self._db.write() as connection:
            changed = connection.execute(
                update(holders).where(holders.c.name == name).values(until=spell(now + TTL))
            )
            if not changed.rowcount:
                old = spell(now - timedelta(days=1))
                connection.execute(delete(holders).where(holders.c.until < old))
                connection.execute(insert(holders).values(name=name, until=spell(now + TTL)))

    def beat(self, name: str) -> float | None:
        """Say once that this process lives; return when to say it again (seconds), None for never."""
        try:
            self._renew(name)
            self.on_beat()
        except Fenced:
            self.on_lost()
            return None
        except GareError:
            # The database is away for everybody: nobody can take over. Said by those who need it.
            return _RETRY_S
        return BEAT_S


def _beat(leases: "weakref.ref[Leases]", name: str, stop: threading.Event) -> None:
    """Beat until told to stop, or until nobody uses the leases any more."""
    wait_s: float | None = BEAT_S
    while wait_s is not None and not stop.wait(wait_s) and (mine := leases()) is not None:
        wait_s = mine.beat(name)
        del mine


@cache
def _host() -> str:
    """Name the place where process numbers are ours: containers may share a host's name, not its numbers."""
    name = socket.gethostname().replace(":", "_")[:60]
    with suppress(OSError):
        name += f"-{os.stat('/proc/self/ns/pid').st_ino}"
    return name


def _here() -> str:
    # Without the creation time a process with the same number, started later, would be taken for this one.
    return f"{_host()}:{os.getpid()}:{_created(os.getpid())}"


def _created(pid: int) -> int:
    import psutil

    return round(psutil.Process(pid).create_time() * 100)


def _is_dead_here(holder: str) -> bool:
    """Tell whether the holder is a process of this machine that has ended; False when it cannot be told."""
    import psutil

    host, pid, created, *_ = f"{holder}:::".split(":")
    if host != _host() or not pid.isdecimal():
        return False
    try:
        process = psutil.Process(int(pid))
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        # The system's own clock may move the creation time of a living process a little.
        return abs(_created(int(pid)) - int(created or 0)) > 200
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
