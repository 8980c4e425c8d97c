"""Times that come again, as spans of instants: weekly hours, RFC 5545 rules, public holidays, cron lines. Pure.

Local times are turned into instants here alone. Whoever says hours of the clock ("Fridays after 15:00") means what the
clock on the wall shows: in the hour that a clock change skips or repeats a span is taken as the longer one, or as the
shorter one when it is a time in which something is allowed (`is_short`). What is unclear is closed. Rules and cron
lines follow RFC 5545 3.3.5: a skipped time is as if the clock had not changed, of a repeated one the first counts.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
CRON_BACK = timedelta(days=370)
"""How far back the beginning of a cron period that still lasts is looked for."""
FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_UNTIL = re.compile(r"UNTIL=(\d{8})(T\d{6})?(Z)?", re.IGNORECASE)


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
        return _overlapping(map(self._of, self._dates(begin, end)), begin, end)

    def _dates(self, begin: datetime, end: datetime) -> Iterator[date]:
        day = begin.astimezone(self.zone).date() - 2 * DAY
        last = end.astimezone(self.zone).date() + DAY
        while day <= last:
            if day.weekday() in self.days:
                yield day
            day += DAY

    def _of(self, day: date) -> Span:
        start, end = datetime.combine(day, self.after), datetime.combine(day, self.before)
        return _by_the_wall(self, start, end if end > start else end + DAY)


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
        return _overlapping(map(self._of, starts), begin, end)

    def _of(self, start: datetime) -> Span:
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
        """Return a span for each start; a start within a span that lasts already changes nothing."""
        from cronsim import CronSim

        found: list[Span] = []
        start = begin - CRON_BACK
        while (start := self._next(CronSim, self.start, start)) < end:
            if not found or start >= found[-1].end:
                found.append(Span(start, self._next(CronSim, self.end, start)))
        return _overlapping(found, begin, end)

    def _next(self, cron: Any, line: str, after: datetime) -> datetime:
        found: datetime = next(cron(line, after.astimezone(self.zone)))
        return found.astimezone(UTC)


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


def parsed_rule(text: str, start: datetime, zone: ZoneInfo) -> Any:
    """Return the rule over local times. Raises ValueError for a text that is no rule."""
    return _parsed(_UNTIL.sub(lambda found: _local_until(found, zone), text), start)


@lru_cache(maxsize=256)
def _parsed(text: str, start: datetime) -> Any:
    from dateutil.rrule import rrulestr

    return rrulestr(text, dtstart=start)


def rule_problem(text: str, start: datetime, zone: ZoneInfo) -> str:
    """Say in a sentence why a rule cannot be used; empty when it can."""
    parts = [part.partition("=") for part in text.upper().removeprefix("RRULE:").split(";")]
    if odd := next(("".join(part) for part in parts if not part[1] or not part[2]), None):
        return f"`{odd}` in it is no NAME=VALUE."
    named = {name: value for name, _, value in parts}
    if named.get("FREQ") not in FREQUENCIES:
        return f"its FREQ is none of {', '.join(FREQUENCIES)}."
    if not named.get("INTERVAL", "1").strip("0"):
        return "its INTERVAL is not above 0."
    try:
        rule = parsed_rule(text, start, zone)
    except (ValueError, TypeError) as error:
        return f"this is no rule of RFC 5545 ({error})."
    # Asked by the year first: a day that no year has is looked for day by day until the year 9999 otherwise.
    by_year = rule.replace(freq=0, interval=1, count=None, until=None, bysetpos=None)
    if next(iter(by_year), None) is None or next(iter(rule), None) is None:
        return f"it never fires from {start:%Y-%m-%d %H:%M} on."
    return ""


def _local_until(found: re.Match[str], zone: ZoneInfo) -> str:
    """Spell the end of a rule as local time, as its start is; a day alone counts wholly."""
    if not found[3]:
        return f"UNTIL={found[1]}{found[2] or 'T235959'}"
    until = datetime.strptime(f"{found[1]}{found[2]}", "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return f"UNTIL={_naive(until, zone):%Y%m%dT%H%M%S}"


@lru_cache(maxsize=64)
def public_holidays(country: str, region: str, year: int) -> Sequence[tuple[date, str]]:
    """Return the holidays of a year with their names, sorted. Raises NotImplementedError for an unknown country."""
    from holidays import country_holidays

    return sorted(
        country_holidays(country, subdiv=region or None, years=year, language="en_US").items()
    )


def _by_the_wall(times: Any, start: datetime, end: datetime, label: str = "") -> Span:
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
