"""What the places of a train's announcements hear besides notice and arrival: that it is held, skipped, not let go."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from gare.departures import has_departed
from gare.domain.plan import Kind, Plan
from gare.domain.releases import Release, ReleaseState
from gare.domain.waits import Cause
from gare.errors import GareError, LedgerAway
from gare.ledger.ledger import Ledger
from gare.ledger.restored import withdraw_open
from gare.wiring import Gare
from tasks.announce import message_effect
from tasks.leave import RESTORED, SKIPPED, was_told
from tasks.step import Work

_STEP = "leave"
"""The step whose effects they are."""


class News(NamedTuple):
    """One message. `about` is what it is known by: each place hears it once."""

    about: str
    subject: str
    text: str


def tell_news(gare: Gare, release: Release) -> list[str]:
    """Tell what has become of a train; return who has not heard: it is told again when the train looks again."""
    problems = list[str]()
    plan = gare.plan(release.plan) if release.kind is Kind.TRAIN else None
    if plan is None or not plan.details["announces"]:
        return problems
    step = plan.step(_STEP)
    work = Work(gare, release, plan, step, 1, problems.append)
    for news in news_of(gare, release, plan):
        for place in gare.notifiers(plan, step):
            effect = message_effect(work, place, news.subject, news.text, news.about)
            try:
                told = replace(effect, tells_end=True)
                gare.ledger.effects.perform(release.id, step.id, told)
            except LedgerAway:
                raise
            except GareError as error:
                problems.append(f"{place.place} has not heard: {news.subject} ({error})")
    return problems


def give_up_untold(ledger: Ledger, train: Release) -> None:
    """Take back what a place has not heard: who was to hear that a train was held keeps it from no arrival."""
    said = "not known to have been heard, and nobody's business any more"
    withdraw_open(ledger.database, train.id, _STEP, actor="gare", said=said)


def news_of(gare: Gare, release: Release, plan: Plan) -> Iterator[News]:
    """Yield what is to be told of a train as it stands."""
    name = f"{plan.title} of {plan.version}"
    if release.state in (ReleaseState.REJECTED, ReleaseState.EXPIRED):
        yield News("no go", f"{name} does not depart: no go", f"{release.end}\n")
    if release.state is not ReleaseState.WAITING:
        return
    for wait in release.waits:
        if wait.cause is Cause.FAILED:
            member = plan.step(wait.step).settings["member"]
            subject = f"{name} is held: {member} has failed"
            yield News(f"held by {wait.release or member}", subject, f"{wait.what}\n")
    stop = gare.ledger.trains.stopped(release.id)
    if stop is not None:
        yield News(f"held {stop.since:%Y-%m-%dT%H%M%S}", f"{name} is held", f"{stop.reason}\n")
    yield from _skipped(gare, release, plan, name)


def _skipped(gare: Gare, release: Release, plan: Plan, name: str) -> Iterator[News]:
    """Yield that a departure was skipped after it had boarded, or that it is again after all."""
    if not plan.details["is_scheduled"] or has_departed(gare.ledger, release):
        return
    skip = gare.ledger.trains.skips(str(plan.details["train"])).get(plan.version)
    if skip is not None:
        yield News(SKIPPED, f"{name} does not depart", f"{skip}\n")
    elif was_told(gare.ledger, release, SKIPPED):
        at = plan.details["slot"]["departs_at"]
        yield News(RESTORED, f"{name} departs after all", f"It departs at {at}.\n")
