"""recall: tickets and the release's page say that a version was rolled back. Nothing is deleted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gare.domain.plan import Json, Plan
from gare.ledger.effects import Absent, AsWanted, Effect, Look
from gare.planning.ticket_steps import OPEN
from gare.ports.tracker import TicketWriter
from tasks.away import unless_away
from tasks.page import mark_effect
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
    return {"told": told, "summary": f"{len(told)} place(s) told"}


@dataclass(frozen=True, slots=True)
class Recalled:
    """A version that was rolled back: what is said about it. `release` is the one by which it was."""

    release: str
    plan: Plan
    environment: str
    to: str
    reason: str

    @property
    def headline(self) -> str:
        """Say it in a few words."""
        return f"{self.plan.title} {self.plan.version} was rolled back in {self.environment}"

    @property
    def sentence(self) -> str:
        """Say it in a sentence that names the release, by which it is known again."""
        back = f"is back at {self.to}" if self.to else "runs nothing"
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.headline}, which {back}{reason}. ({self.release})".replace(".. (", ". (")


def effects_of(work: Work) -> Iterable[Effect]:
    """Yield what a rollback says where."""
    settings = work.step.settings
    undone = work.gare.plan(work.ledger.releases.get(settings["release"]).plan)
    said = Recalled(
        work.release.id, undone, settings["environment"], work.plan.version, work.release.reason
    )
    return recall_effects(work, settings, said)


def recall_effects(work: Work, settings: Json, said: Recalled) -> Iterator[Effect]:
    """Yield what is said at each ticket that heard of the release, and at its page."""
    if settings["tracker"]:
        writer = work.gare.tracking.writer(settings["tracker"])
        for key in writer.stands(_keys(work, settings)):
            yield _comment(said, writer, key)
    if settings["gitlab"]:
        there = work.gare.hosting.at(settings["gitlab"]).release_page
        if there.look(settings["tag_name"]) is not None:
            yield mark_effect(there, settings["tag_name"], f"> **Rolled back.** {said.sentence}")


def _keys(work: Work, settings: Json) -> list[str]:
    """Return the tickets that heard of the release, its own change ticket among them."""
    opened = work.ledger.releases.steps(settings["release"]).get(OPEN)
    own = [opened.value["key"]] if opened and opened.value else []
    return [*settings["keys"], *own]


def _comment(said: Recalled, writer: TicketWriter, key: str) -> Effect:
    def look() -> Look:
        is_there = writer.has_comment(key, f"({said.release})")
        return AsWanted({"ticket": key}) if is_there else Absent()

    text = said.sentence
    return Effect(f"{key} comment", {"text": text}, look, lambda: writer.comment(key, text))
