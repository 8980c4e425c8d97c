"""Reads a train's rule, written as RFC 5545 has it or as a cron line, and says why one cannot be. Pure.

What dateutil would look for until the year 9999, day by day, is refused before it is asked.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from gare.domain.recurrence import DAYS, HORIZON, Rule, numbers, read_stamp, spell

LONGEST_INTERVAL = 1000
FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_NO_START = datetime(2024, 1, 1)  # noqa: DTZ001 - local; a cron line counts from no day
_NUMBERS = {
    "INTERVAL": (1, LONGEST_INTERVAL),
    "BYHOUR": (0, 23),
    "BYMINUTE": (0, 59),
    "BYMONTH": (1, 12),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53),
    "BYSETPOS": (-366, 366),
}
_WORDS = ("FREQ", "UNTIL", "WKST", "BYDAY")
_ONLY = {
    "BYMONTHDAY": ("DAILY", "MONTHLY", "YEARLY"),
    "BYYEARDAY": ("YEARLY",),
    "BYWEEKNO": ("YEARLY",),
    "BYSETPOS": ("MONTHLY", "YEARLY"),
}
"""Parts that RFC 5545 has only with some frequencies; a place among the times of a day or week says nothing."""
_INSTEAD = {"BYSECOND": "seconds", "COUNT": "a number of departures, not an UNTIL"}
_DAY = re.compile(r"([+-]?[1-9]\d?)?(MO|TU|WE|TH|FR|SA|SU)")


def read_cron(line: str) -> Rule:
    """Read a cron line of five fields. Raises ValueError that says what is wrong."""
    from cronsim import CronSim, CronSimError

    if len(line.split()) != 5:
        raise ValueError("it has other than five fields")
    try:
        cron = CronSim(line, _NO_START)
    except CronSimError as error:
        raise ValueError(f"{str(error).lower()}") from None
    weekdays = {day % 7 for day in cron.weekdays if isinstance(day, int)}
    if any(isinstance(day, tuple) for day in cron.weekdays):
        raise ValueError("`#` and `L` are no plain days")
    if not cron.day_and:
        raise ValueError("it names days of the month and of the week, which cron reads as either")
    parts = {"FREQ": "DAILY", "BYHOUR": spell(cron.hours), "BYMINUTE": spell(cron.minutes)}
    if len(cron.months) < 12:
        parts["BYMONTH"] = spell(cron.months)
    if len(cron.days) < 31:
        if not all(1 <= day <= 31 for day in cron.days):
            raise ValueError("`L` and `W` are no plain days")
        parts["BYMONTHDAY"] = spell(cron.days)
    if len(weekdays) < 7:
        parts["BYDAY"] = ",".join(DAYS[(day - 1) % 7] for day in sorted(weekdays))
    return Rule(parts, _NO_START, is_cron=True)


def read_rrule(text: str, start: datetime) -> Rule:
    """Read an RFC 5545 rule with its first local time. Raises ValueError that says what is wrong."""
    if ":" in text or "\n" in text:
        raise ValueError("it holds more than the rule")
    parts: dict[str, str] = {}
    for key, value in (_part(part) for part in text.upper().split(";") if part):
        if key in parts:
            raise ValueError(f"it has {key} twice")
        parts[key] = value
    if parts.get("FREQ") not in FREQUENCIES:
        raise ValueError(f"its FREQ is none of {', '.join(FREQUENCIES)}")
    for key, value in parts.items():
        _check(key, value, parts["FREQ"])
    rule = Rule(parts, start)
    try:
        rule.dates(start)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"it cannot be read ({error})") from None
    return rule


def never_departs(rule: Rule) -> bool:
    """Tell whether the rule names no day that there is within eight years of its start."""
    if not any(_may_be(day, rule) for day in _days_of_its_periods(rule)):
        return True
    return next(iter(rule.dates(rule.start + HORIZON)), None) is None


def _days_of_its_periods(rule: Rule) -> Iterator[date]:
    """Yield each day of the days, weeks, months or years that the rule counts, for eight years."""
    frequency, every = rule.parts["FREQ"], int(rule.parts.get("INTERVAL", "1"))
    first = rule.start.date()
    week = first - timedelta(days=(first.weekday() - DAYS.index(rule.parts.get("WKST", "MO"))) % 7)
    for number in range(HORIZON.days):
        day = first + timedelta(days=number)
        passed = {
            "DAILY": number,
            "WEEKLY": (day - week).days // 7,
            "MONTHLY": 12 * (day.year - first.year) + day.month - first.month,
            "YEARLY": day.year - first.year,
        }
        if passed[frequency] % every == 0:
            yield day


def _may_be(day: date, rule: Rule) -> bool:
    """Tell whether month, day of the month and weekday are those that the rule names."""
    parts = rule.parts
    days = [word[-2:] for word in parts.get("BYDAY", "").split(",") if word]
    months = numbers(parts.get("BYMONTH"), day.month)
    in_month = numbers(parts.get("BYMONTHDAY"), day.day)
    from_end = day.day - (_next_month(day) - timedelta(days=1)).day - 1
    is_weekday = not days or DAYS[day.weekday()] in days
    return is_weekday and day.month in months and not {day.day, from_end}.isdisjoint(in_month)


def _next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def _part(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not value:
        raise ValueError(f"`{text}` is no KEY=VALUE")
    return key.strip(), value.strip()


def _check(key: str, value: str, frequency: str) -> None:
    """Raise ValueError for a part that no train can have, or with a value that cannot be."""
    if key in _INSTEAD:
        raise ValueError(f"it names {_INSTEAD[key]}")
    if frequency not in _ONLY.get(key, FREQUENCIES):
        raise ValueError(f"its {key} does not go with {frequency}")
    if key in _NUMBERS:
        _check_numbers(key, value)
    elif key not in _WORDS:
        raise ValueError(f"`{key}` is no part of a rule")
    elif key == "UNTIL":
        _check_end(value)
    elif key in ("BYDAY", "WKST"):
        _check_days(key, value, frequency)


def _check_numbers(key: str, value: str) -> None:
    first, last = _NUMBERS[key]
    for word in value.split(","):
        # Zero is a time or nothing: days and weeks are counted from 1, or from the end.
        is_there = first <= _number(word) <= last and (_number(word) or first == 0)
        if not is_there or (key == "INTERVAL" and word != value):
            raise ValueError(f"its {key} is {value}, which is not from {first} to {last}")


def _check_end(value: str) -> None:
    if value.endswith("Z"):
        raise ValueError("its UNTIL is in UTC, the train in its zone")
    try:
        read_stamp(value)
    except ValueError:
        raise ValueError(f"its UNTIL {value} is no time such as 20271231T235959") from None


def _check_days(key: str, value: str, frequency: str) -> None:
    for word in value.split(","):
        found = _DAY.fullmatch(word)
        if found is None:
            raise ValueError(f"its {key} {word} is none of {', '.join(DAYS)}")
        if found[1] and frequency not in ("MONTHLY", "YEARLY"):
            raise ValueError(f"its {key} {word} counts days of a month, its FREQ is {frequency}")


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"`{text}` is no number") from None
