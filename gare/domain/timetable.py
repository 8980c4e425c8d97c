"""When a train boards and departs: slots in local time, right on both clock changes. Pure, no clock.

A slot is a wall-clock time in the train's zone. Its instant is computed here and nowhere else: the engine only wakes
the run that boards. Cron lines become RFC 5545 rules (dateutil), so that both have one meaning.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from dateutil.rrule import rrule

HORIZON = timedelta(days=8 * 366)
"""How far a departure is looked for: the 29th of February is absent for eight years around 2100."""
EARLY = timedelta(minutes=1)
"""How much earlier than its slot's boarding a run may begin."""
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_CRON_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_BOUND_TO_THE_DAY = ("BYMONTH", "BYMONTHDAY", "BYSETPOS", "BYYEARDAY", "BYWEEKNO", "BYEASTER")
_NO_START = datetime(2024, 1, 1)  # noqa: DTZ001 - local; a cron line counts from no day
_DAY_MINUTES = 24 * 60
_CHANGES_FROM, _CHANGES_TO = time(2), time(3)
_YEARS_OF_CHANGES = range(2026, 2029)


@dataclass(frozen=True, slots=True)
class Slot:
    """One departure. `name` is its local time, such as 2026-11-24T1000; instants are UTC."""

    name: str
    boards_at: datetime
    departs_at: datetime


@dataclass(frozen=True, slots=True)
class Rule:
    """An RFC 5545 rule in parts, with its first local time. `is_cron`: it was written as a cron line."""

    parts: Mapping[str, str]
    start: datetime
    is_cron: bool = False

    @property
    def times(self) -> list[int]:
        """Return the times of a day that it names, in minutes since midnight."""
        hours = _numbers(self.parts.get("BYHOUR"), self.start.hour)
        minutes = _numbers(self.parts.get("BYMINUTE"), self.start.minute)
        return sorted(hour * 60 + minute for hour in hours for minute in minutes)

    def dates(self, last: datetime) -> "rrule":
        """Return the rule up to a day, as dateutil iterates it; one without a match is sought to the year 9999."""
        from dateutil.rrule import rrulestr

        text = ";".join(f"{key}={value}" for key, value in self.parts.items() if key != "UNTIL")
        until = _read_stamp(self.parts["UNTIL"]) if "UNTIL" in self.parts else last
        found = rrulestr(f"{text};UNTIL={_stamp(min(until, last))}", dtstart=self.start)
        return cast("rrule", found)  # one rule gives no set of rules

    def earlier(self, by: timedelta) -> "Rule":
        """Return the rule whose every time is earlier. Raises ValueError when no rule says that."""
        minutes = int(by.total_seconds()) // 60
        moved = [divmod(at - minutes, _DAY_MINUTES) for at in self.times]
        days = {day for day, _ in moved}
        hours = sorted({at // 60 for _, at in moved})
        past = sorted({at % 60 for _, at in moved})
        if len(days) > 1 or len(hours) * len(past) != len(moved):
            raise ValueError("its times of the day do not move together")
        parts = dict(self.parts)
        if "BYHOUR" in parts or "BYMINUTE" in parts:
            parts |= {"BYHOUR": _spell(hours), "BYMINUTE": _spell(past)}
        if day := days.pop():
            if parts["FREQ"] in ("MONTHLY", "YEARLY") or any(k in parts for k in _BOUND_TO_THE_DAY):
                raise ValueError("it would end on another day than the rule names")
            parts |= {"WKST": _turned(parts.get("WKST", "MO"), day)}
            if "BYDAY" in parts:
                parts["BYDAY"] = _turned(parts["BYDAY"], day)
        if "UNTIL" in parts:
            parts["UNTIL"] = _stamp(_read_stamp(parts["UNTIL"]) - by)
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
        return f"DTSTART:{_stamp(self.start)}\nRRULE:{self._text()}"

    def _text(self) -> str:
        return ";".join(f"{key}={value}" for key, value in self.parts.items())


@dataclass(frozen=True, slots=True)
class Timetable:
    """When a train departs, and how long before that boarding ends. No rule: when somebody says so."""

    rule: Rule | None
    zone: str = "UTC"
    cut_off: timedelta = timedelta(0)

    def slot(self, name: str) -> Slot:
        """Return the slot of this name, planned or not. Raises ValueError for a name that is no time."""
        return self._slot(datetime.strptime(name, "%Y-%m-%dT%H%M"))  # noqa: DTZ007 - local

    def at(self, instant: datetime) -> Slot:
        """Return the slot of this minute."""
        return self._slot(self._local(instant).replace(second=0, microsecond=0))

    def has(self, slot: Slot) -> bool:
        """Tell whether a train departs then by this timetable."""
        before = slot.departs_at - timedelta(seconds=1)
        return next(self.after(before), None) == slot

    def after(self, instant: datetime) -> Iterator[Slot]:
        """Yield the departures after an instant; none within eight years ends it."""
        for slot in self._from(instant):
            if slot.departs_at > instant:
                yield slot

    def boarding(self, now: datetime) -> Slot | None:
        """Return the last slot whose boarding has ended by now, departed or not."""
        if (rule := self._rule_from(now - HORIZON)) is None:
            return None
        last = self._local(now) + self.cut_off + EARLY
        found = rule.dates(last).before(last, inc=True)
        return None if found is None else self._slot(found)

    def _from(self, instant: datetime) -> Iterator[Slot]:
        if (rule := self._rule_from(instant - timedelta(days=2))) is None:
            return
        first = self._local(instant) - timedelta(days=1)
        for local in rule.dates(first + HORIZON).xafter(first, inc=True):
            yield self._slot(local)

    def _rule_from(self, instant: datetime) -> Rule | None:
        """Return the rule; a cron line counts from no day, so it begins where it is looked at."""
        if self.rule is None or not self.rule.is_cron:
            return self.rule
        day = self._local(instant).date()
        return replace(self.rule, start=datetime.combine(day, time()))

    def _local(self, instant: datetime) -> datetime:
        return instant.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)

    def _slot(self, local: datetime) -> Slot:
        return Slot(
            local.strftime("%Y-%m-%dT%H%M"),
            self._instant(local - self.cut_off),
            self._instant(local),
        )

    def _instant(self, local: datetime) -> datetime:
        return local.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)


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
    parts = {"FREQ": "DAILY", "BYHOUR": _spell(cron.hours), "BYMINUTE": _spell(cron.minutes)}
    if len(cron.months) < 12:
        parts["BYMONTH"] = _spell(cron.months)
    if len(cron.days) < 31:
        if not all(1 <= day <= 31 for day in cron.days):
            raise ValueError("`L` and `W` are no plain days")
        parts["BYMONTHDAY"] = _spell(cron.days)
    if len(weekdays) < 7:
        parts["BYDAY"] = ",".join(DAYS[(day - 1) % 7] for day in sorted(weekdays))
    return Rule(parts, _NO_START, is_cron=True)


