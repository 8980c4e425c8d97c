"""leave: the moment of departure. A train that was skipped, missed, or has nobody on board ends here, well."""

from datetime import datetime, timedelta

from gare.domain.releases import ReleaseState
from gare.domain.timetable import Slot
from gare.planning.train import missed
from tasks.step import Value, Work, step_task


@step_task
def leave(work: Work) -> Value:
    """Depart, unless somebody or something said otherwise meanwhile."""
    refusal = str(work.plan.details["refusal"]) or _meanwhile(work)
    if refusal:
        end = f"does not depart: {refusal}"
        work.ledger.releases.mark(work.release.id, ReleaseState.CANCELLED, actor="gare", end=end)
        return {"summary": end}
    names = [str(one["project"]) for one in work.plan.details["members"]]
    return {"summary": f"{len(names)} depart: {', '.join(names)}"}


def _meanwhile(work: Work) -> str:
    """Return what has come between boarding and departure of a train of the timetable, or nothing."""
    details = work.plan.details
    if not details["is_scheduled"]:
        return ""
    said, train = work.ledger.trains, str(details["train"])
    if skip := said.skips(train).get(work.plan.version):
        return str(skip)
    if stop := said.stopped(train):
        return f"the schedule stands still: {stop.reason}"
    return missed(_slot(work), work.ledger.now(), timedelta(seconds=details["rules"]["grace_s"]))


def _slot(work: Work) -> Slot:
    """Return the slot, put off for as long as the train was kept from its departure: by a train before it, by votes."""
    slot = work.plan.details["slot"]
    kept = [datetime.fromisoformat(slot["departs_at"])]
    for event in work.ledger.database.events(work.release.id):
        if event.kind in ("lock granted", "vote approve", "override"):
            kept.append(datetime.fromisoformat(event.at))
    return Slot(slot["name"], datetime.fromisoformat(slot["boards_at"]), max(kept))
