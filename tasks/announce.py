"""announce: tell people, each place once."""

from gare.domain.counts import counted
from gare.ledger.effects import Effect
from gare.messages import News
from gare.messages import message_effect as effect_of
from gare.ports.notifier import Notifier
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
    """Return one message to one place. `about` tells a second message of the step from its own."""
    news = News(about or work.step.id, subject, text)
    target = "" if about else place.place
    return effect_of(work.release, work.plan, place, news, target)
