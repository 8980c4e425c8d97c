"""The one way to change anything outside Gare: intent, look, act, receipt (design: house.md, "Effect").

Key = (release, step, target). Receipt there: returned. Otherwise the world is looked at: already as wanted ->
adopted; absent -> done now; different -> `Conflict` that names both. What cannot be looked up is done at most once.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update

from gare.domain.digest import canonical
from gare.errors import Conflict
from gare.ledger.database import Database, spell
from gare.ledger.releases import number_of
from gare.ledger.schema import effects

Receipt = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Absent:
    """The world does not have it yet."""


@dataclass(frozen=True, slots=True)
class AsWanted:
    """The world has it as wanted; `receipt` says what was found."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Different:
    """Something else stands there."""

    found: str


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


class Effects:
    """Performs effects and keeps their records."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def perform(
        self, release_id: str, step: str, effect: Effect, *, actor: str = "gare"
    ) -> Receipt:
        """Make the world as wanted, once, and return the receipt.

        Raises Conflict when something else stands there, or when an earlier attempt at something that cannot be
        looked up may have gone through.
        """
        is_new, receipt = self._intend(release_id, step, effect, actor)
        if receipt is not None:
            return receipt
        seen = effect.look()
        if isinstance(seen, AsWanted):
            return self._receive(release_id, step, effect, seen.receipt, actor, is_adopted=True)
        if isinstance(seen, Different):
            raise Conflict(
                f"{effect.target} is not free: wanted {canonical(effect.wanted)}, found {seen.found}.",
                where=f"{release_id}, step {step}",
                hint=f"Make room or adopt what is there, then `gare resume {release_id}`.",
            )
        if isinstance(seen, Unknowable) and not is_new:
            raise Conflict(
                f"{effect.target} was begun before and nobody can tell whether it went through; it is not repeated.",
                where=f"{release_id}, step {step}",
                hint=f"Look yourself, then `gare done {release_id} {step} --comment …`.",
            )
        return self._receive(release_id, step, effect, effect.act(), actor, is_adopted=False)

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

    def _intend(
        self, release_id: str, step: str, effect: Effect, actor: str
    ) -> tuple[bool, Receipt | None]:
        number = number_of(release_id)
        key = (
            (effects.c.release == number)
            & (effects.c.step == step)
            & (effects.c.target == effect.target)
        )
        intent = canonical(effect.wanted)
        with self._db.write() as connection:
            row = connection.execute(select(effects).where(key)).first()
            if row is not None:
                if row.intent != intent:
                    raise Conflict(
                        f"{effect.target}: intended was {row.intent}, now {intent} is wanted.",
                        where=f"{release_id}, step {step}",
                        hint="The plan of a release does not change; start a new release.",
                    )
                return False, json.loads(row.receipt) if row.receipt is not None else None
            connection.execute(
                insert(effects).values(
                    release=number,
                    step=step,
                    target=effect.target,
                    intent=intent,
                    intent_at=spell(self._db.clock()),
                )
            )
            body = {"step": step, "target": effect.target, "wanted": dict(effect.wanted)}
            self._db.append(connection, f"R-{number}", "effect intended", actor, body)
        return True, None

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
        number = number_of(release_id)
        key = (
            (effects.c.release == number)
            & (effects.c.step == step)
            & (effects.c.target == effect.target)
        )
        with self._db.write() as connection:
            connection.execute(
                update(effects)
                .where(key)
                .values(
                    receipt=canonical(dict(receipt)),
                    receipt_at=spell(self._db.clock()),
                    adopted=is_adopted,
                )
            )
            body = {"step": step, "target": effect.target, "receipt": dict(receipt)}
            kind = "effect adopted" if is_adopted else "effect done"
            self._db.append(connection, f"R-{number}", kind, actor, body)
        return receipt
