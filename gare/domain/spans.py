"""Times that come again, as spans of instants: weekly hours, RFC 5545 rules, public holidays, cron lines. Pure.

Local times are turned into instants here alone. Whoever says hours of the clock ("Fridays after 15:00") means what the
clock on the wall shows: in the hour that a clock change skips or repeats a span is taken as the longer one, or as the
shorter one when it is a time in which something is allowed (`is_short`). What is unclear is closed. Rules and cron
lines follow RFC 5545 3.3.5: a skipped time is as if the clock had not changed, of a repeated one the first counts.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from gare.domain.rules import parsed_rule

DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From an instant (in it) to another (not in it), both UTC. `label` is what it is called, such as a holiday."""

    start: datetime
    end: datetime
    label: str = ""

    def has(self, at: datetime) -> bool:
        """Tell whether an instant is in it."""
        return self.start <= at < self.end

    def overlaps(self, begin: datetime, end: datetime) -> bool:
        """Tell whether any instant from `begin` to before `end` is in it."""
        return self.start < end and begin < self.end


class Times(Protocol):
    """When something is. A value: equal ones have equal spans."""

    @property
    def zone(self) -> ZoneInfo:
        """Return where its local times are meant."""

    def spans(self, begin: datetime, end: datetime) -> list[Span]:
        """Return the spans that overlap the time from `begin` to `end`, sorted."""


@dataclass(frozen=True, slots=True)
class Once:
    """One time, from a local instant to another."""

    start: datetime
    end: datetime
    zone: ZoneInfo
    is_short: bool = False

    def spans(self, begin: datetime, end: datetime) -> list[Span]:
        """Return the one span when it overlaps."""
        return _overlapping([_by_the_wall(self, self.start, self.end)], begin, end)


