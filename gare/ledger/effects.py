"""The one way to change anything outside Gare: intent, look, act, receipt (design: house.md, "Effect").

Key = (release, step, target). Receipt there: returned. Otherwise the world is looked at: already as wanted ->
adopted; absent -> done now; different -> `Conflict` that names both. What cannot be looked up is done at most once.
Who comes second - another thread, process or host - waits until the first has its receipt, or has died.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from gare.boundaries import reached
from gare.domain.digest import canonical
from gare.errors import ConfigError, Conflict, GareError, Refused, Unsure
from gare.ledger.database import Database, plain, spell
from gare.ledger.leases import Leases
from gare.ledger.releases import number_of
from gare.ledger.restored import refuse_doubtful
from gare.ledger.schema import TARGET_LENGTH, effects, releases
from gare.polling import looks

Receipt = Mapping[str, Any]
Key = tuple[str, int, str, str]

_guard = Lock()
_claims: dict[Key, tuple[Lock, list[None]]] = {}


@dataclass(frozen=True, slots=True)
class Absent:
    """The world does not have it yet."""


@dataclass(frozen=True, slots=True)
class AsWanted:
    """The world has it as wanted; `receipt` says what was found."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Different:
    """Something else stands there; `todo` is what a person can do about it."""

    found: str
    todo: str = "Remove what is in the way"


@dataclass(frozen=True, slots=True)
class Unknowable:
    """Nobody can tell afterwards (a mail): done at most once."""


Look = Absent | AsWanted | Different | Unknowable


@dataclass(frozen=True, slots=True)
class Effect:
    """One outward write. `wanted` is plain JSON; `look` reads the world, `act` changes it and returns a receipt."""

    target: str
    wanted: Mapping[str, Any]
    look: Callable[[], Look]
    act: Callable[[], Receipt]
    tells_end: bool = False
    """Whether it tells somebody that the release has ended: alone allowed afterwards."""


@dataclass(frozen=True, slots=True)
class EffectRecord:
    """An effect as the ledger has it; no receipt means: intended, outcome not known yet."""

    step: str
    target: str
    intent: Mapping[str, Any]
    intent_at: str
    receipt: Receipt | None
    receipt_at: str | None
    is_adopted: bool


class _Standing(NamedTuple):
    """Where a key stands for this process: its receipt, or whose turn it is."""

    is_new: bool
    is_ours: bool
    receipt: Receipt | None


