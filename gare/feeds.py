"""iCalendar files (RFC 5545) read as the times of a freeze. Opens no station.

An event that is cancelled is no time of a freeze; one that is transparent (its time is free) only when it is said so.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gare.domain.rules import FREQUENCIES, never_fires, reading_problem
from gare.domain.spans import DAY, Span, instant
from gare.errors import ConfigError

MAX_BYTES = 4 * 1024 * 1024
_HINT = "Write it anew from its calendar, or take it out of `calendars`."
_FREQUENCIES = ("HOURLY", *FREQUENCIES)
"""Others write rules by the hour, too."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many events a calendar has, and how many of them close."""

    total: int
    closing: int
    free: int

    def __str__(self) -> str:
        """Spell it; what is marked free is told, as nobody would look for that."""
        free = (
            f" ({self.free} are marked free: `free: closes` lets them close)" if self.free else ""
        )
        return f"{self.closing} of {self.total} events close{free}"


@dataclass(frozen=True, slots=True)
class Feed:
    """The times of all events of an iCalendar text. `zone` is for those that name none.

    `has_free`: events whose time is free count too.
    """

    text: str
    zone: ZoneInfo
    has_free: bool = False

    def spans(self, begin: datetime, end: datetime) -> list[Span]:
        """Return each event, called by its summary."""
        events = _events(self.text, self.zone).between(begin - DAY, end + DAY)
        spans = (self._span(event) for event in events if self._counts(event))
        return sorted(span for span in spans if span.start < span.end and span.overlaps(begin, end))

    def count(self) -> Count:
        """Count its events, a series as one."""
        every = _parsed(self.text)[0].walk("VEVENT")
        closing = sum(self._counts(event) for event in every)
        free = 0 if self.has_free else sum(_is_free(event) for event in every)
        return Count(len(every), closing, free)

    def _counts(self, event: Any) -> bool:
        is_cancelled = str(event.get("STATUS", "")).upper() == "CANCELLED"
        return not is_cancelled and (self.has_free or not _is_free(event))

    def _span(self, event: Any) -> Span:
        start, end = self._instant(event.start), self._instant(event.end)
        if isinstance(event.start, datetime) and str(event.get("UID")) in _lengths(self.text):
            # By the clock on the wall it is the day of a clock change that is longer, by hours the time is: the longer.
            end = max(end, start + _length(event))
        return Span(start, end, str(event.get("SUMMARY", "")))

    def _instant(self, value: date) -> datetime:
        if not isinstance(value, datetime):
            return instant(datetime.combine(value, time()), self.zone)
        return instant(value, self.zone) if value.tzinfo is None else value.astimezone(UTC)


def read_feed(file: Path, zone: ZoneInfo, *, has_free: bool = False) -> Feed:
    """Return the times of a file's events. Raises ConfigError that says what is wrong with the file."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"The calendar cannot be read: {error.strerror}.", where=str(file), hint="Correct its path or rights."
        ) from error  # fmt: skip
    if len(data) > MAX_BYTES:
        raise ConfigError("The calendar is larger than 4 MiB.", where=str(file), hint=_HINT)
    text = data.decode("utf-8-sig", "replace")
    if problem := _feed_problem(text, zone):
        raise ConfigError(
            f"This is no calendar that can be used: {problem}.", where=str(file), hint=_HINT
        )
    return Feed(text, zone, has_free)


@lru_cache(maxsize=16)
def _feed_problem(text: str, zone: ZoneInfo) -> str:
    """Say what is wrong with an iCalendar text; empty when its events can be read."""
    if "BEGIN:VCALENDAR" not in text:
        return "it holds no VCALENDAR"
    try:
        calendars = _parsed(text)
        if len(calendars) != 1:
            return f"it holds {len(calendars) or 'no'} VCALENDAR"
        for event in (event for one in calendars for event in one.walk("VEVENT")):
            if problem := _event_problem(event, zone):
                return f"the event `{event.get('SUMMARY', event.get('UID', 'without a name'))}` {problem}"
        now = datetime.now(UTC)  # any time: only whether it can be asked
        Feed(text, zone).spans(now, now + DAY)
    except Exception as error:  # noqa: BLE001 - the parser lets whatever it stumbles over through
        return " ".join(str(error).split())[:200] or type(error).__name__
    return ""


def _event_problem(event: Any, zone: ZoneInfo) -> str:
    if "DTSTART" not in event:
        return "has no DTSTART"
    if unknown := next((name for name in ("DTSTART", "DTEND") if _has_no_zone(event, name)), ""):
        return f"names a time zone that does not exist: {event[unknown].params['TZID']}"
    if "RRULE" not in event:
        return "ends before it starts" if event.end < event.start else ""
    start, where = _local_start(event, zone)
    problems = (reading_problem(rule, start, where, _FREQUENCIES) for rule in _rules(event))
    return next((f"has a rule: {problem.rstrip('.')}" for problem in problems if problem), "")


def _rules(event: Any) -> list[str]:
    rule = event.get("RRULE", [])
    return [one.to_ical().decode() for one in (rule if isinstance(rule, list) else [rule])]


def _local_start(event: Any, zone: ZoneInfo) -> tuple[datetime, ZoneInfo]:
    """Return when an event starts, in local time, and where."""
    start = event.start
    if not isinstance(start, datetime):
        return datetime.combine(start, time()), zone
    return start.replace(tzinfo=None), start.tzinfo or zone  # type: ignore[return-value]


def _has_no_zone(event: Any, name: str) -> bool:
    """Tell whether an instant names a zone that nobody knows: it would be read as another time."""
    value = event.get(name)
    return (
        value is not None and "TZID" in value.params and getattr(value.dt, "tzinfo", None) is None
    )


def _is_free(event: Any) -> bool:
    return str(event.get("TRANSP", "")).upper() == "TRANSPARENT"


def _length(event: Any) -> timedelta:
    """Return how long an event is by the clock on the wall."""
    length: timedelta = event.end.replace(tzinfo=None) - event.start.replace(tzinfo=None)
    return length


@lru_cache(maxsize=16)
def _lengths(text: str) -> frozenset[str]:
    """Return the events that say how long they are and not when they end."""
    events = _parsed(text)[0].walk("VEVENT")
    return frozenset(str(event.get("UID")) for event in events if "DURATION" in event)


@lru_cache(maxsize=16)
def _events(text: str, zone: ZoneInfo) -> Any:
    """Return the events to be asked for their times; a series that never begins is none."""
    import recurring_ical_events

    calendar = _parsed(text)[0]
    calendar.subcomponents = [
        one
        for one in calendar.subcomponents
        if one.name != "VEVENT"
        or not any(never_fires(rule, *_local_start(one, zone)) for rule in _rules(one))
    ]
    return recurring_ical_events.of(calendar)


def _parsed(text: str) -> list[Any]:
    from icalendar import Calendar as Ical

    return [one for one in Ical.from_ical(text, multiple=True) if one.name == "VCALENDAR"]
