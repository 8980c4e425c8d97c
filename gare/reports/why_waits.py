"""What a release waits for: its turn, an opening, members, votes, people, and who can do something about it. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from gare.domain.locks import lock_names
from gare.domain.plan import Kind, PlannedStep
from gare.domain.releases import Release, ReleaseState, StepRecord, StepState
from gare.domain.schedule import ready
from gare.domain.standing import Hold
from gare.domain.waits import Cause, Waited, one_of
from gare.reports.why_view import KEEPER, Blocker, Explanation, Queued, View
from gare.reports.why_votes import approval

_WHOEVER = "whoever does it"


def waits(view: View) -> Iterator[Blocker]:
    """Yield what it waits for: its turn, votes, manual steps.

    What a train has written down that it waits for counts, and not what its steps said when they looked last.
    """
    told = {wait.step for wait in view.release.waits} if view.plan.kind is Kind.TRAIN else set()
    if view.release.is_stopped:
        return
    if view.queued is not None:
        yield _turn(view.release, view.queued)
        return
    if view.plan.kind is Kind.TRAIN:
        yield from _of_train(view)
    done = {step for step, record in view.records.items() if record.state is StepState.DONE}
    asked = {one.rule.step: one for one in view.asked}
    for step in ready(view.plan.steps, done, done):
        record = view.records.get(step.id)
        if step.type == "manual":
            yield _manual(view, step)
        elif step.type == "deploy" and (hold := view.holds.get(step.environment)):
            yield _held(view, step, hold)
        elif record is not None and record.state is StepState.WAITING and step.id not in told:
            yield _again(view, step, record)
        elif step.type == "approve" and step.id in asked and asked[step.id].manifest:
            # Who votes is to know what was rolled back there since it was asked for.
            if hold := view.holds.get(step.environment):
                yield _held(view, step, hold)
            yield from approval(view, asked[step.id])


def freezes(view: View) -> Iterator[Blocker]:
    """Yield what keeps the environments ahead closed; while steps run, it is not in the way yet."""
    if view.release.state is not ReleaseState.WAITING:
        return
    for way in view.ways:
        found = way.clearance
        for closing in found.closings:
            override = (
                f"gare freeze override {view.release.id} --env {found.environment} --reason …"
            )
            yield Blocker(
                f"{found.environment} is closed: {closing.what}",
                closing.owner,
                f"Nothing: {way.step} goes on by itself when it opens. Or, by right: `{override}`.",
                way.step,
                until=closing.until,
            )


def _turn(release: Release, queued: Queued) -> Blocker:
    """Tell whose turn it is, what that release waits for, and who can do something about it."""
    place = queued.place
    owners, details = list[str](), list[str]()
    for holder in place.holders:
        answer = queued.holders[holder.release]
        details.append(f"{holder.release} holds {lock_names(place.project, holder.locks)}")
        details += [
            f"{holder.release} waits for: {blocker.what} ({blocker.owner})"
            for blocker in answer.blockers
        ] or [answer.sentence]
        owners += [_who(blocker, holder.release) for blocker in answer.blockers]
    if before := [other for other in place.ahead if place.holders]:
        details.append(f"before it in the queue: {', '.join(before)}")
    behind = place.behind.split(" and ")[0].split(", ")[0]
    do = f"Nothing: it goes on by itself. Or look at `gare why {behind}`; or leave with `gare cancel {release.id}`."
    if not place.behind:
        do = f"Wait a moment; then `gare resume {release.id}`."
    wakes = [answer.wake_at for answer in queued.holders.values() if answer.wake_at is not None]
    return Blocker(
        f"It is {place}",
        ", ".join(dict.fromkeys(owners)) or (f"nobody: {behind} moves" if behind else KEEPER),
        do,
        since=place.since,
        until=min(wakes, default=None),
        details=tuple(details),
    )


def _who(blocker: Blocker, holder: str) -> str:
    """Name who moves a release to somebody who waits for that one: nobody there knows what "it" is."""
    if blocker.owner == _WHOEVER:
        return f"whoever does {blocker.step} of {holder}"
    return blocker.owner


def _held(view: View, step: PlannedStep, hold: Hold) -> Blocker:
    release, there = view.release, f"{hold.project} {hold.environment}"
    return Blocker(
        f"{hold}.",
        "whoever may say that it goes on",
        f"`gare hold release {there}`; or release a repaired version in your own name; "
        f"or end this one with `gare cancel {release.id}`.",
        step.id,
        hold.since,
    )


def _again(view: View, step: PlannedStep, record: StepRecord) -> Blocker:
    """Tell of a step that has looked and looks again by itself, and what people must do meanwhile."""
    value = record.value or {}
    until = value.get("again_at")
    do = "Nothing: it looks again by itself."
    if asked := value.get("do"):
        do = f"{asked} Nothing here: it looks again by itself."
    if step.type == "soak":
        back = f"gare rollback {view.plan.project} --env {step.environment}"
        do = f"Nothing: it goes on by itself. Is it bad? `{back}`."
    return Blocker(
        str(value.get("summary", step.title)),
        str(value.get("who", "nobody")),
        do,
        step.id,
        until=datetime.fromisoformat(until) if until else None,
    )


def _of_train(view: View) -> Iterator[Blocker]:
    """Tell what a train has written down that it waits for; its votes are told by themselves."""
    release = view.release
    look = f"`gare train status {release.id}` says where the members stand"
    if kept := view.kept:
        do = f"`{kept.undo}`, before the departure: at its time the train ends."
        yield Blocker(f"It does not depart: {kept.said}", "who may steer trains", do, "leave")
    if view.held:
        do = f"`gare train resume {release.id}`; until then nobody departs, and nothing goes on at its time."
        yield Blocker(f"The train is {view.held}", "who may steer trains", do, "leave")
    for wait in release.waits:
        if view.held and (wait.cause is Cause.HELD or wait.step == "leave"):
            continue
        other = view.others.get(wait.release)
        if wait.cause in (Cause.FAILED, Cause.HELD):
            owner = release.requested_by or "whoever runs the train"
            do = f"{one_of(wait.ways) or 'One of these'}; {look}."
        elif wait.cause is Cause.APPROVALS:
            continue
        elif other is not None and other.blockers:
            yield from _of_member(wait, other)
            continue
        else:
            owner, do = "nobody", f"Nothing: it goes on by itself; {look}."
        # What a member does now counts, and not what it did when its train went to sleep.
        of_member = wait.cause is Cause.MEMBERS
        what = other.sentence if other is not None and of_member else wait.what
        until = max(release.wake_at, view.now) if release.wake_at else None
        since = release.changed_at
        yield Blocker(what, owner, do, wait.step, since, until, is_moving=of_member)


def _of_member(wait: Waited, other: "Explanation") -> Iterator[Blocker]:
    """Tell what is in the way of a member's release: who can do something about it moves the train."""
    for blocker in other.blockers:
        what = f"{wait.release} waits for: {blocker.what}"
        yield replace(blocker, what=what, step=wait.step)


def _manual(view: View, step: PlannedStep) -> Blocker:
    wanted = str(step.settings.get("instructions") or step.title)
    return Blocker(
        f"Step {step.id} is for a person: {wanted}",
        _WHOEVER,
        f"Do it, then `gare done {view.release.id} {step.id} --comment …`.",
        step.id,
        view.release.changed_at,
    )
