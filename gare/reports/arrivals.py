"""Figures of a train that has arrived: how old its commits were, and how long was waited for what. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from statistics import median

from gare.domain.plan import Plan
from gare.domain.waits import Cause
from gare.ledger.chain import Event
from gare.ledger.replay import load
from gare.reports.lengths import elapsed


def waiting_by_cause(events: Iterable[Event]) -> dict[str, timedelta]:
    """Return how long a release has waited for what, from its own events.

    A train that waits for its members is not counted: they count for themselves.
    """
    found: dict[str, timedelta] = {}
    since: datetime | None = None
    causes: list[str] = []
    for event in events:
        if not event.kind.startswith("release "):
            continue
        at = datetime.fromisoformat(event.at)
        if since is not None:
            for cause in causes:
                found[cause] = found.get(cause, timedelta()) + (at - since)
        since, causes = None, []
        if event.kind == "release waiting":
            said = load(event.body, event.kind).get("causes", [Cause.OTHER])
            since, causes = at, [one for one in dict.fromkeys(said) if one != Cause.MEMBERS]
    return found


def lead_time(plans: Iterable[Plan], arrived_at: datetime) -> timedelta | None:
    """Return the median age of the commits that arrived; None when there is none."""
    ages = [
        (arrived_at - datetime.fromisoformat(commit.date)).total_seconds()
        for plan in plans
        for commit in plan.commits
    ]
    return timedelta(seconds=round(median(ages))) if ages else None


def summed(waits: Iterable[Mapping[str, timedelta]]) -> dict[str, timedelta]:
    """Return the waiting of several releases together, by cause, the longest first."""
    found: dict[str, timedelta] = {}
    for one in waits:
        for cause, length in one.items():
            found[cause] = found.get(cause, timedelta()) + length
    return dict(sorted(found.items(), key=lambda item: item[1], reverse=True))


def in_words(lead_time_s: float, waiting_s: Mapping[str, float]) -> list[str]:
    """Tell the figures of an arrival, a line each."""
    waited = ", ".join(f"{cause} {elapsed(length)}" for cause, length in waiting_s.items())
    return [
        f"Lead time: {elapsed(lead_time_s)} from commit to arrival, in the middle of all commits.",
        f"Waited for, all members together: {waited or 'nothing'}.",
    ]
