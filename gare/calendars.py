"""iCalendar files (RFC 5545): events read as times, freeze windows written as events. Opens no station.

An event that is cancelled, or transparent (its time is free), is no time of a freeze.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gare.domain.freezes import Calendar, Scope, Stop, Window, WindowKind
from gare.domain.spans import (
    DAY,
    Once,
    Span,
    Times,
    Weekly,
    instant,
    rule_problem,
)
from gare.errors import ConfigError

MAX_BYTES = 4 * 1024 * 1024
AHEAD = timedelta(days=731)
"""How far times without a rule of their own are written out."""
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_HINT = "Write it anew from its calendar, or take it out of `calendars`."


@dataclass(frozen=True, slots=True)
class Feed:
    """The times of all events of an iCalendar text. `zone` is for those that name none."""

    text: str
    zone: ZoneInfo

    def spans(self, begin: datetime, end: datetime) -> list[Span]:
        """Return each event, called by its summary."""
        events = _events(self.text).between(begin - DAY, end + DAY)
        spans = (self._span(event) for event in events if _counts(event))
        return sorted(span for span in spans if span.start < span.end and span.overlaps(begin, end))

    def _span(self, event: Any) -> Span:
        start, end = event.start, event.end
        return Span(self._instant(start), self._instant(end), str(event.get("SUMMARY", "")))

    def _instant(self, value: date) -> datetime:
        if not isinstance(value, datetime):
            return instant(datetime.combine(value, time()), self.zone)
        return instant(value, self.zone) if value.tzinfo is None else value.astimezone(UTC)


def read_feed(file: Path, zone: ZoneInfo) -> Feed:
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
    return Feed(text, zone)


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
    start = event.start
    local = (
        start.replace(tzinfo=None)
        if isinstance(start, datetime)
        else datetime.combine(start, time())
    )
    where = getattr(start, "tzinfo", None) or zone
    rule = event["RRULE"]
    rules = rule if isinstance(rule, list) else [rule]
    problems = (rule_problem(one.to_ical().decode(), local, where) for one in rules)
    return next((f"has a rule: {problem.rstrip('.')}" for problem in problems if problem), "")


def _has_no_zone(event: Any, name: str) -> bool:
    """Tell whether an instant names a zone that nobody knows: it would be read as another time."""
    value = event.get(name)
    return (
        value is not None and "TZID" in value.params and getattr(value.dt, "tzinfo", None) is None
    )


def _counts(event: Any) -> bool:
    return (
        str(event.get("TRANSP", "")) != "TRANSPARENT"
        and str(event.get("STATUS", "")) != "CANCELLED"
    )


@lru_cache(maxsize=16)
def _events(text: str) -> Any:
    import recurring_ical_events

    return recurring_ical_events.of(_parsed(text)[0])


def _parsed(text: str) -> list[Any]:
    from icalendar import Calendar as Ical

    return [one for one in Ical.from_ical(text, multiple=True) if one.name == "VCALENDAR"]


def as_icalendar(calendar: Calendar, now: datetime) -> bytes:
    """Write windows and stops as events; what has no rule of its own as far ahead as `AHEAD`.

    A window that allows is written as free time: whoever reads the file sees it, and it closes nothing.
    """
    from icalendar import Calendar as Ical

    made = Ical()
    made.add("VERSION", "2.0")
    made.add("PRODID", "-//Gare//Freeze windows//EN")
    made.add("X-WR-CALNAME", "Freeze windows")
    for window in calendar.windows:
        for number, fields in enumerate(_fields_of(window.times, now)):
            made.add_component(_event(window, f"{window.name}-{number}", fields, now))
    for stop in calendar.stops:
        fields = {"DTSTART": stop.since, "DTEND": stop.until or now + AHEAD}
        made.add_component(_event(stop, stop.name, fields, now))
    made.add_missing_timezones()
    return bytes(made.to_ical())


def _event(what: Window | Stop, uid: str, fields: dict[str, Any], now: datetime) -> Any:
    from icalendar import Event

    made = Event()
    is_allowed = isinstance(what, Window) and what.kind is WindowKind.ALLOW
    head = "Allowed" if is_allowed else "Freeze" if isinstance(what, Window) else "Stop of the line"
    label = fields.pop("label", "")
    made.add("UID", f"{uid}@gare")
    made.add("DTSTAMP", now)
    made.add("SUMMARY", f"{head}: {what.name}" + (f" ({label})" if label else ""))
    made.add("DESCRIPTION", "\n".join(_description(what)))
    made.add("TRANSP", "TRANSPARENT" if is_allowed else "OPAQUE")
    for name, value in fields.items():
        made.add(name, value)
    return made


def _description(what: Window | Stop) -> Iterator[str]:
    if what.reason:
        yield what.reason
    yield f"Projects: {', '.join(what.scope.projects)}"
    yield f"Environments: {', '.join(what.scope.environments)}"
    if lets := _lets(what.scope):
        yield f"Lets through: {lets}"


def _lets(scope: Scope) -> str:
    return ", ".join(sorted(scope.lets))


def _fields_of(times: Times, now: datetime) -> Iterable[dict[str, Any]]:
    """Yield start, end and rule of each event that the times are written as."""
    match times:
        case Once(start, end, zone):
            yield {"DTSTART": start.replace(tzinfo=zone), "DTEND": end.replace(tzinfo=zone)}
        case Weekly(days, _, _, zone):
            rule = {"FREQ": "WEEKLY", "BYDAY": [_WEEKDAYS[day] for day in sorted(days)]}
            yield {**_first(times, now - 7 * DAY, zone), "RRULE": rule}
        case _:
            for span in times.spans(now, now + AHEAD):
                yield {"DTSTART": span.start, "DTEND": span.end, "label": span.label}


def _first(times: Times, since: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """Return the first of some times in local time, as a rule starts with it."""
    first = times.spans(since, since + 8 * DAY)[0]
    return {"DTSTART": first.start.astimezone(zone), "DTEND": first.end.astimezone(zone)}
