"""arrival: one set of notes of all that arrived, one announcement, and how long everything took."""

from datetime import timedelta

from gare.domain.journey import Member, Stand, failures, journey, turns_back
from gare.domain.plan import Plan
from gare.domain.releases import ReleaseState
from gare.planning.train import notes_of
from gare.reports.arrivals import in_words, lead_time, summed, waiting_by_cause
from gare.reports.markdown import escape
from gare.reports.notes import scope_section
from tasks.announce import tell
from tasks.step import Value, Work, step_task

_NOT_HERE = (Stand.DROPPED, Stand.DID_NOT_DEPART, Stand.OVERTAKEN, Stand.LEFT_OUT)


@step_task
def arrival(work: Work) -> Value:
    """Tell who has arrived; a train that went back, or brought nobody, ends as such."""
    return welcome(work)


def welcome(work: Work) -> Value:
    """Do what the step does."""
    releases = work.ledger.releases
    records = releases.steps(work.release.id)
    members = journey(work.plan, records, releases.members(work.release.id))
    arrived = [member for member in members if member.stand is Stand.ARRIVED]
    if turns_back(work.plan, records):
        failed = failures(work.plan, records)
        return _end(work, ReleaseState.ROLLED_BACK, "went back", _way_back(members, failed))
    if not arrived:
        told = [f"{one.project}: {one.said}" for one in members if one.said]
        return _end(work, ReleaseState.CANCELLED, "nobody has arrived", told)
    missing = [member for member in members if member.stand in _NOT_HERE]
    plans = [work.gare.plan(one.release.plan) for one in arrived if one.release]
    notes, figures = notes_of(plans), _figures(work, plans, arrived)
    more = _more(missing, figures, records["version"].value if "version" in records else {})
    title = f"{work.plan.title}, {work.plan.version}"
    # Which tickets and commits do not fit together is for the people here; what is announced does not say it.
    odd = [f"# {escape(plan.title)}\n\n{scope}" for plan in plans if (scope := scope_section(plan))]
    page = [f"# {escape(title)}\n\n{more}\n\n{notes}", *odd]
    work.show("notes", "\n\n".join(page), "Arrival")
    value = tell(
        work, f"{work.plan.title} of {work.plan.version} has arrived", f"{more}\n\n{notes}"
    )
    names = ", ".join(f"{one.project} {one.version}" for one in arrived)
    return value | {
        "arrived": {one.project: one.version for one in arrived},
        "missing": {one.project: one.said for one in missing},
        "notes": notes,
        **figures,
        "summary": f"arrived: {names}" + (f"; not: {_names(missing)}" if missing else ""),
    }


def _end(work: Work, state: ReleaseState, how: str, told: list[str]) -> Value:
    """End a train that did not arrive; who had its notice hears of it."""
    lines = [": ".join([how, *told[:1]]), *told[1:]]
    text = "".join(f"- {line}\n" for line in lines)
    tell(work, f"{work.plan.title} of {work.plan.version}: {how}", text)
    end = "; ".join(lines)
    work.ledger.releases.mark(work.release.id, state, actor="gare", end=end)
    return {"summary": end}


def _way_back(members: list[Member], failed: list[str]) -> list[str]:
    """Tell who went back, who did not and why, and because of whom."""
    back = [one.project for one in members if one.stand is Stand.WENT_BACK]
    stays = [f"{one.project} ({one.said})" for one in members if one.stand is Stand.STAYS]
    because = [f"{one.project} failed: {one.said}" for one in members if one.project in failed]
    return [
        ", ".join(back) or "nobody",
        *([f"not: {', '.join(stays)}"] if stays else []),
        *because,
    ]


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


def _more(missing: list[Member], figures: Value, version: Value) -> str:
    """Return what is told besides the notes: who is missing, the figures, tickets that are left."""
    lines = [f"Not on board: {escape(one.project)} ({escape(one.said)})." for one in missing]
    lines += in_words(figures["lead_time_s"], figures["waiting_s"])
    lines += [f"Left over: {escape(said)}." for said in version.get("left", ())]
    return "\n".join(f"- {line}" for line in lines)


def _names(members: list[Member]) -> str:
    return ", ".join(member.project for member in members)