@dataclass(frozen=True, slots=True)
class Weekly:
    """Hours of some days of the week (Monday is 0). Hours that do not end after their start end on the next day."""

    days: frozenset[int]
    after: time
    before: time
    zone: ZoneInfo
    is_short: bool = False

    def spans(self, begin: datetime, end: datetime) -> list[Span]:
        """Return the hours of each such day."""
        spans = (_by_the_wall(self, *hours) for hours in self.hours(begin, end))
        return _overlapping(spans, begin, end)

    def hours(self, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield start and end of each such day as the clock on the wall shows them, from two days before `begin` on."""
        day = begin.astimezone(self.zone).date() - 2 * DAY
        last = end.astimezone(self.zone).date() + DAY
        while day <= last:
            if day.weekday() in self.days:
                opens, closes = (datetime.combine(day, at) for at in (self.after, self.before))
                yield opens, closes if closes > opens else closes + DAY
            day += DAY


@dataclass(frozen=True, slots=True)
class Rule:
    """The times of an RFC 5545 rule from a local start on, each of the same length.

    Whole days of a length are days of the calendar, the rest is counted by the clock (RFC 5545 3.3.6).
    """

    start: datetime
    rrule: str
    lasts: timedelta
    zone: ZoneInfo

    def spans(self, begin: datetime, end: datetime) -> list[Span]:
        """Return a span for each time the rule gives."""
        first = _naive(begin, self.zone) - self.lasts - DAY
        last = _naive(end, self.zone) + DAY
        starts = parsed_rule(self.rrule, self.start, self.zone).between(first, last, inc=True)
        return _overlapping(map(self.of, starts), begin, end)

    def of(self, start: datetime) -> Span:
        """Return the span that begins at one of the rule's local times."""
        whole = self.lasts // DAY * DAY
        end = instant(start + whole, self.zone) + (self.lasts - whole)
        return Span(instant(start, self.zone), end)


@dataclass(frozen=True, slots=True)
class Holidays:
    """The public holidays of a country (ISO 3166-1 alpha-2) and, where they differ, of one of its regions."""

    country: str
    region: str
    zone: ZoneInfo
    is_short: bool = False

    def spans(self, begin: datetime, end: datetime) -> list[Span]:
        """Return each holiday as the whole day, called by its name."""
        years = range(begin.year - 1, end.year + 2)
        days = (day for year in years for day in public_holidays(self.country, self.region, year))
        return _overlapping((self._of(day, name) for day, name in days), begin, end)

    def _of(self, day: date, name: str) -> Span:
        start = datetime.combine(day, time())
        return _by_the_wall(self, start, start + DAY, name)


@dataclass(frozen=True, slots=True)
class Crons:
    """From each moment of one cron line to the next moment of another, as GitLab's freeze periods."""

    start: str
    end: str
    zone: ZoneInfo

    def spans(self, begin: datetime, end: datetime) -> list[Span]:
        """Return the periods. In local time: a start and an end that a clock change moves together are one moment."""
        last = _naive(end, self.zone) + DAY
        found = list[Span]()
        at = self._ended_before(_naive(begin, self.zone) - DAY)
        # A start within a period changes nothing, one at an end begins nothing.
        while self.start != self.end and (start := _next(self.start, at)) < last:
            at = _next(self.end, start - _SECOND)
            found.append(Span(instant(start, self.zone), instant(at, self.zone)))
        return _overlapping(found, begin, end)

    def _ended_before(self, local: datetime) -> datetime:
        """Return the last end until a local time: what began before it is over."""
        from cronsim import CronSim

        found: datetime = next(CronSim(self.end, local + _SECOND, reverse=True))
        return found


def _next(line: str, after: datetime) -> datetime:
    """Return the first moment of a cron line after a local time."""
    from cronsim import CronSim

    found: datetime = next(CronSim(line, after))
    return found


def over_since(times: Times, at: datetime) -> datetime | None:
    """Return when times that do not come again were over, at an instant; None while one is there or to come."""
    last: Span | None
    if isinstance(times, Once):
        last = _by_the_wall(times, times.start, times.end)
    elif isinstance(times, Rule):
        rule = parsed_rule(times.rrule, times.start, times.zone)
        # Local days and instants differ by hours, never by a day.
        near = _naive(at, times.zone) + DAY
        if rule.after(near) is not None:
            return None
        start = rule.before(near, inc=True)
        last = times.of(start) if start is not None else None
    else:
        return None
    return last.end if last is not None and last.end <= at else None


def merged(spans: Iterable[Span]) -> list[Span]:
    """Join spans that touch or overlap."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(Span(span.start, span.end))
    return found


def crons(start: str, end: str, zone: str) -> Crons:
    """Return the times between two cron lines. Raises ValueError that says which of them cannot be read."""
    from cronsim import CronSim, CronSimError

    for line in (start, end):
        try:
            next(CronSim(line, datetime(2026, 1, 1)))  # noqa: DTZ001 - any day: only whether it fires
        except (CronSimError, StopIteration) as error:
            raise ValueError(
                f"its cron line `{line}` cannot be used ({error or 'it never fires'})"
            ) from None
    try:
        return Crons(start, end, ZoneInfo(zone))
    except (ValueError, OSError, KeyError):
        raise ValueError(f"there is no time zone `{zone}`") from None


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant of a local time, by RFC 5545 where a clock change makes it unclear."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


@lru_cache(maxsize=64)
def public_holidays(country: str, region: str, year: int) -> Sequence[tuple[date, str]]:
    """Return the holidays of a year with their names, sorted. Raises NotImplementedError for an unknown country."""
    from holidays import country_holidays

    return sorted(
        country_holidays(country, subdiv=region or None, years=year, language="en_US").items()
    )


def _by_the_wall(
    times: Once | Weekly | Holidays, start: datetime, end: datetime, label: str = ""
) -> Span:
    """Make a span of two times of the clock on the wall."""
    starts, ends = _both(start, times.zone), _both(end, times.zone)
    if times.is_short:
        return Span(max(starts), min(ends), label)
    return Span(min(starts), max(ends), label)


def _both(local: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second


def _naive(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)


def _overlapping(spans: Iterable[Span], begin: datetime, end: datetime) -> list[Span]:
    return sorted(span for span in spans if span.start < span.end and span.overlaps(begin, end))
