"""Reads what the plan of a train is made of: the slot, what people said about it, and a plan of each member."""

from collections.abc import Callable
from datetime import datetime

from gare.config.train_files import Train
from gare.domain.plan import Plan
from gare.domain.releases import ReleaseState
from gare.domain.timetable import Slot
from gare.errors import ConfigError, GareError, LedgerAway, NothingToRelease
from gare.ledger.ledger import Ledger
from gare.planning.train import Candidate, Ready, make_train, missed, why_not
from gare.requests import BOARDING, ReleaseRequest, TrainRequest

PlanRelease = Callable[[ReleaseRequest], tuple[str, Plan]]
"""Plans a member and stores its plan; gives the digest and the plan."""
_LOOKED_AT = 50
_NOT_TAKEN = (ReleaseState.CANCELLED, ReleaseState.REJECTED, ReleaseState.EXPIRED)


def board(train: Train, request: TrainRequest, ledger: Ledger, plan_release: PlanRelease) -> Plan:
    """Return the plan of one departure: every member as its branch stands now. Members are not planned in vain."""
    now = ledger.now()
    slot = slot_of(train, request.slot, now)
    is_scheduled = train.timetable.has(slot)
    refusal = _refusal(train, slot, now, ledger) if is_scheduled else ""
    if request.slot and not refusal:
        refusal = missed(slot, now, train.config.grace)
    members = () if refusal else train.members
    candidates = [_candidate(member, plan_release) for member in members]
    return make_train(train.config, slot, candidates, is_scheduled=is_scheduled, refusal=refusal)


def slot_of(train: Train, asked: str, now: datetime) -> Slot:
    """Return the departure that is asked for; without a name it is now. Raises ConfigError when there is none."""
    if not asked:
        return train.timetable.at(now)
    if asked != BOARDING:
        try:
            return train.timetable.slot(asked)
        except ValueError:
            raise ConfigError(
                f"{asked} is no time of a departure.",
                where=f"train {train.config.name}",
                hint="Write local time, such as 2026-11-24T1000; `gare train status` lists the next ones.",
            ) from None
    slot = train.timetable.boarding(now)
    if slot is None:
        raise ConfigError(
            f"The train {train.config.name} has had no departure by its timetable yet.",
            where=f"train {train.config.name}",
            hint="Let it depart with `gare train depart`, or give it a `schedule`.",
        )
    return slot


def _refusal(train: Train, slot: Slot, now: datetime, ledger: Ledger) -> str:
    name = train.config.name
    others = ledger.releases.find(project=f"train:{name}", limit=_LOOKED_AT)
    taken = (one.id for one in others if one.version == slot.name and one.state not in _NOT_TAKEN)
    skip, stop = ledger.trains.skips(name).get(slot.name), ledger.trains.stopped(name)
    return why_not(
        slot,
        now,
        grace=train.config.grace,
        taken_by=next(taken, ""),
        skip=str(skip or ""),
        stop=stop.reason if stop else "",
    )


def _candidate(project: str, plan_release: PlanRelease) -> Candidate:
    """Plan one member; one that cannot be planned is left out with the reason."""
    try:
        return Candidate(project, Ready(*plan_release(ReleaseRequest(project=project))))
    except LedgerAway:
        raise
    except NothingToRelease as nothing:
        return Candidate(project, reason=nothing.what, is_empty=True)
    except GareError as error:
        return Candidate(project, reason=error.what)
