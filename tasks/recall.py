"""recall: tickets and the release's page say that a version was rolled back. Nothing is deleted."""

from collections.abc import Iterable

from gare.ledger.effects import Absent, AsWanted, Effect, Look, Receipt
from gare.ports.release_page import ReleasePage
from gare.ports.tracker import TicketWriter
from tasks.away import unless_away
from tasks.step import AskAgain, Value, Work, step_task

CHANGE_OPENED = "change-open"


@step_task
def recall(work: Work) -> Value | AskAgain:
    """Say at the tickets and at the page of a release that it was rolled back."""
    return unless_away(work, lambda: _recall(work))


def _recall(work: Work) -> Value:
    told = []
    for effect in effects_of(work):
        receipt = work.ledger.effects.perform(work.release.id, work.step.id, effect)
        work.say(f"{effect.target}: {dict(receipt)}")
        told.append(effect.target)
    return {"told": told, "summary": f"{len(told)} place(s) told"}


def effects_of(work: Work) -> Iterable[Effect]:
    """Yield what is said where: at each ticket that heard of the release, at its page."""
    settings = work.step.settings
    if settings["tracker"]:
        writer = work.gare.tracking.writer(settings["tracker"])
        for key in writer.stands(_keys(work)):
            yield _comment(work, writer, key)
    if settings["gitlab"]:
        there = work.gare.hosting.at(settings["gitlab"]).release_page
        if there.look(settings["tag_name"]) is not None:
            yield page_mark(work, there)


def _keys(work: Work) -> list[str]:
    """Return the tickets that heard of the release, its own change ticket among them."""
    opened = work.ledger.releases.steps(work.step.settings["release"]).get(CHANGE_OPENED)
    own = [opened.value["key"]] if opened and opened.value else []
    return [*work.step.settings["keys"], *own]


def _sentence(work: Work) -> str:
    settings = work.step.settings
    reason = f": {work.release.reason}" if work.release.reason else ""
    return (
        f"{work.plan.title} {settings['version']} was rolled back in {settings['environment']}, "
        f"which is back at {work.plan.version}{reason}. ({work.release.id})"
    )


def _comment(work: Work, writer: TicketWriter, key: str) -> Effect:
    text = _sentence(work)

    def look() -> Look:
        is_there = writer.has_comment(key, f"({work.release.id})")
        return AsWanted({"ticket": key}) if is_there else Absent()

    return Effect(f"{key} comment", {"text": text}, look, lambda: writer.comment(key, text))


def page_mark(work: Work, there: ReleasePage) -> Effect:
    """Return the notes of the release's page with the rollback said before them."""
    tag, mark = work.step.settings["tag_name"], f"> **Rolled back.** {_sentence(work)}"

    def notes() -> str:
        found = there.look(tag)
        return found.notes if found else ""

    def look() -> Look:
        return AsWanted({"tag": tag}) if mark in notes() else Absent()

    def act() -> Receipt:
        there.rewrite(tag, f"{mark}\n\n{notes()}")
        return {"tag": tag}

    return Effect(f"release page {tag}", {"mark": mark}, look, act)
