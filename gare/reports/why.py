"""Why a release does not move: every blocker with its owner, and what happens next. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gare.domain.approvals import Answer, Decision, Voter, admit, fill_slots
from gare.domain.locks import Place, lock_names
from gare.domain.plan import Kind, Plan, PlannedStep
from gare.domain.releases import Release, ReleaseState, StepRecord, StepState
from gare.domain.schedule import ready
from gare.domain.standing import Hold
from gare.domain.timetable import Kept
from gare.domain.waits import Cause, Waited
from gare.errors import Refused
from gare.reports.freezes import Ahead, earliest
from gare.reports.owed import Owed
from gare.reports.status import Asked

KEEPER = "the station's keeper"


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that keeps the release. `owner` can do something about it, `do` says what."""

    what: str
    owner: str
    do: str
    step: str = ""
    since: datetime | None = None
    until: datetime | None = None
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineState:
    """The run as the engine has it; `problem` says why it could not be asked."""

    type: str = ""
    name: str = ""
    message: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Queued:
    """A place in the queue, and why each of the releases that hold the locks stands where it stands."""

    place: Place
    holders: Mapping[str, "Explanation"]


@dataclass(frozen=True, slots=True)
class View:
    """All that the answer is made of. `logs` are the paths of each step's logs, the newest last."""

    release: Release
    plan: Plan
    records: Mapping[str, StepRecord]
    asked: Sequence[Asked]
    people: Sequence[Voter]
    engine: EngineState
    now: datetime
    logs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    queued: Queued | None = None
    holds: Mapping[str, Hold] = field(default_factory=dict)
    """Holds of the project on releases that no person asked for, by environment."""
    ways: Sequence[Ahead] = ()
    owed: Sequence[Owed] = ()
    """What a hotfix owes after its end."""
    others: Mapping[str, "Explanation"] = field(default_factory=dict)
    """Why each of the releases that a train waits for stands where it stands."""
    may_come_again: bool = False
    """Whether the train of a member stands for it: it may release it once more."""
    kept: Kept | None = None
    """What people keep a train back by that has boarded."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole answer: one sentence, what is in the way, what comes then."""

    sentence: str
    blockers: tuple[Blocker, ...]
    then: str
    wake_at: datetime | None = None
    earliest: str = ""
    """When the next outward step can start, when a freeze keeps it."""

    def as_json(self) -> dict[str, Any]:
        """Spell it as plain JSON."""
        return {
            "sentence": self.sentence,
            "then": self.then,
            "wake_at": self.wake_at.isoformat() if self.wake_at else None,
            "earliest": self.earliest,
            "blockers": [
                {
                    "what": blocker.what,
                    "owner": blocker.owner,
                    "do": blocker.do,
                    "step": blocker.step,
                    "since": blocker.since.isoformat() if blocker.since else None,
                    "until": blocker.until.isoformat() if blocker.until else None,
                    "details": list(blocker.details),
                }
                for blocker in self.blockers
            ],
        }


def explain(view: View) -> Explanation:
    """Say why the release stands where it stands."""
    release = view.release
    if release.is_closed:
        owed = tuple(Blocker(one.what, one.owner, one.do, since=one.since) for one in view.owed)
        return Explanation(_ended(view), owed, "")
    blockers = (*_failures(view), *_waits(view), *_freezes(view), *_engine(view))
    return Explanation(
        _sentence(view, blockers),
        blockers,
        _then(view, blockers),
        _next(view, blockers),
        earliest(view.ways),
    )


def _ended(view: View) -> str:
    release = view.release
    said = f"{release.id} has ended: {release.state}"
    if release.end and release.end != release.state:
        said += f" ({release.end})"
    for asked in view.asked:
        for vote in asked.votes:
            if release.state is ReleaseState.REJECTED and vote.answer is Answer.REJECT:
                said += f"; {vote.person} said: {vote.comment or 'no reason given'}"
        if release.state is ReleaseState.EXPIRED and asked.standing.decision is Decision.EXPIRED:
            said += f"; {_owed(asked.standing.missing)} did not come in time"
    if view.owed:
        said += f"; {len(view.owed)} thing{'s are' if len(view.owed) > 1 else ' is'} still owed"
    return said + "."


def _sentence(view: View, blockers: Sequence[Blocker]) -> str:
    release = view.release
    running = [step for step, record in view.records.items() if record.state is StepState.RUNNING]
    if release.state is ReleaseState.FAILED:
        return f"{release.id} has failed and waits for somebody."
    if release.state is ReleaseState.ATTENTION:
        return f"{release.id} needs attention and waits for somebody."
    if not blockers and running:
        return f"{release.id} moves: {', '.join(running)} under way."
    if not blockers:
        return f"{release.id} moves; nothing is in its way."
    count = "one thing is" if len(blockers) == 1 else f"{len(blockers)} things are"
    return f"{release.id} does not move: {count} in its way."


