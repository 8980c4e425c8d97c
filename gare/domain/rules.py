"""RFC 5545 rules over local times: read, and why one cannot be used. Pure."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
MOST_TIMES_A_DAY = 24
_DAYS = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}
_UNTIL = re.compile(r"UNTIL=([^;]*)", re.IGNORECASE)
_MOMENT = re.compile(r"(\d{8})(T\d{6})?(Z)?", re.IGNORECASE)


def parsed_rule(text: str, start: datetime, zone: ZoneInfo) -> Any:
    """Return the rule over local times. Raises ValueError for a text that is no rule."""
    return _parsed(_UNTIL.sub(lambda found: f"UNTIL={_local_until(found[1], zone)}", text), start)


@lru_cache(maxsize=256)
def _parsed(text: str, start: datetime) -> Any:
    from dateutil.rrule import rrulestr

    return rrulestr(text, dtstart=start)


def rule_problem(text: str, start: datetime, zone: ZoneInfo) -> str:
    """Say in a sentence why a rule cannot be used; empty when it can."""
    if problem := reading_problem(text, start, zone):
        return problem
    if never_fires(text, start, zone):
        return f"it never fires from {start:%Y-%m-%d %H:%M} on."
    return ""


def reading_problem(
    text: str, start: datetime, zone: ZoneInfo, frequencies: tuple[str, ...] = FREQUENCIES
) -> str:
    """Say in a sentence why a rule cannot be read; empty when it can."""
    parts = [part.partition("=") for part in _parts(text)]
    if odd := next(("".join(part) for part in parts if not part[1] or not part[2]), None):
        return f"`{odd}` in it is no NAME=VALUE."
    named = {name: value for name, _, value in parts}
    if problem := next(_problems(named, frequencies), ""):
        return problem
    try:
        parsed_rule(text, start, zone)
    except (ValueError, TypeError) as error:
        return f"this is no rule of RFC 5545 ({error})."
    return ""


def is_endless(text: str) -> bool:
    """Tell whether a rule says no end of its times."""
    return not any(part.strip().startswith(("UNTIL=", "COUNT=")) for part in _parts(text))


def never_fires(text: str, start: datetime, zone: ZoneInfo) -> bool:
    """Tell whether a rule that can be read has no time at all.

    Asked by the year first: a day that no year has is looked for day by day until the year 9999 otherwise.
    """
    rule = parsed_rule(text, start, zone)
    by_year = rule.replace(freq=0, interval=1, count=None, until=None, bysetpos=None)
    return next(iter(by_year), None) is None or next(iter(rule), None) is None


def _parts(text: str) -> list[str]:
    return text.upper().removeprefix("RRULE:").split(";")


def _problems(named: Mapping[str, str], frequencies: tuple[str, ...]) -> Iterator[str]:
    if named.get("FREQ") not in frequencies:
        yield f"its FREQ is none of {', '.join(frequencies)}."
    for name in ("INTERVAL", "COUNT"):
        value = named.get(name, "1")
        if not value.isdecimal() or not value.strip("0"):
            yield f"its {name} is not above 0."
    if "UNTIL" in named and not _MOMENT.fullmatch(named["UNTIL"]):
        yield "its UNTIL is no day such as 20270104, nor a time such as 20270104T080000."
    if "BYSECOND" in named:
        yield "it names seconds."
    times = _count(named, "BYHOUR") * _count(named, "BYMINUTE")
    if times > MOST_TIMES_A_DAY:
        yield f"it names {times} times a day; {MOST_TIMES_A_DAY} are the most."
    yield from _place_problems(named, times)


def _place_problems(named: Mapping[str, str], times: int) -> Iterator[str]:
    """Yield a place that none of the rule's periods has: it would be looked for until the year 9999."""
    days = _DAYS.get(named["FREQ"], 1)
    if named["FREQ"] == "WEEKLY":
        days = _count(named, "BYDAY")
    for place in named.get("BYSETPOS", "1").split(","):
        if not place.lstrip("+-").isdecimal() or not 1 <= abs(int(place)) <= days * times:
            yield f"its BYSETPOS {place} is none of the times that it names."


def _count(named: Mapping[str, str], name: str) -> int:
    return named.get(name, "").count(",") + 1


def _local_until(said: str, zone: ZoneInfo) -> str:
    """Spell the end of a rule as local time, as its start is; a day alone counts wholly."""
    found = _MOMENT.fullmatch(said)
    if not found or not found[3]:
        return said if not found or found[2] else f"{said}T235959"
    stamp = f"{found[1]}{found[2] or 'T000000'}"
    until = datetime.strptime(stamp, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return f"{until.astimezone(zone):%Y%m%dT%H%M%S}"
