"""What the places of a train's announcements hear besides notice and arrival: that it is held, skipped, not let go."""

from collections.abc import Iterator
from dataclasses import replace

from gare.departures import has_departed, objections
from gare.domain.journey import why_back
from gare.domain.plan import Kind, Plan
from gare.domain.releases import Release, ReleaseState
from gare.domain.waits import Cause
from gare.errors import GareError, LedgerAway
from gare.ledger.ledger import Ledger
from gare.ledger.restored import withdraw_open
from gare.messages import News, message_effect
from gare.wiring import Gare
from tasks.leave import RESTORED, SKIPPED, was_told

_STEP = "leave"
"""The step whose effects they are."""
_HELD, _HELD_AT = "held by ", "held "
_FAILURES = (f"release {ReleaseState.FAILED}", f"release {ReleaseState.ATTENTION}")


def tell_news(gare: Gare, release: Release) -> list[str]:
    """Tell what has become of a train; return who has not heard: it is told again when the train looks again."""
    problems = list[str]()
    plan = gare.plan(release.plan) if release.kind is Kind.TRAIN else None
    if plan is None or not plan.details["announces"]:
        return problems
    step = plan.step(_STEP)
    for news in news_of(gare, release, plan):
        for place in gare.notifiers(plan, step):
            effect = message_effect(release, plan, place, news)
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
        text = "\n".join([release.end, *objections(gare.ledger, release)])
        yield News("no go", f"{name} does not depart: no go", f"{text}\n")
    if release.state is not ReleaseState.WAITING:
        return
    held = [*_held(gare, release, plan, name)]
    yield from held
    if (told := _holds_told(gare.ledger, release)) and not held:
        yield _goes_on(gare, release, plan, name, told)
    yield from _skipped(gare, release, plan, name)


def _held(gare: Gare, release: Release, plan: Plan, name: str) -> Iterator[News]:
    for wait in release.waits:
        if wait.cause is Cause.FAILED:
            member = plan.step(wait.step).settings["member"]
            subject = f"{name} is held: {member} has failed"
            about = f"{_HELD}{wait.release or member}{_again(gare.ledger, wait.release)}"
            yield News(about, subject, f"{wait.what}\n")
    stop = gare.ledger.trains.stopped(release.id)
    if stop is not None:
        about = f"{_HELD_AT}{stop.since:%Y-%m-%dT%H%M%S}"
        yield News(about, f"{name} is held", f"{stop.reason}\n")


def _goes_on(gare: Gare, release: Release, plan: Plan, name: str, told: int) -> News:
    """Tell what became of a train that people heard was held, `told` times so far: each time is told anew."""
    back = why_back(plan, gare.ledger.releases.steps(release.id))
    how, text = ("goes back", f"Because of {back}.") if back else ("goes on", "It is held no more.")
    return News(f"on after hold {told}", f"{name} {how}", f"{text}\n")


def _again(ledger: Ledger, member: str) -> str:
    """Tell a second failure of a member's release from its first one."""
    if not member:
        return ""
    failures = [one for one in ledger.database.events(member) if one.kind in _FAILURES]
    return f" for the {len(failures)}. time" if len(failures) > 1 else ""


def _holds_told(ledger: Ledger, release: Release) -> int:
    """Return of how many holds any place has heard."""
    targets = (one.target for one in ledger.effects.of(release.id) if one.receipt is not None)
    return len({target.rpartition(", held ")[2] for target in targets if ", held " in target})


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
