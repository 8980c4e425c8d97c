"""What freezes do to what is on its way: what a new one would hit, what keeps a release, what a departure meets.

For the command line and the gateway; changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from gare.config.freezes import ZONE
from gare.config.problems import listed, nearest
from gare.config.train_files import Train
from gare.domain.clearance import INSTANT, Clearance, clearance, next_start
from gare.domain.freezes import Calendar, Move, Stop, Unreadable, Window
from gare.domain.plan import Plan
from gare.domain.releases import Release, ReleaseState
from gare.errors import ConfigError, Refused, UnknownName
from gare.reports.freeze_hits import Hit, OpenRelease, TrainAhead, TrainHit, hits, train_hits
from gare.reports.freezes import SIGHT, Ahead
from gare.wiring import Gare

_OPEN_AT_MOST, _ARRIVALS = 1000, 5
ON_ITS_WAY = timedelta(hours=1)
"""How long a train is thought to be on its way that has not arrived yet."""


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a freeze hits, how far ahead trains were looked at, and the trains that could not be read."""

    found: Sequence[Hit | TrainHit]
    trains_until: datetime
    unread: Sequence[str] = ()


def foresee(gare: Gare, freeze: Window | Stop | Unreadable) -> Foresight:
    """Say which open releases and which trains a freeze hits: trains until a month after it begins."""
    now, zone = gare.ledger.now(), zone_of(freeze)
    if isinstance(freeze, Unreadable):
        return Foresight((), now)
    begins = now
    if isinstance(freeze, Window) and not freeze.times.spans(now, now + INSTANT):
        begins = next_start(freeze.times, now) or now
    releases = gare.ledger.releases
    found = [
        OpenRelease(one, gare.plan(one.plan), releases.step_states(one.id))
        for one in reversed(releases.find(is_open=True, limit=_OPEN_AT_MOST))
    ]
    trains = [_ahead(gare, train, begins + SIGHT) for train in gare.station.trains.values()]
    return Foresight(
        [*hits(freeze, found, now, zone), *train_hits(freeze, trains)],
        begins + SIGHT,
        [str(problem) for problem in gare.station.trains.problems],
    )


def zone_of(freeze: Window | Stop | Unreadable) -> ZoneInfo:
    """Return the zone in which people think of a freeze."""
    return freeze.times.zone if isinstance(freeze, Window) else ZoneInfo(ZONE)


def _ahead(gare: Gare, train: Train, until: datetime) -> TrainAhead:
    """Return a train with its departures that nobody has skipped."""
    now, name = gare.ledger.now(), train.config.name
    skips = gare.ledger.trains.skips(name)
    slots = takewhile(lambda slot: slot.departs_at < until, train.timetable.after(now))
    return TrainAhead(
        name,
        [slot.departs_at for slot in slots if slot.name not in skips],
        _moves(gare, train.members),
        time_on_its_way(gare, name),
        ZoneInfo(train.timetable.zone),
    )


def _moves(gare: Gare, members: Iterable[str]) -> list[Move]:
    found = [gare.project(member).config for member in members]
    return [Move(one.name, place) for one in found for place in one.environments]


def time_on_its_way(gare: Gare, train: str) -> timedelta:
    """Return how long the last departures of a train have taken at most."""
    arrived = [
        one.closed_at - _departure(gare.plan(one.plan))
        for one in gare.ledger.releases.find(project=f"train:{train}", limit=_ARRIVALS)
        if one.state is ReleaseState.RELEASED and one.closed_at
    ]
    return max(max(arrived, default=ON_ITS_WAY), INSTANT)


def _departure(plan: Plan) -> datetime:
    return datetime.fromisoformat(str(plan.details["slot"]["departs_at"]))


def closed_at(gare: Gare, calendar: Calendar, train: Train, at: datetime) -> str:
    """Say what keeps environments of a train's members closed at an instant; empty when all are open."""
    names = [
        closing.name
        for move in _moves(gare, train.members)
        for closing in clearance(calendar, move, at).closings
    ]
    return ", ".join(dict.fromkeys(names))


def ways_of_train(gare: Gare, plan: Plan) -> dict[str, list[str]]:
    """Return what members of a planned train meet at its departure: each sentence with the members it is about."""
    at = max(_departure(plan), gare.ledger.now())
    lasts = time_on_its_way(gare, str(plan.details["train"]))
    found: dict[str, list[str]] = {}
    for member in plan.details["members"]:
        for way in gare.freezes.ahead(gare.plan(str(member["plan"])), at=at):
            if not way.clearance.is_open or _closes_before(way, at + lasts):
                found.setdefault(str(way), []).append(str(member["project"]))
    return found


def _closes_before(way: Ahead, at: datetime) -> bool:
    return way.closes is not None and way.closes < at


def known_freeze(gare: Gare, name: str) -> Window | Stop:
    """Return the freeze of this name, or of `PROJECT/NAME`. Raises UnknownName; Refused when several are called so."""
    calendar = gare.freezes.whole_calendar()
    there: list[Window | Stop] = [*calendar.windows, *calendar.stops]
    every = {one.id.partition("#")[0]: one for one in there}
    found = [key for key, one in every.items() if name in (key, one.name)]
    if len(found) > 1:
        raise Refused(
            f"{len(found)} freezes are called `{name}`.",
            where="station.yaml, gare.yaml",
            hint=f"Name one of {listed(found)}.",
        )
    if not found:
        raise UnknownName(
            f"There is no freeze `{name}`.",
            where="station.yaml, gare.yaml, ledger",
            hint=f"{nearest(name, every)}There are {listed(every)}. Or say when it would be: "
            "`gare freeze preview --help`.",
        )
    return every[found[0]]


def closed_for(gare: Gare, release: Release, environment: str) -> Clearance:
    """Return what closes an environment (or the only one that is closed) for a release now. Raises Refused."""
    plan = gare.plan(release.plan)
    if environment and environment not in plan.environments:
        raise ConfigError(
            f"{release.id} is not about an environment `{environment}`.",
            where=f"{release.id} of {release.project}",
            hint=f"{nearest(environment, plan.environments)}It is about {listed(plan.environments)}.",
        )
    states = gare.ledger.releases.step_states(release.id)
    found = [way.clearance for way in gare.freezes.ahead(plan, states, release.id)]
    closed = [one for one in found if not one.is_open and environment in ("", one.environment)]
    if len(closed) == 1:
        return closed[0]
    raise Refused(
        f"{' and '.join(one.environment for one in closed)} are closed: which one?"
        if closed
        else f"Nothing keeps {environment or release.id} closed.",
        where=release.id,
        hint="Write `--env`." if closed else "Nothing was changed.",
    )
