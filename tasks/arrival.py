"""arrival: one set of notes of all that arrived, one announcement, and how long everything took."""

from datetime import timedelta

from gare.domain.journey import Member, Stand, journey
from gare.domain.plan import Plan
from gare.domain.releases import ReleaseState
from gare.planning.train import notes_of
from gare.reports.notes import scope_section
from gare.reports.train import lead_time, summed, waiting_by_cause
from tasks.announce import tell
from tasks.step import Value, Work, step_task
from tasks.train_waits import turns_back


@step_task
def arrival(work: Work) -> Value:
    """Tell who has arrived; a train that went back, or brought nobody, ends as such."""
    releases = work.ledger.releases
    records = releases.steps(work.release.id)
    members = journey(work.plan, records, releases.members(work.release.id))
    arrived = [member for member in members if member.stand is Stand.ARRIVED]
    missing = [member for member in members if member.stand in (Stand.DROPPED, Stand.LEFT_OUT)]
    if turns_back(work.plan, records):
        end = f"went back: {_told(members, Stand.DROPPED)}"
        releases.mark(work.release.id, ReleaseState.ROLLED_BACK, actor="gare", end=end)
        return {"summary": end}
    if not arrived:
        end = f"nobody has arrived: {_told(members, Stand.DROPPED)}"
        releases.mark(work.release.id, ReleaseState.CANCELLED, actor="gare", end=end)
        return {"summary": end}
    plans = [work.gare.plan(one.release.plan) for one in arrived if one.release]
    notes = notes_of(plans)
    odd = [f"# {plan.title}\n\n{scope}" for plan in plans if (scope := scope_section(plan))]
    page = [f"# {work.plan.title}, {work.plan.version}\n\n{notes}", *odd]
    work.show("notes", "\n\n".join(page), "Release notes")
    value = tell(work, f"{work.plan.title} of {work.plan.version} has arrived", notes)
    names = ", ".join(f"{one.project} {one.version}" for one in arrived)
    return value | {
        "arrived": {one.project: one.version for one in arrived},
        "missing": {one.project: one.said for one in missing},
        "notes": notes,
        **_figures(work, plans, arrived),
        "summary": f"arrived: {names}" + (f"; not: {_names(missing)}" if missing else ""),
    }


def _figures(work: Work, plans: list[Plan], arrived: list[Member]) -> Value:
    """Return the lead time, and how long was waited for what, in seconds."""
    events = work.ledger.database.events
    ids = [work.release.id, *(one.release.id for one in arrived if one.release)]
    waits = summed(waiting_by_cause(events(release_id)) for release_id in ids)
    lead = lead_time(plans, work.ledger.now()) or timedelta()
    return {
        "lead_time_s": lead.total_seconds(),
        "waiting_s": {cause: round(length.total_seconds()) for cause, length in waits.items()},
    }


def _told(members: list[Member], stand: Stand) -> str:
    return "; ".join(f"{one.project}: {one.said}" for one in members if one.stand is stand)


def _names(members: list[Member]) -> str:
    return ", ".join(member.project for member in members)
