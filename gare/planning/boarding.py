"""Reads what the plan of a train is made of: the slot, what people said about it, and a plan of each member.

A vendor that is away says nothing about a member: the boarding then ends as Unavailable, and is done again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime

from gare.config.train_files import Train
from gare.config.trains import Scope
from gare.domain.plan import Plan, of_train
from gare.domain.releases import ReleaseState
from gare.domain.timetable import Slot
from gare.errors import ConfigError, GareError, NothingToRelease
from gare.ledger.ledger import Ledger
from gare.ledger.releases import number_of
from gare.planning.train import make_train, missed, why_not
from gare.planning.train_steps import Candidate, Named, Ready
from gare.ports.tracker import Ticket
from gare.requests import BOARDING, ReleaseRequest, TrainRequest

PlanRelease = Callable[[ReleaseRequest], tuple[str, Plan]]
"""Plans a member and stores its plan; gives the digest and the plan."""
StandsOf = Callable[[str], str]
"""Says why a project's last version is not what stands in its last environment; empty when it is."""
VersionOf = Callable[[str, str], Named | None]
"""Gives a version as the tracker of a project calls it, where releases write into that."""
NameOf = Callable[[str, str], str]
"""Gives what the tracker of a project calls a version: what it is asked for."""
UnknownOf = Callable[[str, str], str]
"""Says that the tracker of a project has no such version; empty when it has, or keeps none."""
TicketsOf = Callable[[str, Scope], list[Ticket]]
"""Gives what the tracker of a project has planned for a train."""
_LOOKED_AT = 50
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Members:
    """How the members of a train are looked at: `at_once` side by side."""

    plan: PlanRelease
    tickets: TicketsOf
    stands: StandsOf
    version: VersionOf
    name: NameOf
    unknown: UnknownOf
    at_once: int = 1


_NOT_TAKEN = (ReleaseState.CANCELLED, ReleaseState.REJECTED, ReleaseState.EXPIRED)


def board(
    train: Train,
    request: TrainRequest,
    ledger: Ledger,
    look: Members,
    *,
    is_preview: bool = False,
    kept_by: str = "",
) -> Plan:
    """Return the plan of one departure: every member as its branch stands now.

    Members are not planned in vain, except for who only wants to see them. `kept_by` is what kept an earlier boarding
    of this departure.
    """
    now = ledger.now()
    slot = slot_of(train, request.slot, now)
    is_scheduled = train.timetable.has(slot)
    refusal = _refusal(train, slot, now, ledger, kept_by) if is_scheduled else ""
    too_late = missed(slot, now, train.config.grace, kept_by) if request.slot else ""
    refusal = refusal or too_late
    members = () if refusal and not is_preview else train.members
    scope = _scope(train.config.board, slot)
    candidates = _side_by_side(
        members, lambda member: _settled(_candidate(member, scope, look), look.stands), look.at_once
    )
    return make_train(
        train.config,
        slot,
        candidates,
        is_scheduled=is_scheduled,
        refusal=refusal,
        is_missed=bool(too_late) and refusal == too_late,
    )


def board_anew(train: Train, before: Plan, look: Members, without: Mapping[str, str]) -> Plan:
    """Return the plan of a departure that waits, when something came between: the same members, as they boarded.

    `without` are members that a person has taken off, each with the reason.
    """
    details = before.details
    at = {key: datetime.fromisoformat(details["slot"][key]) for key in ("boards_at", "departs_at")}
    slot = Slot(before.version, **at)  # where it boarded: the file may say otherwise now
    scope = _scope(train.config.board, slot)
    boarded = {str(one["project"]): str(one["commit"]) for one in details["members"]}
    candidates = [
        *(
            Candidate(name, reason=without[name])
            if name in without
            else _versioned(_planned(ReleaseRequest(project=name, ref=at), look.plan), scope, look)
            for name, at in boarded.items()
        ),
        *(
            Candidate(one["project"], reason=one["reason"], is_empty=one["is_empty"])
            for one in details["left_out"]
        ),
    ]
    return make_train(train.config, slot, candidates, is_scheduled=details["is_scheduled"])


def _side_by_side(
    members: Iterable[str], candidate: Callable[[str], Candidate], at_once: int
) -> list[Candidate]:
    """Return a candidate of each member, in their order. The first error ends it."""
    with ThreadPoolExecutor(at_once, thread_name_prefix="board") as pool:
        # What is logged meanwhile belongs to the run that boards.
        found = [pool.submit(copy_context().run, candidate, member) for member in members]
        try:
            return [one.result() for one in found]
        except GareError:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def slot_of(train: Train, asked: str, now: datetime) -> Slot:
    """Return the departure that is asked for; without a name it is now. Raises ConfigError when there is none."""
    if not asked:
        return train.timetable.at(now)
    if asked != BOARDING:
        return slot_named(train, asked)
    slot = train.timetable.boarding(now)
    if slot is None:
        raise ConfigError(
            f"The train {train.config.name} has had no departure by its timetable yet.",
            where=f"train {train.config.name}",
            hint="Let it depart with `gare train depart`, or give it a `schedule`.",
        )
    return slot


