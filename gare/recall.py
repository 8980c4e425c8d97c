"""What tickets and the release's page say of a version that was rolled back. Nothing is deleted."""

from collections.abc import Iterator
from dataclasses import dataclass

from gare.domain.plan import Json, Plan
from gare.domain.releases import Release, ReleaseState
from gare.ledger.effects import Absent, AsWanted, Effect, Look, Receipt
from gare.ledger.ledger import Ledger
from gare.planning.rollback import recall_settings
from gare.planning.standing import Undone
from gare.planning.ticket_steps import OPEN
from gare.ports.release_page import ReleasePage
from gare.ports.tracker import TicketWriter
from gare.wiring import Gare


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


def put_back_by_itself(gare: Gare, release: Release) -> Iterator[Recalled]:
    """Yield what is said of a release that has put its own version back: for each environment."""
    if release.state is not ReleaseState.ROLLED_BACK:
        return
    plan = gare.plan(release.plan)
    for environment, to in gare.ledger.taken_back.by_itself(release.id).items():
        reason = release.end.removeprefix(f"{environment}: ")
        yield Recalled(release.id, plan, environment, to, reason)


def own_recall(gare: Gare, said: Recalled) -> Json:
    """Return where a release was told of that has put its own version back; empty when nobody heard of it."""
    states = gare.ledger.releases.step_states(said.release)
    return recall_settings(Undone(said.release, said.plan, states), said.environment)


def recall_effects(gare: Gare, settings: Json, said: Recalled) -> Iterator[Effect]:
    """Yield what is said at each ticket that heard of the release, and at its page."""
    if settings["tracker"]:
        writer = gare.tracking.writer(settings["tracker"])
        for key in writer.stands(_keys(gare.ledger, settings)):
            yield _comment(said, writer, key)
    if settings["gitlab"]:
        there = gare.hosting.at(settings["gitlab"]).release_page
        if there.look(settings["tag_name"]) is not None:
            yield mark_effect(there, settings["tag_name"], f"> **Rolled back.** {said.sentence}")


def _keys(ledger: Ledger, settings: Json) -> list[str]:
    """Return the tickets that heard of the release, its own change ticket among them."""
    opened = ledger.releases.steps(settings["release"]).get(OPEN)
    own = [opened.value["key"]] if opened and opened.value else []
    return [*settings["keys"], *own]


def _comment(said: Recalled, writer: TicketWriter, key: str) -> Effect:
    def look() -> Look:
        is_there = writer.has_comment(key, f"({said.release})")
        return AsWanted({"ticket": key}) if is_there else Absent()

    text = said.sentence
    return Effect(f"{key} comment", {"text": text}, look, lambda: writer.comment(key, text))


def mark_effect(there: ReleasePage, tag: str, mark: str) -> Effect:
    """Return a mark on top of the notes of a release, which stay."""

    def notes() -> str:
        found = there.look(tag)
        return found.notes if found else ""

    def look() -> Look:
        return AsWanted({"tag": tag}) if mark in notes() else Absent()

    def act() -> Receipt:
        there.rewrite(tag, f"{mark}\n\n{notes()}")
        return {"tag": tag}

    return Effect(f"release page {tag}", {"mark": mark}, look, act)
