"""The people of the station: each votes once on what is asked, ticks off what is theirs, and never does so again.

A release that asks a second time gets no second vote: it stays, and the matrix sees it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from gare.domain.approvals import Answer, Decision
from gare.domain.plan import Plan
from gare.domain.releases import Release, ReleaseState, StepState
from gare.errors import GareError
from gare.wiring import Gare

VOTERS = ("bob", "carol")


@dataclass(slots=True)
class People:
    """What each of them has answered already."""

    gare: Gare
    has_arrived: Callable[[Release], bool]
    """Whether a message that nobody can look up was received: what a person finds out by asking."""
    answered: set[tuple[str, str]] = field(default_factory=set)
    left_to_person: list[str] = field(default_factory=list)
    """Messages that Gare left to a person: sent at most once, and a crash came just then."""

    def look(self, release: Release, *, is_patient: bool) -> None:
        """Do what the release waits for; a patient one first lets it go to sleep, so that its wakes can be counted."""
        if release.state is ReleaseState.WAITING:
            if is_patient and not self.gare.engine.run(release.flow_run_id).is_suspended:
                return
            plan = self.gare.plan(release.plan)
            if self._vote(release, plan) or self._tick_off(release, plan):
                self._wake(release)
        elif release.state is ReleaseState.FAILED:
            self._settle(release)

    def _vote(self, release: Release, plan: Plan) -> bool:
        has_voted = False
        for rule in plan.approvals:
            asked = self.gare.ledger.approvals.get(release.id, rule.step)
            if (
                asked is None
                or asked.decision is not Decision.PENDING
                or self._has_answered(release, rule.step)
            ):
                continue
            for name in VOTERS:
                voter = self.gare.voter(name)
                if voter.groups & set(rule.groups):
                    self.gare.ledger.approvals.vote(
                        release.id, rule, voter, Answer.APPROVE,
                        manifest=asked.manifest, comment="", authors=plan.authors,
                    )  # fmt: skip
            has_voted = True
        return has_voted

    def _tick_off(self, release: Release, plan: Plan) -> bool:
        """Do as `gare done` does."""
        releases, has_ticked = self.gare.ledger.releases, False
        for step in plan.steps:
            waits = any(reason.startswith(f"{step.id}:") for reason in release.waiting)
            if step.type == "manual" and waits and not self._has_answered(release, step.id):
                releases.begin_step(release.id, step.id, actor="bob")
                value = {"by": "bob", "comment": "", "summary": "done by bob"}
                releases.end_step(release.id, step.id, StepState.DONE, value=value, actor="bob")
                has_ticked = True
        return has_ticked

    def _settle(self, release: Release) -> None:
        """Say, as `gare done` does, that a message counts as done, and bring the release on."""
        unsure = [
            one for one in self.gare.ledger.effects.of(release.id)
            if one.receipt is None and one.target.startswith("webhook ")
        ]  # fmt: skip
        if (
            not unsure
            or "nobody can tell" not in release.end
            or self._has_answered(release, "settle")
        ):
            return
        arrived = "had arrived" if self.has_arrived(release) else "had not been sent"
        self.left_to_person.append(f"{release.id} {unsure[0].target}: {arrived}")
        self.gare.ledger.effects.settle(release.id, unsure[0].step, person="bob", comment=arrived)
        self.gare.ledger.releases.mark(release.id, ReleaseState.RUNNING, actor="bob")
        self.gare.engine.retry(release.flow_run_id)

    def _has_answered(self, release: Release, what: str) -> bool:
        """Tell whether this was answered before; from now on it was."""
        before = (release.id, what) in self.answered
        self.answered.add((release.id, what))
        return before

    def _wake(self, release: Release) -> None:
        try:
            self.gare.engine.resume(release.flow_run_id)
        except GareError:
            return  # the server is away: the reconciler wakes it when it is back
