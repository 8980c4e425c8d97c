"""Local times that a zone has never or twice, because its clocks change. Pure, no clock."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_FROM, _TO = time(2), time(3)
"""When most zones change theirs. Never a departure, wherever the train is."""
_LAST_YEAR = 2038
"""The tables of zones name each change up to 2037; from then on every year is like the one before."""
_STEP = timedelta(days=7)
"""No zone changes twice in a week."""


def changing_time(times: Iterable[int], zone: str, since: int) -> str:
    """Return one of these times of day at which clocks of the zone may change, such as 02:30; empty for none.

    `times` are in minutes since midnight; `since` is the first year that counts.
    """
    spans = _odd_spans(zone, since)
    for minutes in times:
        at = time(minutes // 60, minutes % 60)
        if _FROM <= at < _TO or any(_covers(span, at) for span in spans):
            return at.strftime("%H:%M")
    return ""


def clocks_change(at: str, zone: str, since: int) -> bool:
    """Tell whether clocks of this very zone may change at a time of day such as 02:30."""
    return any(_covers(span, time.fromisoformat(at)) for span in _odd_spans(zone, since))


def _covers(span: tuple[datetime, datetime], at: time) -> bool:
    start, end = span
    days = {start.date(), end.date()}
    return any(start <= datetime.combine(day, at) < end for day in days)


@lru_cache(maxsize=64)
def _odd_spans(zone: str, since: int) -> tuple[tuple[datetime, datetime], ...]:
    """Return the spans of local time that come never or twice."""
    place, at, spans = ZoneInfo(zone), datetime(since, 1, 1, tzinfo=UTC), []
    while at.year <= max(since, _LAST_YEAR):
        later = at + _STEP
        if _offset(at, place) != _offset(later, place):
            change = _instant_of_change(at, later, place)
            before, after = (_offset(one, place) for one in (at, later))
            local = change.replace(tzinfo=None)
            spans.append((local + min(before, after), local + max(before, after)))
        at = later
    return tuple(spans)


def _instant_of_change(before: datetime, after: datetime, place: ZoneInfo) -> datetime:
    """Return the first instant with the later offset, to the second."""
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        if _offset(middle, place) == _offset(before, place):
            before = middle
        else:
            after = middle
    return after


def _offset(instant: datetime, place: ZoneInfo) -> timedelta:
    return instant.astimezone(place).utcoffset() or timedelta()
