"""leave: the moment of departure. A train that was skipped, missed, or has nobody on board ends here, well."""

from dataclasses import replace
from datetime import datetime, timedelta

from gare.departures import DOES_NOT_DEPART, kept_by_people, taken_off
from gare.domain.plan import Plan
from gare.domain.releases import Release, ReleaseState
from gare.domain.timetable import Slot
from gare.ledger.ledger import Ledger
from gare.planning.boarding import taken_by
from gare.planning.train import missed, taken
from tasks.announce import tell
from tasks.step import AskAgain, Value, Work, step_task

KEEPING = ("lock granted", "vote approve", "departure resumed")
"""Events until which a train was kept from its departure: by a train before it, by people."""
SKIPPED, RESTORED = "skipped", "restored"
"""What the messages are known by that a departure is skipped, and that it is again after all."""


@step_task
def leave(work: Work) -> Value | AskAgain:
    """Depart, unless somebody or something said otherwise meanwhile."""
    return depart_or_end(work)


def depart_or_end(work: Work) -> Value | AskAgain:
    """Do what the step does; who knew of the departure hears that it is not."""
    if off := taken_off(work.ledger, work.release, work.plan):
        return AskAgain(f"it boards anew without {', '.join(off)}", work.ledger.now())
    details = work.plan.details
    kept = kept_back(work.ledger, work.release, work.plan)
    refusal = str(details["refusal"]) or kept
    if not refusal:
        names = [str(one["project"]) for one in details["members"]]
        return {"summary": f"{len(names)} depart: {', '.join(names)}"}
    if (kept and not details["refusal"]) or details["is_missed"]:
        _tell(work, refusal)
    end = f"{DOES_NOT_DEPART}: {refusal}"
    work.ledger.releases.mark(work.release.id, ReleaseState.CANCELLED, actor="gare", end=end)
    return {"summary": end}


def _tell(work: Work, refusal: str) -> None:
    ledger, release = work.ledger, work.release
    if was_told(ledger, release, SKIPPED) and not was_told(ledger, release, RESTORED):
        return
    subject = f"{work.plan.title} of {work.plan.version} does not depart"
    tell(work, subject, f"{refusal}\n", "not departed")


def was_told(ledger: Ledger, release: Release, about: str) -> bool:
    """Tell whether any place has heard a message."""
    told = (one for one in ledger.effects.of(release.id) if one.receipt is not None)
    return any(one.target.endswith(f", {about}") for one in told)


def kept_back(ledger: Ledger, release: Release, plan: Plan) -> str:
    """Return what has come between the boarding and the departure of a train of the timetable, or nothing."""
    details = plan.details
    if not details["is_scheduled"]:
        return ""
    if other := taken_by(ledger, str(details["train"]), plan.version, release.id):
        return taken(other)  # both boarded before the other one was seen
    if kept := kept_by_people(ledger, plan):
        return kept.said
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