class Effects:
    """Performs effects and keeps their records."""

    def __init__(self, database: Database, leases: Leases | None = None) -> None:
        self._db = database
        self._leases = leases or Leases(database)

    def perform(
        self, release_id: str, step: str, effect: Effect, *, actor: str = "gare"
    ) -> Receipt:
        """Make the world as wanted, once, and return the receipt.

        Raises Conflict when something else stands there, or when an earlier attempt at something that cannot be
        looked up may have gone through.
        """
        words = f"{step} {effect.target}"
        with _claimed((self._db.url, number_of(release_id), step, effect.target)):
            reached(f"before intent {words}")
            standing = self._our_turn(release_id, step, effect, actor)
            reached(f"after intent {words}")
            if standing.receipt is not None:
                return standing.receipt
            return self._bring_about(release_id, step, effect, actor, is_new=standing.is_new)

    def _our_turn(self, release_id: str, step: str, effect: Effect, actor: str) -> _Standing:
        """Write the intent and claim the key; wait while another living process has it."""
        for _ in looks(None):
            standing = self._intend(release_id, step, effect, actor)
            if standing.receipt is not None or standing.is_ours:
                break
        return standing

    def _bring_about(
        self, release_id: str, step: str, effect: Effect, actor: str, *, is_new: bool
    ) -> Receipt:
        seen = effect.look()
        if isinstance(seen, AsWanted):
            return self._receive(release_id, step, effect, seen.receipt, actor, is_adopted=True)
        if isinstance(seen, Different):
            raise Conflict(
                f"{effect.target} is not free: wanted {_in_words(effect.wanted)}, found {seen.found}.",
                where=f"{release_id}, step {step}",
                hint=f"{seen.todo}, then `gare resume {release_id}`; or end it with `gare cancel {release_id}`.",
            )
        if isinstance(seen, Unknowable) and not is_new:
            raise Conflict(
                f"{effect.target} was begun before and nobody can tell whether it went through; it is not repeated.",
                where=f"{release_id}, step {step}",
                hint=_ask_there(release_id, step),
            )
        if isinstance(seen, Unknowable):
            refuse_doubtful(self._db, release_id, step, effect.target)
        words = f"{step} {effect.target}"
        reached(f"before act {words}")
        try:
            receipt = effect.act()
        except Unsure as error:
            if isinstance(seen, Unknowable):
                raise Unsure(
                    error.what, where=error.where, hint=_ask_there(release_id, step)
                ) from error
            raise
        except GareError as error:
            if isinstance(seen, Unknowable):
                self._withdraw(release_id, step, effect, actor, error)
            raise
        reached(f"after act {words}")
        return self._receive(release_id, step, effect, receipt, actor, is_adopted=False)

    def settle(self, release_id: str, step: str, *, person: str, comment: str) -> list[str]:
        """Give a step's effects without a receipt one by a person's word; return their targets."""
        number = number_of(release_id)
        key = (effects.c.release == number) & (effects.c.step == step) & effects.c.receipt.is_(None)
        receipt = {"settled_by": person, "comment": comment}
        with self._db.write() as connection:
            targets = list(connection.execute(select(effects.c.target).where(key)).scalars())
            now = self._db.clock()
            connection.execute(
                update(effects)
                .where(key)
                .values(receipt=canonical(receipt), receipt_at=spell(now), adopted=True)
            )
            for target in targets:
                body = {"step": step, "target": target, "receipt": receipt}
                self._db.append(connection, f"R-{number}", "effect adopted", person, body, at=now)
        return targets

    def _withdraw(
        self, release_id: str, step: str, effect: Effect, actor: str, error: GareError
    ) -> None:
        """Take back the intent of something that was surely not done, so that it may be tried again."""
        number = number_of(release_id)
        with self._db.write() as connection:
            connection.execute(
                delete(effects).where(
                    _key(number, step, effect.target), effects.c.receipt.is_(None)
                )
            )
            body = {"step": step, "target": effect.target, "error": str(error)}
            self._db.append(connection, f"R-{number}", "effect withdrawn", actor, body)

    def of(self, release_id: str) -> list[EffectRecord]:
        """Return the release's effects in the order they were intended."""
        with self._db.read() as connection:
            rows = connection.execute(
                select(effects)
                .where(effects.c.release == number_of(release_id))
                .order_by(effects.c.intent_at, effects.c.step, effects.c.target)
            )
            return [
                EffectRecord(
                    row.step,
                    row.target,
                    json.loads(row.intent),
                    row.intent_at,
                    json.loads(row.receipt) if row.receipt is not None else None,
                    row.receipt_at,
                    row.adopted,
                )
                for row in rows
            ]

    def deployed(self, project: str) -> dict[str, str]:
        """Return the versions of a project that were (perhaps) deployed somewhere, each with its last release."""
        with self._db.read() as connection:
            rows = connection.execute(
                select(releases.c.version, releases.c.number)
                .join(effects, releases.c.number == effects.c.release)
                .where(releases.c.project == project, effects.c.target.startswith("deploy "))
                .order_by(releases.c.number)
            )
            return {row.version: f"R-{row.number}" for row in rows}

    def own_commits(self, project: str) -> frozenset[str]:
        """Return the commits that releases of a project have made, by their receipts."""
        with self._db.read() as connection:
            receipts = connection.execute(
                select(effects.c.receipt)
                .join(releases, releases.c.number == effects.c.release)
                .where(
                    releases.c.project == project,
                    effects.c.target.startswith("changelog "),
                    effects.c.receipt.is_not(None),
                )
            ).scalars()
            return frozenset(str(json.loads(receipt).get("commit", "")) for receipt in receipts)

    def _intend(self, release_id: str, step: str, effect: Effect, actor: str) -> _Standing:
        if len(effect.target) > TARGET_LENGTH:
            raise ConfigError(
                f"The name of an effect's target is longer than {TARGET_LENGTH} characters: {effect.target[:60]}….",
                where=f"{release_id}, step {step}",
                hint="Shorten the path or address that it names.",
            )
        me, number = self._leases.me, number_of(release_id)
        key = _key(number, step, effect.target)
        intent = plain(canonical(effect.wanted))
        with self._db.write() as connection:
            row = connection.execute(select(effects).where(key)).first()
            if (row is None or row.receipt is None) and not effect.tells_end:
                _refuse_ended(connection, number)
            if row is None:
                self._insert(connection, number, step, effect, intent, me, actor)
                return _Standing(is_new=True, is_ours=True, receipt=None)
            if row.intent != intent:
                raise Conflict(
                    f"{effect.target}: intended was {row.intent}, now {intent} is wanted.",
                    where=f"{release_id}, step {step}",
                    hint="The plan of a release does not change; start a new release.",
                )
            if row.receipt is not None:
                return _Standing(is_new=False, is_ours=False, receipt=json.loads(row.receipt))
            if row.claimed_by != me and self._leases.lives(connection, row.claimed_by):
                return _Standing(is_new=False, is_ours=False, receipt=None)
            connection.execute(update(effects).where(key).values(claimed_by=me))
        return _Standing(is_new=False, is_ours=True, receipt=None)

    def _insert(
        self,
        connection: Connection,
        number: int,
        step: str,
        effect: Effect,
        intent: str,
        me: str,
        actor: str,
    ) -> None:
        now = self._db.clock()
        connection.execute(
            insert(effects).values(
                release=number,
                step=step,
                target=effect.target,
                intent=intent,
                intent_at=spell(now),
                claimed_by=me,
            )
        )
        body = {"step": step, "target": effect.target, "wanted": dict(effect.wanted)}
        self._db.append(connection, f"R-{number}", "effect intended", actor, body, at=now)

    def _receive(
        self,
        release_id: str,
        step: str,
        effect: Effect,
        receipt: Receipt,
        actor: str,
        *,
        is_adopted: bool,
    ) -> Receipt:
        reached(f"before receipt {step} {effect.target}")
        # It has happened: without this receipt nobody would know, so it is tried for as long as there is patience.
        found = self._db.lasting(
            lambda: self._write_receipt(release_id, step, effect.target, receipt, actor, is_adopted)
        )
        reached(f"after receipt {step} {effect.target}")
        return found

    def _write_receipt(
        self,
        release_id: str,
        step: str,
        target: str,
        receipt: Receipt,
        actor: str,
        is_adopted: bool,
    ) -> Receipt:
        number = number_of(release_id)
        key = _key(number, step, target)
        with self._db.write() as connection:
            now = self._db.clock()
            changed = connection.execute(
                update(effects)
                .where(key, effects.c.receipt.is_(None))
                .values(
                    receipt=plain(canonical(dict(receipt))),
                    receipt_at=spell(now),
                    adopted=is_adopted,
                    claimed_by=None,
                )
            )
            if changed.rowcount:
                body = {"step": step, "target": target, "receipt": dict(receipt)}
                kind = "effect adopted" if is_adopted else "effect done"
                self._db.append(connection, f"R-{number}", kind, actor, body, at=now)
            # The first receipt stands, whoever came second.
            stored = connection.execute(select(effects.c.receipt).where(key)).scalar_one()
        found: Receipt = json.loads(stored)
        return found