def _failures(view: View) -> Iterator[Blocker]:
    """Yield each failed step with its error and where to read more; why it needs attention."""
    if view.release.state is ReleaseState.ATTENTION:
        yield _attention(view.release)
        return
    failed = [
        step
        for step in view.plan.steps
        if step.id in view.records and view.records[step.id].state is StepState.FAILED
    ]
    if view.release.state is not ReleaseState.FAILED:
        return
    resume = f"gare resume {view.release.id}"
    for step in failed:
        record = view.records[step.id]
        logs = tuple(f"log: {path}" for path in view.logs.get(step.id, ()))
        again = f" (attempt {record.attempt})" if record.attempt > 1 else ""
        first = "Ask there and say so" if "`gare done " in record.error else "Remove the cause"
        yield Blocker(
            f"Step {step.id} failed{again}: {record.error}",
            view.release.requested_by or "whoever started it",
            f"{first}, then `{resume}`; or end it with `gare cancel {view.release.id}`.",
            step.id,
            record.ended_at,
            details=logs,
        )
    if not failed:
        again = f"gare train resume {view.release.train} --again {view.release.project}"
        mended = f"`{again}` (from its branch as it is now), or " if view.may_come_again else ""
        yield Blocker(
            view.release.end or "The release failed.",
            view.release.requested_by or "whoever started it",
            f"Remove the cause, then {mended}`{resume}`; or end it with `gare cancel {view.release.id}`.",
            since=view.release.changed_at,
        )


def _waits(view: View) -> Iterator[Blocker]:
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
            yield from _approval(view, asked[step.id])


def _freezes(view: View) -> Iterator[Blocker]:
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


