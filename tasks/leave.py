"""leave: the moment of departure. A train that was skipped, missed, or has nobody on board ends here, well."""

from dataclasses import replace
from datetime import datetime, timedelta

from gare.domain.plan import Plan
from gare.domain.releases import Release, ReleaseState
from gare.domain.timetable import Slot
from gare.ledger.ledger import Ledger
from gare.planning.train import missed
from tasks.step import Value, Work, step_task

KEEPING = ("lock granted", "vote approve", "departure resumed")
"""Events until which a train was kept from its departure: by a train before it, by people."""


@step_task
def leave(work: Work) -> Value:
    """Depart, unless somebody or something said otherwise meanwhile."""
    refusal = str(work.plan.details["refusal"]) or kept_back(work.ledger, work.release, work.plan)
    if refusal:
        end = f"does not depart: {refusal}"
        work.ledger.releases.mark(work.release.id, ReleaseState.CANCELLED, actor="gare", end=end)
        return {"summary": end}
    names = [str(one["project"]) for one in work.plan.details["members"]]
    return {"summary": f"{len(names)} depart: {', '.join(names)}"}


def kept_back(ledger: Ledger, release: Release, plan: Plan) -> str:
    """Return what has come between the boarding and the departure of a train of the timetable, or nothing."""
    details = plan.details
    if not details["is_scheduled"]:
        return ""
    train = str(details["train"])
    if skip := ledger.trains.skips(train).get(plan.version):
        return str(skip)
    if stop := ledger.trains.stopped(train):
        return f"the schedule stands still: {stop.reason}"
    grace = timedelta(seconds=details["rules"]["grace_s"])
    return missed(_slot(ledger, release, plan), ledger.now(), grace)


def _slot(ledger: Ledger, release: Release, plan: Plan) -> Slot:
    """Return the slot, put off for as long as the train was kept from it though the station ran."""
    slot = plan.details["slot"]
    boards_at, departs_at = (datetime.fromisoformat(slot[at]) for at in ("boards_at", "departs_at"))
    kept = [
        datetime.fromisoformat(event.at)
        for event in ledger.database.events(release.id)
        if event.kind in KEEPING
    ]
    return replace(Slot(slot["name"], boards_at, departs_at), departs_at=max([departs_at, *kept]))
