"""announce: tell people, each place once."""

from gare.domain.counts import counted
from gare.ledger.effects import Absent, AsWanted, Effect, Look, Receipt, Unknowable
from gare.ports.notifier import Message, Notifier
from tasks.step import Value, Work, step_task


@step_task
def announce(work: Work) -> Value:
    """Tell every configured place that the version is out."""
    return tell(work, f"{work.plan.title} {work.plan.outcome}", work.plan.notes)


def tell(work: Work, subject: str, text: str, about: str = "") -> Value:
    """Tell every place of the step; return which. `about` tells a second message of the step from its own."""
    places = work.gare.notifiers(work.plan, work.step)
    for place in places:
        work.perform(message_effect(work, place, subject, text, about))
    return {
        "places": [place.place for place in places],
        "summary": f"{counted(len(places), 'place')} told",
    }


def message_effect(work: Work, place: Notifier, subject: str, text: str, about: str = "") -> Effect:
    """Return one message to one place. What cannot be looked up is sent at most once.

    `about` tells a second message of the step from its own.
    """
    message = Message(
        key=f"{work.release.id}/{about or work.step.id}/{place.place}",
        subject=subject,
        text=text,
        facts={
            "release": work.release.id,
            "project": work.plan.project,
            "version": work.plan.version,
            "commit": work.plan.commit,
        },
    )

    def look() -> Look:
        is_there = place.look(message)
        if is_there is None:
            return Unknowable()
        return AsWanted({"place": place.place}) if is_there else Absent()

    def act() -> Receipt:
        return place.send(message)

    target = f"{place.place}, {about}" if about else place.place
    return Effect(target, {"message": message.key}, look, act)