def _in_words(wanted: Mapping[str, Any]) -> str:
    told = {key: value for key, value in wanted.items() if isinstance(value, str)}
    return ", ".join(f"{key} {value}" for key, value in told.items()) or "another"


def _ask_there(release_id: str, step: str) -> str:
    """Tell a person what to do about something that nobody can look up."""
    return (
        f"Ask there. It has arrived: `gare done {release_id} {step} --comment …`. It has not: "
        f"`gare done {release_id} {step} --again --comment …`. Then `gare resume {release_id}`."
    )


def _refuse_ended(connection: Connection, number: int) -> None:
    """Raise Refused when the release was ended meanwhile: nothing more is done outside."""
    row = connection.execute(
        select(releases.c.state, releases.c.closed_at).where(releases.c.number == number)
    ).first()
    if row is not None and row.closed_at is not None:
        raise Refused(
            f"R-{number} has ended: {row.state}.",
            where=f"R-{number}",
            hint="Nothing more is done outside.",
        )


def _key(number: int, step: str, target: str) -> ColumnElement[bool]:
    return and_(effects.c.release == number, effects.c.step == step, effects.c.target == target)


@contextmanager
def _claimed(key: Key) -> Iterator[None]:
    """Let one thread of this process at a key; the lock goes when nobody wants it."""
    with _guard:
        lock, waiting = _claims.setdefault(key, (Lock(), []))
        waiting.append(None)
    try:
        with lock:
            yield
    finally:
        with _guard:
            waiting.pop()
            if not waiting:
                del _claims[key]
