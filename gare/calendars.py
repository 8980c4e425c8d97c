"""Freeze windows and stops written as an iCalendar text (RFC 5545). Opens no station."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from gare.domain.freezes import Calendar, Scope, Stop, Window, WindowKind
from gare.domain.spans import DAY, Once, Times, Weekly

AHEAD = timedelta(days=731)
"""How far times without a rule of their own are written out."""
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_WEEKS_TRIED = 4


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
        for name, fields in _fields_of(window.times, now):
            made.add_component(_event(window, f"{window.id}{name}", fields, now))
    for stop in calendar.stops:
        fields = {"DTSTART": stop.since, "DTEND": stop.until or now + AHEAD}
        made.add_component(_event(stop, stop.id, fields, now))
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


def _fields_of(times: Times, now: datetime) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield each event that the times are written as: a name that stays its own, and start, end and rule."""
    match times:
        case Once(start, end, zone):
            yield "", {"DTSTART": start.replace(tzinfo=zone), "DTEND": end.replace(tzinfo=zone)}
        case Weekly(days, _, _, _):
            rule = {"FREQ": "WEEKLY", "BYDAY": [_WEEKDAYS[day] for day in sorted(days)]}
            yield "", {**_first(times, now - 7 * DAY), "RRULE": rule}
        case _:
            for span in times.spans(now, now + AHEAD):
                label = f" {span.label}" if span.label else ""
                fields = {"DTSTART": span.start, "DTEND": span.end, "label": span.label}
                yield f" {span.start:%Y%m%dT%H%M%SZ}{label}", fields


def _first(times: Weekly, since: datetime) -> dict[str, datetime]:
    """Return the first hours on which no clock changes: a rule goes on from them by the clock on the wall."""
    hours = times.hours(since, since + 7 * _WEEKS_TRIED * DAY)
    local = [
        (start.replace(tzinfo=times.zone), end.replace(tzinfo=times.zone)) for start, end in hours
    ]
    plain = (pair for pair in local if all(map(_is_there, pair)))
    start, end = next(plain, local[0])
    return {"DTSTART": start, "DTEND": end}


def _is_there(local: datetime) -> bool:
    """Tell whether a local time is there once: no clock change skips or repeats it."""
    return local.astimezone(UTC) == local.replace(fold=1).astimezone(UTC)
