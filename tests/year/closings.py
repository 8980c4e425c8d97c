"""The judge's own calendar: when production may not be changed, and what somebody has set aside for a release.

Written down once more, by hand, so that an error in the product's calendar is not repeated.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from world import ALLOWED, MONTHLY, PERIODS, ZONE

HOLIDAYS = {
    date(2026, 12, 25), date(2027, 1, 1), date(2027, 3, 29), date(2027, 5, 1), date(2027, 5, 6), date(2027, 5, 8),
    date(2027, 5, 17), date(2027, 7, 14), date(2027, 8, 15), date(2027, 11, 1), date(2027, 11, 11), date(2027, 12, 25),
}  # fmt: skip
"""France, from its labour code (L3133-1) and the dates of Easter."""
YEAR_END = (datetime(2026, 12, 18, 18), datetime(2027, 1, 4, 8))
OPENS, CLOSES = time(7), time(19)
"""Hours of working days in which some projects may change; others of `world.ALLOWED` never."""
DAY = timedelta(days=1)
FRIDAY, TUESDAY, SATURDAY = 4, 1, 5


class Closing(NamedTuple):
    """Why production is closed, and which time of it this is."""

    why: str
    time: str


@dataclass
class Span:
    """A stop-the-line that a person made; `end` None: not lifted yet."""

    start: datetime
    end: datetime | None = None


@dataclass
class Closings:
    """What is closed for whom, by the clock on the wall in France."""

    stops: list[Span] = field(default_factory=list)
    _spared: defaultdict[str, set[Closing]] = field(default_factory=lambda: defaultdict(set))
    """The times that a person has let a release pass, by release."""

    def of(self, project: str, at: datetime) -> list[Closing]:
        """Return all that closes production of a project at an instant."""
        local = at.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
        return [*_everywhere(local), *_of_some(project, local), *self._stopped(at)]

    def spare(self, release: str, project: str, at: datetime) -> None:
        """Remember that somebody has let a release pass what is closed now, and nothing that comes later."""
        self._spared[release].update(self.of(project, at))

    def unspared(self, release: str, project: str, at: datetime) -> list[Closing]:
        """Return what closes production for a release all the same."""
        return [one for one in self.of(project, at) if one not in self._spared[release]]

    def _stopped(self, at: datetime) -> Iterator[Closing]:
        at = at.astimezone(UTC)
        for number, stop in enumerate(self.stops):
            if stop.start <= at and (stop.end is None or at < stop.end):
                yield Closing("a stop of the line", str(number))


def _everywhere(local: datetime) -> Iterator[Closing]:
    day = str(local.date())
    if local.weekday() == FRIDAY and local.hour >= 15:
        yield Closing("Friday afternoon", day)
    if local.date() in HOLIDAYS:
        yield Closing("a public holiday", day)
    if YEAR_END[0] <= local < YEAR_END[1]:
        yield Closing("the end of the year", "2026")


def _of_some(project: str, local: datetime) -> Iterator[Closing]:
    if project in ALLOWED and not _is_office(local):
        yield Closing("out of hours", str(_next_office(local)))
    if project in MONTHLY and (friday := _month_end(local)):
        yield Closing("the month's accounts", str(friday))
    if project in PERIODS and local.weekday() == TUESDAY and 9 <= local.hour < 16:
        yield Closing("GitLab's freeze period", str(local.date()))


def _is_office(local: datetime) -> bool:
    return local.weekday() < SATURDAY and OPENS <= local.time() < CLOSES


def _next_office(local: datetime) -> date:
    """Return the working day whose hours come next."""
    day = local.date() if local.time() < OPENS else local.date() + DAY
    while day.weekday() >= SATURDAY:
        day += DAY
    return day


def _month_end(local: datetime) -> date | None:
    """Return the last Friday of a month when it is between its evening and Monday morning."""
    friday = local.date() - timedelta(days=(local.weekday() - FRIDAY) % 7)
    begin = datetime.combine(friday, time(18))
    is_last = (friday + 7 * DAY).month != friday.month
    return friday if is_last and begin <= local < begin + 2.5 * DAY else None
