"""When a train boards and departs: slots in local time, right on both clock changes. Pure, no clock.

A slot is a wall-clock time in the train's zone. Its instant is computed here and nowhere else: the engine only wakes
the run that boards.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from itertools import islice, takewhile
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gare.domain.recurrence import HORIZON, Rule

EARLY = timedelta(minutes=1)
"""How much earlier than its slot's boarding a run may begin."""
LISTED = 300
"""How many boardings may be told to the engine one by one, when no rule says when they are."""
_LISTED_YEARS = 5


@dataclass(frozen=True, slots=True)
class Slot:
    """One departure. `name` is its local time, such as 2026-11-24T1000; instants are UTC."""

    name: str
    boards_at: datetime
    departs_at: datetime


class Kept(NamedTuple):
    """Why a train that has boarded does not leave at its slot, and the command that lets it."""

    said: str
    undo: str


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

    def boardings(self, year: int) -> list[datetime]:
        """Return the local times of the boardings of a year and the next ones, as many as may be listed."""
        first = datetime(year, 1, 1, tzinfo=UTC)
        last = first.replace(year=year + _LISTED_YEARS)
        slots = takewhile(lambda slot: slot.departs_at < last, self.after(first))
        return [self._local(slot.boards_at) for slot in islice(slots, LISTED)]

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
