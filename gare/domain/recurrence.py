"""Rules of RFC 5545 that a train can have, and the same rules earlier. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dateutil.rrule import rrule

HORIZON = timedelta(days=8 * 366)
"""How far a departure is looked for: the 29th of February is absent for eight years around 2100."""
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
DAY_MINUTES = 24 * 60
_CRON_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_BOUND_TO_THE_DAY = ("BYMONTH", "BYMONTHDAY", "BYSETPOS", "BYYEARDAY", "BYWEEKNO")


@dataclass(frozen=True, slots=True)
class Rule:
    """An RFC 5545 rule in parts, with its first local time. `is_cron`: it was written as a cron line."""

    parts: Mapping[str, str]
    start: datetime
    is_cron: bool = False

    @property
    def times(self) -> list[int]:
        """Return the times of a day that it names, in minutes since midnight."""
        hours = numbers(self.parts.get("BYHOUR"), self.start.hour)
        minutes = numbers(self.parts.get("BYMINUTE"), self.start.minute)
        return sorted(hour * 60 + minute for hour in hours for minute in minutes)

    @property
    def end(self) -> datetime | None:
        """Return the local time after which it names nothing; None when it has no end."""
        return read_stamp(self.parts["UNTIL"]) if "UNTIL" in self.parts else None

    def dates(self, last: datetime) -> "rrule":
        """Return the rule up to a day, as dateutil iterates it; one without a match is sought to the year 9999."""
        from dateutil.rrule import rrulestr

        text = ";".join(f"{key}={value}" for key, value in self.parts.items() if key != "UNTIL")
        until = min(self.end or last, last)
        found = rrulestr(f"{text};UNTIL={_stamp(until)}", dtstart=self.start)
        return cast("rrule", found)  # one rule gives no set of rules

    def earlier(self, by: timedelta) -> "Rule | None":
        """Return the rule whose every time is earlier; None when no rule says that."""
        minutes = int(by.total_seconds()) // 60
        moved = [divmod(at - minutes, DAY_MINUTES) for at in self.times]
        days = {day for day, _ in moved}
        hours = sorted({at // 60 for _, at in moved})
        past = sorted({at % 60 for _, at in moved})
        if len(days) > 1 or len(hours) * len(past) != len(moved):
            return None
        parts = dict(self.parts)
        if "BYHOUR" in parts or "BYMINUTE" in parts:
            parts |= {"BYHOUR": spell(hours), "BYMINUTE": spell(past)}
        if day := days.pop():
            if parts["FREQ"] in ("MONTHLY", "YEARLY") or any(k in parts for k in _BOUND_TO_THE_DAY):
                return None
            parts |= {"WKST": _turned(parts.get("WKST", "MO"), day)}
            if "BYDAY" in parts:
                parts["BYDAY"] = _turned(parts["BYDAY"], day)
        if self.end is not None:
            parts["UNTIL"] = _stamp(self.end - by)
        return replace(self, parts=parts, start=self.start if self.is_cron else self.start - by)

    def as_cron(self) -> str:
        """Spell it as a cron line, which a rule made of one can be."""
        days = [
            _CRON_DAYS[DAYS.index(day)] for day in self.parts.get("BYDAY", "").split(",") if day
        ]
        fields = [
            self.parts.get(key, "*") for key in ("BYMINUTE", "BYHOUR", "BYMONTHDAY", "BYMONTH")
        ]
        return " ".join([*fields, ",".join(days) or "*"])

    def as_rfc(self) -> str:
        """Spell it with its first time, as RFC 5545 does."""
        return f"DTSTART:{_stamp(self.start)}\nRRULE:{self}"

    def __str__(self) -> str:
        """Spell the rule alone, as a person writes it."""
        if self.is_cron:
            return self.as_cron()
        return ";".join(f"{key}={value}" for key, value in self.parts.items())


def as_dates(times: Sequence[datetime]) -> str:
    """Spell local times one by one, as RFC 5545 does."""
    return f"RDATE:{','.join(map(_stamp, times))}"


def numbers(text: str | None, otherwise: int) -> list[int]:
    """Read numbers with commas between them; one number where the text is not there."""
    return [otherwise] if text is None else [int(number) for number in text.split(",")]


def spell(found: Sequence[int] | set[int]) -> str:
    """Write numbers with commas between them, in order."""
    return ",".join(map(str, sorted(found)))


def _turned(days: str, by: int) -> str:
    """Return names of weekdays moved by so many days."""
    return ",".join(DAYS[(DAYS.index(day) + by) % 7] for day in days.split(","))


def _stamp(local: datetime) -> str:
    return local.strftime("%Y%m%dT%H%M%S")


def read_stamp(text: str) -> datetime:
    """Read a local time, or a day, as RFC 5545 spells it. Raises ValueError."""
    pattern = "%Y%m%dT%H%M%S" if "T" in text else "%Y%m%d"
    return datetime.strptime(text, pattern)  # noqa: DTZ007 - local
