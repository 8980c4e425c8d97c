"""Plans in the ledger, by the digest of their canonical text: they do not change."""

import json
from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from gare.domain.digest import canonical, sha256
from gare.domain.plan import PLAN_FORMAT, Plan
from gare.errors import Refused, UnknownName
from gare.ledger.database import Database, spell
from gare.ledger.schema import plans

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_PAGE = 200
"""How many plans are read at once."""


@cache
def plan_adapter() -> "TypeAdapter[Plan]":
    """Return what reads a stored plan; made once, which takes 10 ms."""
    # Not at the start: a command that lists releases reads no plan, and pydantic takes 50 ms to import.
    from pydantic import TypeAdapter

    return TypeAdapter(Plan)


class Plans:
    """Stored plans, by digest."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def store(self, plan: Plan) -> str:
        """Keep a plan and return its digest; the same plan again changes nothing."""
        body = canonical(plan_adapter().dump_python(plan, mode="json"))
        digest = sha256(body)
        with self._db.write() as connection:
            if (
                connection.execute(select(plans.c.digest).where(plans.c.digest == digest)).first()
                is None
            ):
                connection.execute(
                    insert(plans).values(
                        digest=digest,
                        project=plan.project,
                        version=plan.version,
                        body=body,
                        made_at=spell(self._db.clock()),
                    )
                )
        return digest

    def body(self, digest: str) -> str:
        """Return the canonical text of a plan. Raises UnknownName."""
        with self._db.read() as connection:
            found = connection.execute(
                select(plans.c.body).where(plans.c.digest == digest)
            ).scalar()
        if found is None:
            raise UnknownName(
                f"No plan with digest {digest} is stored.",
                where="ledger",
                hint="Make one with `gare plan`.",
            )
        return str(found)

    def get(self, digest: str) -> Plan:
        """Return a stored plan. Raises UnknownName; Refused when a newer Gare wrote it."""
        plan = plan_adapter().validate_json(self.body(digest))
        if plan.format > PLAN_FORMAT:
            raise Refused(
                f"The plan has format {plan.format}; this Gare reads {PLAN_FORMAT}.",
                where=digest,
                hint="Use the Gare that made it.",
            )
        return plan

    def step_counts(self, digests: Collection[str]) -> dict[str, int]:
        """Return how many steps each of these plans has; they are not made into objects for it."""
        counts: dict[str, int] = {}
        wanted = sorted(digests)
        with self._db.read() as connection:
            for start in range(0, len(wanted), _PAGE):
                query = select(plans.c.digest, plans.c.body).where(
                    plans.c.digest.in_(wanted[start : start + _PAGE])
                )
                for row in connection.execute(query):
                    counts[row.digest] = len(json.loads(row.body)["steps"])
        return counts
