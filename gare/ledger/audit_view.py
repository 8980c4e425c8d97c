"""The ledger at one moment: the usual ways to read it, over one connection in one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, Select

from gare.ledger.approvals import Approvals
from gare.ledger.database import Database
from gare.ledger.effects import Effects
from gare.ledger.plans import Plans
from gare.ledger.releases import Releases

_ROWS_AT_ONCE = 2000


class Pinned(Database):
    """A database of which only one connection is used, for reading."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self.url, self.clock, self.connection = database.url, database.clock, connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give the one connection."""
        yield self.connection


class View:
    """What an audit reads from, and what it has counted so far."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self.connection = connection
        self.database = Pinned(database, connection)
        self.plans = Plans(self.database)
        self.releases = Releases(self.database)
        self.approvals = Approvals(self.database)
        self.effects = Effects(self.database)
        self.events = self.streams = self.releases_seen = 0
        self.closed: set[int] = set()

    def stream(self, query: Select[Any]) -> Iterator[Row[Any]]:
        """Yield the rows of a query; a few thousand at a time are fetched, whatever their number."""
        options = {"yield_per": _ROWS_AT_ONCE}
        with self.connection.execute(query, execution_options=options) as rows:
            yield from rows
