"""What the ledger remembers of a restore, and what follows from it: some things may have been done after the backup.

What can be looked up is found by its look. A mail cannot: its effect is doubtful until a person has said more. The
mark is one event in `station`, and one in the stream of every release that was open in the backup.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from gare.errors import Conflict
from gare.ledger.database import Database, spell
from gare.ledger.releases import number_of
from gare.ledger.schema import effects, events, holders, leases, locks, releases

RESTORED = "station restored"
WITHDRAWN = "effect withdrawn"
_FENCE_STEP = 1_000_000
"""More take-overs than there can have been since a backup: a process of the lost time has a smaller number."""


def mark_restored(database: Database, body: Mapping[str, Any], *, actor: str) -> list[str]:
    """Write down that the ledger was restored, and free what dead processes held; return the open releases."""
    with database.write() as connection:
        now = database.clock()
        database.append(connection, "station", RESTORED, actor, body, at=now)
        numbers = connection.execute(
            select(releases.c.number)
            .where(releases.c.closed_at.is_(None))
            .order_by(releases.c.number)
        ).scalars()
        found = [f"R-{number}" for number in numbers]
        mark = {"backup_made_at": body["backup_made_at"]}
        for release in found:
            database.append(connection, release, RESTORED, actor, mark, at=now)
        connection.execute(delete(holders))
        connection.execute(update(leases).values(holder="", fence=leases.c.fence + _FENCE_STEP))
        connection.execute(update(locks).values(granted_at=None, until=None))
        connection.execute(
            update(effects).where(effects.c.claimed_by.is_not(None)).values(claimed_by=None)
        )
    return found


def newest_event_at(database: Database) -> str:
    """Return the instant of the newest event: about when a copy of the database was made."""
    with database.read() as connection:
        return connection.execute(select(func.max(events.c.at))).scalar() or spell(database.clock())


def is_doubtful(connection: Connection, release_id: str, step: str, target: str) -> bool:
    """Tell whether a thing that nobody can look up may have been done after the backup was made.

    So it is for a release that was restored, until somebody has taken its intent back since (`send_again`).
    """
    stream = f"R-{number_of(release_id)}"
    since = connection.execute(
        select(func.max(events.c.seq)).where(events.c.stream == stream, events.c.kind == RESTORED)
    ).scalar()
    if since is None:
        return False
    bodies = connection.execute(
        select(events.c.body).where(
            events.c.stream == stream, events.c.seq > since, events.c.kind == WITHDRAWN
        )
    ).scalars()
    return not any(_is_about(body, step, target) for body in bodies)


def refuse_doubtful(database: Database, release_id: str, step: str, target: str) -> None:
    """Raise Conflict when nobody can tell whether this was done between the backup and the restore."""
    with database.read() as connection:
        doubtful = is_doubtful(connection, release_id, step, target)
    if doubtful:
        raise Conflict(
            f"{target} may have been done after the backup was made from which this station was restored; "
            "nobody can tell, and it is not repeated.",
            where=f"{release_id}, step {step}",
            hint=f"Ask there. It has arrived: `gare done {release_id} {step} --comment …`. "
            f"It has not: `gare done {release_id} {step} --again --comment …`.",
        )


def send_again(
    database: Database, release_id: str, step: str, *, person: str, comment: str
) -> list[str]:
    """Take back a step's intents without a receipt, on a person's word that nothing was done; return their targets."""
    said = f"not done, says {person}: {comment}"
    return withdraw_open(database, release_id, step, actor=person, said=said)


def withdraw_open(
    database: Database,
    release_id: str,
    step: str,
    *,
    actor: str,
    said: str,
    targets: Collection[str] | None = None,
) -> list[str]:
    """Take back a step's intents without a receipt, all or those of `targets`, and say why; return their targets."""
    number = number_of(release_id)
    key = (effects.c.release == number) & (effects.c.step == step) & effects.c.receipt.is_(None)
    if targets is not None:
        key &= effects.c.target.in_(targets)
    with database.write() as connection:
        found = list(
            connection.execute(
                select(effects.c.target).where(key).order_by(effects.c.target)
            ).scalars()
        )
        connection.execute(delete(effects).where(key))
        for target in found:
            body = {"step": step, "target": target, "error": said}
            database.append(connection, f"R-{number}", WITHDRAWN, actor, body)
    return found


def _is_about(body: str, step: str, target: str) -> bool:
    found = json.loads(body)
    return bool(found["step"] == step and found["target"] == target)
