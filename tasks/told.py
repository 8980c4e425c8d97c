"""What others are told of a release that put its own version back: the tickets, the places of announcements.

After its end: an environment that was put back waits for nobody, and who is away misses it. That is said.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from gare.domain.releases import Release, ReleaseState
from gare.errors import GareError, LedgerAway
from gare.ledger.effects import Effect
from gare.planning.rollback import recall_settings
from gare.planning.standing import Undone
from gare.wiring import Gare
from tasks.announce import message_effect
from tasks.recall import Recalled, recall_effects
from tasks.step import Work


def tell_put_back(gare: Gare, release: Release) -> list[str]:
    """Tell everybody of a release that has put its version back; return what could not be told."""
    if release.state is not ReleaseState.ROLLED_BACK:
        return []
    plan, problems = gare.plan(release.plan), list[str]()
    for environment, to in gare.ledger.taken_back.by_itself(release.id).items():
        reason = release.end.removeprefix(f"{environment}: ")
        said = Recalled(release.id, plan, environment, to, reason)
        for step in plan.steps:
            work = Work(gare, release, plan, step, 1, problems.append)
            with _passed_over(problems, step.id):
                for effect in _effects(work, said):
                    _perform(work, effect, problems)
    return problems


def _effects(work: Work, said: Recalled) -> Iterator[Effect]:
    """Yield what is told in the place of a step: the announcement, at the end the tickets and the release's page."""
    match work.step.type:
        case "announce":
            for place in work.gare.notifiers(work.plan, work.step):
                yield message_effect(work, place, said.headline, said.sentence, "rolled back")
        case "close":
            states = work.ledger.releases.step_states(work.release.id)
            undone = Undone(work.release.id, work.plan, states)
            if settings := recall_settings(undone, said.environment):
                yield from recall_effects(work, settings, said)


def _perform(work: Work, effect: Effect, problems: list[str]) -> None:
    """Tell one place; when it is away, the others hear of it all the same."""
    told = replace(effect, tells_end=True)
    with _passed_over(problems, effect.target):
        work.ledger.effects.perform(work.release.id, work.step.id, told)


@contextmanager
def _passed_over(problems: list[str], place: str) -> Iterator[None]:
    try:
        yield
    except LedgerAway:
        raise
    except GareError as error:
        problems.append(f"{place} does not say that it was rolled back: {error}")
