"""recall: tickets and the release's page say that a version was rolled back. Nothing is deleted."""

from collections.abc import Iterable

from gare.domain.counts import counted
from gare.ledger.effects import Effect
from gare.recall import Recalled, recall_effects
from tasks.away import unless_away
from tasks.step import AskAgain, Value, Work, step_task


@step_task
def recall(work: Work) -> Value | AskAgain:
    """Say at the tickets and at the page of a release that it was rolled back."""
    return unless_away(work, lambda: _recall(work))


def _recall(work: Work) -> Value:
    told = []
    for effect in effects_of(work):
        work.perform(effect)
        told.append(effect.target)
    return {"told": told, "summary": f"{counted(len(told), 'place')} told"}


def effects_of(work: Work) -> Iterable[Effect]:
    """Yield what a rollback says where."""
    settings = work.step.settings
    undone = work.gare.plan(work.ledger.releases.get(settings["release"]).plan)
    said = Recalled(
        work.release.id, undone, settings["environment"], work.plan.version, work.release.reason
    )
    return recall_effects(work.gare, settings, said)
