"""What an ended release owes others until it is paid: its change ticket, its deployment, that it was rolled back.

Owed is what follows from the plan and the ledger and has no receipt there, so nothing is lost when a process dies or a
vendor is away. How a release ended is never changed by it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from gare.change_ticket import stop_target, tell_stop
from gare.departures import ARRIVAL, DOES_NOT_DEPART
from gare.domain.plan import Json, Kind, Plan, PlannedStep
from gare.domain.releases import Release, ReleaseState, StepState
from gare.errors import GareError, LedgerAway
from gare.hosted_deployment import CANCELED, FAILED, SUCCESS, begun_target, end, ended_target
from gare.messages import News, message_effect
from gare.recall import Recalled, own_recall, put_back_by_itself, recall_effects
from gare.wiring import Gare

_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=10), timedelta(minutes=5)


class Debt(NamedTuple):
    """One thing to tell. `step` and `target` name the effect whose receipt is the proof that it was told."""

    what: str
    step: str
    target: str
    pay: Callable[[], object]


def owed(gare: Gare, release: Release) -> list[Debt]:
    """Return what an ended release has not told yet."""
    if not release.is_closed or release.state is ReleaseState.RELEASED:
        return []
    effects = gare.ledger.effects.of(release.id)
    paid = {(one.step, one.target) for one in effects if one.receipt is not None}
    plan = gare.plan(release.plan)
    every = (
        *_change(gare, release, plan),
        *_deployments(gare, release, plan, paid),
        *_recalls(gare, release),
        *_calling_off(gare, release, plan, {step for step, _ in paid}),
    )
    return [debt for debt in every if (debt.step, debt.target) not in paid]


def _calling_off(gare: Gare, release: Release, plan: Plan, told: set[str]) -> Iterator[Debt]:
    """Yield the places that have heard of a train, its notice or a hold, and do not know that it was cancelled.

    What ends a train by itself, before its departure or at its arrival, says so by itself.
    """
    if plan.kind is not Kind.TRAIN or release.state is not ReleaseState.CANCELLED:
        return
    has_ended_itself = release.end.startswith(DOES_NOT_DEPART) or ARRIVAL in (
        gare.ledger.releases.step_states(release.id)
    )
    if has_ended_itself or not told & {"notice", "leave"}:
        return
    step = plan.step("leave")
    news = News("cancelled", f"{plan.title} of {plan.version} is cancelled", f"{release.end}\n")
    for place in gare.notifiers(plan, step):
        effect = replace(message_effect(release, plan, place, news), tells_end=True)
        pay = partial(gare.ledger.effects.perform, release.id, step.id, effect)
        yield Debt(f"That it is cancelled ({place.place})", step.id, effect.target, pay)


def _change(gare: Gare, release: Release, plan: Plan) -> Iterator[Debt]:
    if found := stop_target(gare, release, plan):
        step, key, target = found
        yield Debt(f"The change ticket {key}", step, target, lambda: tell_stop(gare, release, plan))


def _deployments(
    gare: Gare, release: Release, plan: Plan, paid: set[tuple[str, str]]
) -> Iterator[Debt]:
    """Yield the deployments that began and were not written down as ended."""
    states = gare.ledger.releases.step_states(release.id)
    for step in (one for one in plan.steps if one.type == "record"):
        has_begun = any(
            one.type == "deploy" and one.environment == step.environment and one.id in states
            for one in plan.steps
        )
        if not has_begun or states.get(step.id) is StepState.DONE:
            continue
        status = _status(gare, release, plan, step)
        # What was never shown and is not there either is nobody's business.
        if status != CANCELED or (step.id, begun_target(step)) in paid:
            yield _deployment(gare, release, plan, step, status)


def _deployment(gare: Gare, release: Release, plan: Plan, step: PlannedStep, status: str) -> Debt:
    def pay() -> object:
        there = gare.hosting.at(step.settings["gitlab"]).environments
        return end(gare.ledger, release.id, plan, step, there, status)

    what = f"The deployment to {step.settings['gitlab_environment']}"
    return Debt(what, step.id, ended_target(step, status), pay)


def _recalls(gare: Gare, release: Release) -> Iterator[Debt]:
    """Yield what tickets and page say of a release that has put itself back. Who they are is asked each time."""
    for said in put_back_by_itself(gare, release):
        if settings := own_recall(gare, said):
            step = next(one.id for one in reversed(said.plan.steps) if one.type == "close")
            pay = partial(_recall, gare, said, settings, step)
            where = f"rolled back in {said.environment}"
            yield Debt(f"What tickets and pages say of {where}", step, where, pay)


def _recall(gare: Gare, said: Recalled, settings: Json, step: str) -> None:
    """Tell every ticket and the page; raise at the end what one of them refused, or could not hear now."""
    problems = list[GareError]()
    for effect in recall_effects(gare, settings, said):
        try:
            told = replace(effect, tells_end=True)
            gare.ledger.effects.perform(said.release, step, told)
        except LedgerAway:
            raise
        except GareError as error:
            problems.append(error)
    if problems:
        raise max(problems, key=lambda error: error.retryable)


def _status(gare: Gare, release: Release, plan: Plan, step: PlannedStep) -> str:
    good = gare.ledger.verified_good(plan.project, step.environment)
    if any(one.release == release.id for one in good):
        return SUCCESS
    return FAILED if release.state is ReleaseState.ROLLED_BACK else CANCELED


def pay(gare: Gare, release: Release) -> tuple[list[str], bool]:
    """Tell what is owed; return what could not be told, and whether trying again may help."""
    problems, is_open = list[str](), False
    for debt in owed(gare, release):
        try:
            debt.pay()
        except LedgerAway:
            raise
        except GareError as error:
            later = " The station tries again by itself." if error.retryable else ""
            problems.append(f"{debt.what} of {release.id} was not told: {error}{later}")
            is_open = is_open or error.retryable
    return problems, is_open


class Payer:
    """Pays what ended releases owe over many rounds; aside, so that a vendor that is away keeps nobody waiting."""

    def __init__(self, gare: Gare, *, is_aside: bool = True) -> None:
        self._gare, self._is_aside = gare, is_aside
        self._turns: dict[str, tuple[int, datetime]] = {}
        self._through: set[str] = set()
        self._told: deque[str] = deque()
        self._thread: threading.Thread | None = None

    def look(self, ended: Sequence[Release]) -> set[str]:
        """Return which of these still owe something; begin to pay what is due."""
        ids = {release.id for release in ended}
        self._through &= ids
        owing = [one for one in ended if one.id not in self._through and owed(self._gare, one)]
        due = [one for one in owing if self._is_due(one.id)]
        if due and not (self._thread and self._thread.is_alive()):
            self._begin(due)
        return {release.id for release in owing} - self._through

    def _is_due(self, release_id: str) -> bool:
        # In one look: who pays aside takes it away.
        if (known := self._turns.get(release_id)) is None:
            return True
        turn, last = known
        # A clock that was set back makes nobody wait for longer.
        pause = min(_FIRST_WAIT * (1 << min(turn - 1, 10)), _LONGEST_WAIT)
        return abs(self._gare.ledger.now() - last) >= pause

    def told(self) -> list[str]:
        """Return what has been said since the last time."""
        return [self._told.popleft() for _ in range(len(self._told))]

    def _begin(self, due: Sequence[Release]) -> None:
        if not self._is_aside:
            self._pay(due)
            return
        self._thread = threading.Thread(target=self._pay, args=(due,), name="debts", daemon=True)
        self._thread.start()

    def _pay(self, due: Sequence[Release]) -> None:
        for release in due:
            try:
                problems, is_open = pay(self._gare, release)
            except GareError as error:  # the ledger is away, or is another's now
                problems, is_open = [str(error)], True
            turn = self._turns[release.id][0] if release.id in self._turns else 0
            if is_open:
                self._turns[release.id] = (turn + 1, self._gare.ledger.now())
            else:
                self._turns.pop(release.id, None)
                self._through.add(release.id)
            # Said once, and again when it is over.
            if not turn or not is_open:
                self._told.extend(problems or [f"{release.id} has told how it ended"])
