"""The plan of a train: who boards and who is left out, in which order members depart. Pure: reads nothing.

`details` of the plan: `train`, `slot` (its name and instants), `members` (each with version, commit and the digest of
its own stored plan), `left_out` (each with the reason), `rules`, `is_scheduled`: whether the timetable has this
departure, `announces`: whether it tells people of its arrival, `refusal`: why the train does not depart, or nothing,
and `is_missed`: whether that is because it is too late.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from gare.config.models import ApprovalRule
from gare.config.trains import TrainConfig
from gare.domain.counts import counted
from gare.domain.plan import DEPARTURE, Json, Kind, Plan, PlannedApproval, of_train
from gare.domain.schedule import ordered
from gare.domain.timetable import Slot
from gare.planning.train_steps import Boarding, Candidate, Ready, steps_of


def make_train(
    train: TrainConfig,
    slot: Slot,
    candidates: Sequence[Candidate],
    *,
    is_scheduled: bool,
    refusal: str = "",
    is_missed: bool = False,
) -> Plan:
    """Return everything one departure will do. The same candidates give an equal plan."""
    boarding = _board(train, candidates)
    found = {one.project: one.ready for one in candidates if one.ready is not None}
    plans = {name: found[name] for name in boarding.members}
    refusal = refusal or ("" if plans else _nobody(candidates, boarding, _for_what(train, slot)))
    versions = {one.project: one.version for one in candidates if one.project in plans}
    steps = tuple(steps_of(train, slot, boarding, plans, versions, refusal))
    return Plan(
        project=of_train(train.name),
        title=train.title or f"Train {train.name}",
        version=slot.name,
        previous_version="",
        previous_tag="",
        previous_commit="",
        tag="",
        branch="",
        commit="",
        bump=counted(len(plans), "member"),
        source={},
        commits=(),
        tickets=(),
        notes=notes_of([one.plan for one in plans.values()]),
        steps=steps,
        approvals=tuple(_go(train.go) if train.go and any(s.id == "go" for s in steps) else ()),
        environments=(),
        warnings=tuple(_warnings(candidates, boarding)),
        authors=tuple(sorted({author for one in plans.values() for author in one.plan.authors})),
        kind=Kind.TRAIN,
        details={
            "train": train.name,
            "slot": {
                "name": slot.name,
                "boards_at": slot.boards_at.isoformat(),
                "departs_at": slot.departs_at.isoformat(),
            },
            "members": [_member(plans[name], needs) for name, needs in boarding.members.items()],
            "left_out": _left_out(candidates, boarding),
            "rules": {
                "on_failure": train.on_failure.value,
                "after_failure": train.after_failure.value,
                "limit": train.limit,
                "grace_s": train.grace.total_seconds(),
            },
            "is_scheduled": is_scheduled,
            "announces": bool(train.announce),
            "refusal": refusal,
            "is_missed": is_missed,
        },
    )


def why_not(
    slot: Slot,
    now: datetime,
    *,
    grace: timedelta,
    taken_by: str,
    skip: str,
    stop: str,
    kept_by: str = "",
) -> str:
    """Return why a departure of the timetable will not be, or nothing. `skip` and `stop` tell what people said."""
    if taken_by:
        return taken(taken_by)
    if skip:
        return skip
    if stop:
        return f"the schedule stands still: {stop}"
    return missed(slot, now, grace, kept_by)


def taken(release: str) -> str:
    """Tell that another departure has taken a slot."""
    return f"{release} departs at this slot already"


def missed(slot: Slot, now: datetime, grace: timedelta, kept_by: str = "") -> str:
    """Tell that a departure is too long ago to be made up for, or nothing. `kept_by` is what it could not board for."""
    if now <= slot.departs_at + grace:
        return ""
    why = f"could not board: {kept_by}" if kept_by else "the station did not run"
    return f"missed: it was to depart at {slot.departs_at:%Y-%m-%d %H:%M} UTC and {why}"


def _for_what(train: TrainConfig, slot: Slot) -> str:
    """Name what decides who boards; nothing where all that there is does."""
    if train.board is None:
        return ""
    if train.board.sprint:
        return f" for the sprint of {train.board.sprint}"
    return f" for version {train.board.version.replace('{date}', slot.name[:10])}"


def _nobody(candidates: Iterable[Candidate], boarding: Boarding, for_what: str) -> str:
    """Say why nobody departs: there is nothing to release, or members are not ready."""
    empty = {one.project for one in candidates if one.is_empty}
    unready = {name: why for name, why in boarding.left_out.items() if name not in empty}
    if not unready:
        return f"empty: no member has anything to release{for_what}"
    told = "; ".join(f"{name}: {why.rstrip('.')}" for name, why in unready.items())
    return f"nobody is ready: {told}"


def notes_of(plans: Iterable[Plan]) -> str:
    """Return the notes of all members as one text, each below its own heading."""
    parts = []
    for plan in plans:
        heading, _, rest = plan.notes.partition("\n")
        # Its own heading names the version alone.
        text = rest.lstrip("\n") if heading.startswith("## ") else plan.notes
        parts.append(f"## {plan.title} {plan.version}\n\n{text}")
    return "\n".join(parts) or "Nobody departs.\n"


def _board(train: TrainConfig, candidates: Sequence[Candidate]) -> Boarding:
    """Decide who departs. One that is empty keeps nobody; one that is not ready keeps those that need it."""
    found = {one.project: one for one in candidates}
    needs = {name: [n for n in train.needs.get(name, ()) if n in found] for name in found}
    members: dict[str, tuple[str, ...]] = {}
    left_out: dict[str, str] = {}
    rests_on: dict[str, tuple[str, ...]] = {}
    for name in ordered(needs):
        missing = [n for n in needs[name] if n in left_out and not found[n].is_empty]
        # One that is empty hands on what it would have waited for.
        before = dict.fromkeys(
            b for n in needs[name] for b in ((n,) if n in members else rests_on.get(n, ()))
        )
        rests_on[name] = tuple(before)
        if found[name].ready is None:
            left_out[name] = found[name].reason
        elif missing:
            left_out[name] = f"needs {', '.join(missing)}, which does not board"
        else:
            members[name] = tuple(before)
    return Boarding(members, left_out)


def _member(ready: Ready, needs: tuple[str, ...]) -> Json:
    plan = ready.plan
    return {
        "project": plan.project,
        "title": plan.title,
        "version": plan.version,
        "commit": plan.commit,
        "plan": ready.digest,
        "needs": list(needs),
    }


def _left_out(candidates: Iterable[Candidate], boarding: Boarding) -> list[Json]:
    empty = {one.project: one.is_empty for one in candidates}
    return [
        {"project": name, "reason": why, "is_empty": empty[name]}
        for name, why in boarding.left_out.items()
    ]


def _go(rule: ApprovalRule) -> Iterable[PlannedApproval]:
    yield PlannedApproval(
        step="go",
        environment=DEPARTURE,
        groups=dict(rule.groups),
        author_may_vote=rule.author_may_vote,
        requester_may_vote=rule.requester_may_vote,
        expires_after_s=rule.expires_after.total_seconds(),
    )


def _warnings(candidates: Iterable[Candidate], boarding: Boarding) -> Iterable[str]:
    for name, reason in boarding.left_out.items():
        yield f"{name} is left out: {reason}"
    for one in candidates:
        if one.ready is not None and one.project in boarding.members:
            for warning in (*one.warnings, *one.ready.plan.warnings):
                yield f"{one.project}: {warning}"