def _attention(release: Release) -> Blocker:
    do = f"Remove the cause, then `gare resume {release.id}`; or end it with `gare cancel {release.id}`."
    if "`gare recover " in release.end:
        do = "One of these two. `gare recover` alone does it for all releases without a run."
    return Blocker(
        release.end or "It was brought back too often.",
        KEEPER,
        do,
        since=release.changed_at,
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
        owners += [blocker.owner for blocker in answer.blockers]
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
    """Tell of a step that has looked and looks again by itself."""
    value = record.value or {}
    until = value.get("again_at")
    do = "Nothing: it looks again by itself."
    if step.type == "soak":
        back = f"gare rollback {view.plan.project} --env {step.environment}"
        do = f"Nothing: it goes on by itself. Is it bad? `{back}`."
    return Blocker(
        str(value.get("summary", step.title)),
        "nobody",
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
    for wait in release.waits:
        other = view.others.get(wait.release)
        if wait.cause in (Cause.FAILED, Cause.HELD):
            owner = release.requested_by or "whoever runs the train"
            do = f"One of these; {look}."
        elif wait.cause is Cause.APPROVALS:
            continue
        elif other is not None and other.blockers:
            yield from _of_member(wait, other)
            continue
        else:
            owner, do = "nobody", f"Nothing: it goes on by itself; {look}."
        # What a member does now counts, and not what it did when its train went to sleep.
        what = other.sentence if other is not None and wait.cause is Cause.MEMBERS else wait.what
        until = max(release.wake_at, view.now) if release.wake_at else None
        yield Blocker(what, owner, do, wait.step, release.changed_at, until)


def _of_member(wait: Waited, other: "Explanation") -> Iterator[Blocker]:
    """Tell what is in the way of a member's release: who can do something about it moves the train."""
    for blocker in other.blockers:
        what = f"{wait.release} waits for: {blocker.what}"
        yield replace(blocker, what=what, step=wait.step)


def _manual(view: View, step: PlannedStep) -> Blocker:
    wanted = str(step.settings.get("instructions") or step.title)
    return Blocker(
        f"Step {step.id} is for a person: {wanted}",
        "whoever does it",
        f"Do it, then `gare done {view.release.id} {step.id} --comment …`.",
        step.id,
        view.release.changed_at,
    )


def _approval(view: View, asked: Asked) -> Iterator[Blocker]:
    rule, standing, release = asked.rule, asked.standing, view.release
    if standing.decision is not Decision.PENDING:
        yield Blocker(
            f"The approval of {rule.environment} is decided ({standing}), but the run has not gone on yet.",
            KEEPER,
            f"Wait a moment; then `gare resume {release.id}`.",
            rule.step,
        )
        return
    may, barred = _candidates(view, asked)
    do = f"`gare approve {release.id} --env {rule.environment}` (or `gare reject …`), with a personal token."
    for group, count in sorted(standing.missing.items()):
        names = [voter.name for voter in may if group in voter.groups]
        yield Blocker(
            f"{rule.environment}: {_votes(count)} of {group} missing",
            ", ".join(names) or f"nobody: {group} has no one left who may vote",
            do if names else f"Add somebody to {group} in station.yaml, or end it with `gare cancel {release.id}`.",
            rule.step,
            release.changed_at,
            asked.expires_at,
            tuple(f"{name} may not vote: {why}" for name, why in barred if group in _groups(view, name)),
        )  # fmt: skip
    given = [
        (vote.person, vote.groups) for vote in _counted(asked) if vote.answer is Answer.APPROVE
    ]
    short = fill_slots(rule.groups, [*given, *((voter.name, voter.groups) for voter in may)])
    if short and all(any(group in voter.groups for voter in may) for group in standing.missing):
        yield Blocker(
            f"{rule.environment}: even if all of them vote, {_owed(short)} would be missing",
            KEEPER,
            "Add people to the groups in station.yaml: a person fills one place in one group.",
            rule.step,
        )


def _candidates(view: View, asked: Asked) -> tuple[list[Voter], list[tuple[str, str]]]:
    """Return who may still vote, and who of the groups may not with the reason."""
    may, barred = list[Voter](), list[tuple[str, str]]()
    for voter in view.people:
        if not voter.groups & set(asked.rule.groups):
            continue
        try:
            admit(
                asked.rule,
                voter,
                authors=view.plan.authors,
                requester=view.release.requested_by,
                votes=asked.votes,
                manifest=asked.manifest,
                wanted_manifest=asked.manifest,
            )
        except Refused as refusal:
            barred.append((voter.name, refusal.what.removeprefix(voter.name).strip().rstrip(".")))
        else:
            may.append(voter)
    return may, barred


def _counted(asked: Asked) -> Iterator[Any]:
    return (vote for vote in asked.votes if vote.manifest == asked.manifest)


def _groups(view: View, name: str) -> frozenset[str]:
    return next((voter.groups for voter in view.people if voter.name == name), frozenset())


def _engine(view: View) -> Iterator[Blocker]:
    """Yield what is wrong with the run itself."""
    engine, release = view.engine, view.release
    if engine.problem:
        yield Blocker(
            f"The station does not answer: {engine.problem}",
            KEEPER,
            "Start it with `gare up`; votes and ticks are kept meanwhile.",
        )
        return
    said = f": {engine.message}" if engine.message else ""
    resume = f"`gare resume {release.id}`"
    by_itself = f"Nothing: the station brings it on by itself; {resume} does it now."
    match engine.type:
        case "SCHEDULED" | "PENDING" if engine.name == "Late":
            yield Blocker(
                "No worker has taken the run yet.", KEEPER, "Look at the worker: `gare doctor`."
            )
        case "CRASHED":
            yield Blocker(f"The run's process died{said}", KEEPER, by_itself)
        case "CANCELLED" | "CANCELLING":
            do = f"End it for good with `gare cancel {release.id}`, or bring it back with {resume}."
            yield Blocker(f"The run was cancelled in the engine{said}", "whoever cancelled it", do)
        case "COMPLETED" | "FAILED" if not release.is_stopped:
            yield Blocker(f"The run ended as {engine.name}{said}", KEEPER, by_itself)
        case "PAUSED" if release.state is ReleaseState.RUNNING:
            yield Blocker(
                "The run sleeps although nothing is waited for.", KEEPER, f"Wake it with {resume}."
            )
        case _:
            return


def _then(view: View, blockers: Sequence[Blocker]) -> str:
    """Say what comes when the way is free."""
    left = [
        step.id
        for step in view.plan.steps
        if (record := view.records.get(step.id)) is None or record.state is not StepState.DONE
    ]
    here = {blocker.step for blocker in blockers}
    then = [step for step in left if step not in here]
    return f"Then: {', '.join(then)}." if then else "Then it ends."


def _next(view: View, blockers: Sequence[Blocker]) -> datetime | None:
    """Return when something happens by itself: a wake-up, an expiry."""
    instants = [blocker.until for blocker in blockers if blocker.until is not None]
    if view.release.state is ReleaseState.WAITING and view.release.wake_at is not None:
        instants.append(max(view.release.wake_at, view.now))
    return min(instants, default=None)


def _owed(missing: Mapping[str, int]) -> str:
    return ", ".join(f"{_votes(count)} of {group}" for group, count in sorted(missing.items()))


def _votes(count: int) -> str:
    return f"{count} vote" + ("" if count == 1 else "s")
