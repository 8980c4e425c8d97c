"""One message about a release to one place of its announcements: each place hears it once, whoever tells it."""

from typing import NamedTuple

from gare.domain.plan import Plan
from gare.domain.releases import Release
from gare.ledger.effects import Absent, AsWanted, Effect, Look, Receipt, Unknowable
from gare.ports.notifier import Message, Notifier


class News(NamedTuple):
    """What is told. `about` is what it is known by: each place hears it once."""

    about: str
    subject: str
    text: str


def message_effect(
    release: Release, plan: Plan, place: Notifier, news: News, target: str = ""
) -> Effect:
    """Return one message to one place. What cannot be looked up is sent at most once.

    `target` names the effect; without it the place and what the message is known by do.
    """
    message = Message(
        key=f"{release.id}/{news.about}/{place.place}",
        subject=news.subject,
        text=news.text,
        facts={
            "release": release.id,
            "project": plan.project,
            "version": plan.version,
            "commit": plan.commit,
        },
    )

    def look() -> Look:
        is_there = place.look(message)
        if is_there is None:
            return Unknowable()
        return AsWanted({"place": place.place}) if is_there else Absent()

    def act() -> Receipt:
        return place.send(message)

    return Effect(target or target_of(place, news), {"message": message.key}, look, act)


def target_of(place: Notifier, news: News) -> str:
    """Return what the effect of a message is called that is not the first of its step."""
    return f"{place.place}, {news.about}"