def slot_named(train: Train, name: str) -> Slot:
    """Return the departure at a local time. Raises ConfigError for what is no time."""
    try:
        return train.timetable.slot(name)
    except ValueError:
        raise ConfigError(
            f"{name} is no time of a departure.",
            where=f"train {train.config.name}",
            hint="Write local time, such as 2026-11-24T1000; `gare train status` lists the next ones.",
        ) from None


def _refusal(train: Train, slot: Slot, now: datetime, ledger: Ledger, kept_by: str) -> str:
    name = train.config.name
    skip, stop = ledger.trains.skips(name).get(slot.name), ledger.trains.stopped(name)
    return why_not(
        slot,
        now,
        grace=train.config.grace,
        taken_by=taken_by(ledger, name, slot.name),
        skip=str(skip or ""),
        stop=stop.reason if stop else "",
        kept_by=kept_by,
    )


def taken_by(ledger: Ledger, train: str, slot: str, before: str = "") -> str:
    """Return the departure that has taken a slot, and was opened before another one where that is named; or nothing."""
    others = ledger.releases.find(project=of_train(train), limit=_LOOKED_AT)
    taken = (
        one.id
        for one in others
        if one.version == slot
        and one.state not in _NOT_TAKEN
        and (not before or number_of(one.id) < number_of(before))
    )
    return next(taken, "")


def _scope(scope: Scope | None, slot: Slot) -> Scope | None:
    """Return what boards, with the day of the departure filled in."""
    if scope is None:
        return None
    return Scope(version=scope.version.replace("{date}", slot.name[:10]), sprint=scope.sprint)


def _candidate(project: str, scope: Scope | None, look: Members) -> Candidate:
    """Plan one member as its branch stands now; it boards when that is in scope."""
    found = _planned(ReleaseRequest(project=project), look.plan)
    if found.ready is None or scope is None:
        return found
    try:
        return _versioned(_in_scope(project, found.ready, scope, look), scope, look)
    except GareError as error:
        return _left_out(project, error)


def _versioned(candidate: Candidate, scope: Scope | None, look: Members) -> Candidate:
    """Return a member with the version by which it boarded, as its tracker calls it."""
    if candidate.ready is None or scope is None or not scope.version:
        return candidate
    return replace(candidate, version=look.version(candidate.project, scope.version))


def _planned(request: ReleaseRequest, plan_release: PlanRelease) -> Candidate:
    """Plan one member; one that cannot be planned is left out with the reason."""
    try:
        return Candidate(request.project, Ready(*plan_release(request)))
    except GareError as error:
        return _left_out(request.project, error)


def _left_out(project: str, error: GareError) -> Candidate:
    """Return a member that stays behind for a reason of its own; raise what may be otherwise in a moment."""
    if error.retryable:
        raise error
    is_empty = isinstance(error, NothingToRelease)
    return Candidate(project, reason=error.what, is_empty=is_empty)


def _settled(candidate: Candidate, stands_of: StandsOf) -> Candidate:
    """Return a member with nothing to release as one that is not ready, when its last version stands nowhere.

    Who needs it was built beside that version.
    """
    if candidate.is_empty and (why := stands_of(candidate.project)):
        return Candidate(candidate.project, reason=f"{candidate.reason} {why}")
    return candidate


def _in_scope(project: str, ready: Ready, scope: Scope, look: Members) -> Candidate:
    """Let a member board that has a commit for a planned ticket; tell which of them are not done."""
    planned = look.tickets(project, scope)
    what = _named(project, scope, look)
    committed = {key for commit in ready.plan.commits for key in commit.tickets}
    if committed.isdisjoint(ticket.key for ticket in planned):
        return Candidate(project, reason=_why_nothing(project, planned, scope, look), is_empty=True)
    left = [ticket.key for ticket in planned if ticket.status != "done"]
    warnings = (f"not done in {what}: {', '.join(left)}",) if left else ()
    return Candidate(project, ready, warnings=warnings)


def _named(project: str, scope: Scope, look: Members) -> str:
    """Name what boards, as the project's tracker calls it."""
    if scope.sprint:
        return f"the sprint of {scope.sprint}"
    return f"version {look.name(project, scope.version)}"


def _why_nothing(project: str, planned: Sequence[Ticket], scope: Scope, look: Members) -> str:
    """Say why a member has nothing that boards: a name that is not there is told from work that is not."""
    what = _named(project, scope, look)
    if planned:
        keys = [ticket.key for ticket in planned]
        more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
        return f"none of its commits names a ticket of {what}: {', '.join(keys[:_NAMED])}{more}"
    unknown = "" if scope.sprint else look.unknown(project, scope.version)
    return unknown or f"it has no ticket of {what}"
