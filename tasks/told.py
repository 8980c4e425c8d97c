"""What the places of announcements are told of a release that put its own version back.

After its end: an environment that was put back waits for nobody, and who is away misses it. That is said. What tickets
and pages say of it is owed until it is said (gare.debts).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from gare.domain.releases import Release
from gare.errors import GareError, LedgerAway
from gare.recall import put_back_by_itself
from gare.wiring import Gare
from tasks.announce import message_effect
from tasks.step import Work


def tell_put_back(gare: Gare, release: Release) -> list[str]:
    """Announce that a release has put its version back; return who has not heard."""
    problems = list[str]()
    for said in put_back_by_itself(gare, release):
        for step in (one for one in said.plan.steps if one.type == "announce"):
            work = Work(gare, release, said.plan, step, 1, problems.append)
            with _passed_over(problems, step.id):
                for place in gare.notifiers(said.plan, step):
                    effect = message_effect(
                        work, place, said.headline, said.sentence, "rolled back"
                    )
                    with _passed_over(problems, effect.target):
                        gare.ledger.effects.perform(
                            release.id, step.id, replace(effect, tells_end=True)
                        )
    return problems


@contextmanager
def _passed_over(problems: list[str], place: str) -> Iterator[None]:
    """When one place is away, the others hear of it all the same."""
    try:
        yield
    except LedgerAway:
        raise
    except GareError as error:
        problems.append(f"{place} does not say that it was rolled back: {error}")
