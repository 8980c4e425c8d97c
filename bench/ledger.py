"""ledger-append, ledger-verify, ledger-replay, ledger-bundle: what the record costs, on SQLite on this disk.

Append stands beside a plain insert of the same row with Python's own sqlite3: WAL, synchronous=FULL, one transaction
each, so both wait for the same fsync. The others are limits: 50,000 events/s for the chains of the whole ledger, as
the audit checks them; 2 s for a bundle of 5,000 events. ledger-replay (rows against replayed events) has no goal of
its own.
"""

import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import insert

from bench.measure import compare, limit, medians
from gare.domain.digest import canonical
from gare.domain.plan import Plan, PlannedStep
from gare.ledger.audit import check_chains, moment
from gare.ledger.audit_rows import check_releases
from gare.ledger.audit_view import View
from gare.ledger.chain import Event, link
from gare.ledger.container import Problem
from gare.ledger.evidence import write_bundle
from gare.ledger.keys import Keys
from gare.ledger.ledger import Ledger
from gare.ledger.schema import events, streams

APPENDS = 200
EVENTS = 100_000
BUNDLED = 5_000
ROUNDS = 7
BODY = {
    "step": "build",
    "command": ["make", "all"],
    "seconds": 1.5,
    "log": "build-1-1.log",
    "log_sha256": "c" * 64,
}


def main() -> int:
    """Measure; return 1 when a goal is not met."""
    with tempfile.TemporaryDirectory(prefix="gare-bench-", dir=Path.cwd()) as made:
        folder = Path(made)
        holds = append(folder)
        holds &= verify(folder)
        holds &= bundle(folder)
    return int(not holds)


def append(folder: Path) -> bool:
    """Append durably, one transaction an event, beside a plain insert."""
    ledger = Ledger(f"sqlite:///{folder / 'append.db'}")
    release = open_release(ledger, 1)
    database = ledger.database
    plain = sqlite3.connect(folder / "plain.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        plain.execute(f"PRAGMA {pragma}")
    columns = ", ".join(Event._fields)
    plain.execute(f"CREATE TABLE events ({columns}, PRIMARY KEY (stream, seq))")
    row = database.events(release)[0]
    numbers = iter(range(1, 10**9))
    command = f"INSERT INTO events VALUES ({', '.join('?' * len(row))})"
    text = canonical(BODY)

    def ours() -> float:
        started = time.perf_counter()
        for _ in range(APPENDS):
            with database.write() as connection:
                database.append(connection, release, "command done", "gare", BODY)
        return (time.perf_counter() - started) / APPENDS

    def yardstick() -> float:
        started = time.perf_counter()
        for _ in range(APPENDS):
            plain.execute("BEGIN IMMEDIATE")
            plain.execute(command, row._replace(seq=next(numbers), body=text))
            plain.execute("COMMIT")
        return (time.perf_counter() - started) / APPENDS

    found = medians({"ours": ours, "plain": yardstick}, ROUNDS)
    plain.close()
    database.close()
    return compare("ledger-append", found["ours"], found["plain"], 2)


def verify(folder: Path) -> bool:
    """Check the chains of a ledger with many events, and the rows of the same ledger."""
    ledger = Ledger(f"sqlite:///{folder / 'verify.db'}")
    for number in range(1, 21):
        fill(ledger, open_release(ledger, number), EVENTS // 20)

    def timed(check: Callable[[View], Iterator[Problem]]) -> Callable[[], float]:
        def run() -> float:
            started = time.perf_counter()
            with moment(ledger.database) as view:
                assert not list(check(view))
            return time.perf_counter() - started

        return run

    found = medians({"chains": timed(check_chains), "replay": timed(check_releases)}, ROUNDS)
    ledger.database.close()
    holds = limit("ledger-verify", round(1e6 * found["chains"] / EVENTS, 2), 20, "us/event")
    limit("ledger-replay", round(1e6 * found["replay"] / EVENTS, 2), 100, "us/event")
    return holds


def bundle(folder: Path) -> bool:
    """Write a bundle of many events, signed."""
    ledger = Ledger(f"sqlite:///{folder / 'bundle.db'}")
    release = open_release(ledger, 1)
    fill(ledger, release, BUNDLED)
    signer = Keys(ledger.database, folder / "keys").signer()

    def run() -> float:
        started = time.perf_counter()
        write_bundle(ledger, folder / "store", release, folder / "out.zip", signer=signer)
        return time.perf_counter() - started

    found = medians({"bundle": run}, ROUNDS)
    ledger.database.close()
    return limit("ledger-bundle", round(found["bundle"], 3), 2, "s")


def open_release(ledger: Ledger, number: int) -> str:
    """Open a release of a project of its own; return its id."""
    plan = Plan(
        f"bench{number}", "Bench", "1.0.0", "", "", "", "v1.0.0", "main", "a" * 40, "minor",
        {"type": "git"}, (), (), "", (PlannedStep("build", "build", "Build"),), (), (),
    )  # fmt: skip
    return ledger.releases.open(ledger.plans.store(plan), plan, f"run-{number}", "rita", "").id


def fill(ledger: Ledger, release: str, count: int) -> None:
    """Put many events into a release's stream at once, of the kind and size that releases have most."""
    [first] = ledger.database.events(release)
    made, body = [first], canonical(BODY)
    for seq in range(2, count + 1):
        made.append(link(release, seq, first.at, "command done", "gare", body, made[-1].hash))
    with ledger.database.write() as connection:
        connection.execute(insert(events), [event._asdict() for event in made[1:]])
        newest = streams.update().where(streams.c.stream == release)
        connection.execute(newest.values(seq=count, head=made[-1].hash))


if __name__ == "__main__":
    sys.exit(main())