def read_rrule(text: str, start: datetime) -> Rule:
    """Read an RFC 5545 rule with its first local time. Raises ValueError that says what is wrong."""
    if ":" in text or "\n" in text:
        raise ValueError("it holds more than the rule")
    parts = dict(_part(part) for part in text.upper().split(";") if part)
    if parts.get("FREQ") not in _FREQUENCIES:
        raise ValueError(f"its FREQ is none of {', '.join(_FREQUENCIES)}")
    if parts.get("UNTIL", "").endswith("Z"):
        raise ValueError("its UNTIL is in UTC, the train in its zone")
    for key, instead in (
        ("BYSECOND", "seconds"),
        ("COUNT", "a number of departures, not an UNTIL"),
    ):
        if key in parts:
            raise ValueError(f"it names {instead}")
    rule = Rule(parts, start)
    try:
        rule.dates(start)
        _ = rule.times
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"it cannot be read ({error})") from None
    return rule


def never_departs(rule: Rule) -> bool:
    """Tell whether the rule names no day that there is within eight years of its start."""
    return next(iter(rule.dates(rule.start + HORIZON)), None) is None


def changing_time(rule: Rule, zone: str) -> str:
    """Return a time of the rule at which clocks of the zone may change, such as 02:30; empty for none."""
    own = _changes(zone)
    for minutes in rule.times:
        at = time(minutes // 60, minutes % 60)
        if _CHANGES_FROM <= at < _CHANGES_TO or any(
            _is_odd(datetime.combine(day, at), zone) for day in own
        ):
            return at.strftime("%H:%M")
    return ""


def _changes(zone: str) -> list[date]:
    """Return the days on which the zone's clocks change in the coming years."""
    place = ZoneInfo(zone)
    found, before = [], None
    for year in _YEARS_OF_CHANGES:
        for number in range(366):
            day = date(year, 1, 1) + timedelta(days=number)
            offset = datetime.combine(day, time(23, 59), place).utcoffset()
            if before is not None and offset != before:
                found.append(day)
            before = offset
    return found


def _is_odd(local: datetime, zone: str) -> bool:
    """Tell whether the zone has this local time not once: never, or twice."""
    offsets = {local.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset() for fold in (0, 1)}
    return len(offsets) > 1


def _part(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not value:
        raise ValueError(f"`{text}` is no KEY=VALUE")
    return key.strip(), value.strip()


def _numbers(text: str | None, otherwise: int) -> list[int]:
    return [otherwise] if text is None else [int(number) for number in text.split(",")]


def _spell(numbers: Sequence[int] | set[int]) -> str:
    return ",".join(map(str, sorted(numbers)))


def _turned(days: str, by: int) -> str:
    """Return names of weekdays moved by so many days."""
    return ",".join(DAYS[(DAYS.index(day) + by) % 7] for day in days.split(","))


def _stamp(local: datetime) -> str:
    return local.strftime("%Y%m%dT%H%M%S")


def _read_stamp(text: str) -> datetime:
    pattern = "%Y%m%dT%H%M%S" if "T" in text else "%Y%m%d"
    return datetime.strptime(text, pattern)  # noqa: DTZ007 - local
