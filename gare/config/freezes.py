"""What files and commands say about freeze windows and stops: the models behind `freezes:` and `calendars:`.

The same for station.yaml, gare.yaml and `gare freeze add`. What a window means is in `gare.domain.freezes`, what can
be wrong with one in `freeze_problems.py` beside this file.
"""

from datetime import datetime, time, timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from gare.domain.clearance import BEFORE_ALL
from gare.domain.freezes import FOR_EVER, OnClosed, Scope, Window, WindowKind
from gare.domain.plan import Kind
from gare.domain.rules import is_endless
from gare.domain.spans import Holidays, Once, Rule, Times, Weekly
from gare.settings import Duration, Settings, Slug

ZONE = "Europe/Paris"
YEARS = range(1970, 3000)
"""Years that a freeze may be in: what is written for `never` or `for ever` would not fit into any calendar."""
_DAY = "%Y-%m-%d"
_MOMENTS = (f"{_DAY} %H:%M", f"{_DAY}T%H:%M", _DAY)


class Weekday(StrEnum):
    """A day of the week, Monday first."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        from zoneinfo import available_timezones

        near = get_close_matches(name, sorted(available_timezones()), n=1) or [ZONE]
        raise ValueError(
            f"there is no time zone `{name}`; write a name of the IANA database, such as {near[0]}"
        ) from None
    return name


def _moment(text: str) -> str:
    if text and read_moment(text).year not in YEARS:
        raise ValueError(f"write a year from {YEARS.start} to {YEARS.stop - 1}")
    return text


def _hour(text: str) -> str:
    try:
        is_local = time.fromisoformat(text).tzinfo is None
    except ValueError:
        is_local = False
    if not is_local:
        raise ValueError("write an hour of the day, such as 15:00; `zone` says where")
    return text


def _positive(lasts: timedelta) -> timedelta:
    if not lasts:
        raise ValueError("write how long it lasts, such as 4h; without it, until somebody lifts it")
    return lasts


def read_moment(text: str) -> datetime:
    """Read a local day and time. Raises ValueError that says what to write."""
    for form in _MOMENTS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - local; `zone` says where
        except ValueError:
            continue
    raise ValueError("write a local day and time, such as 2026-12-18 18:00, or a day alone")


ZoneName = Annotated[str, AfterValidator(_zone)]
Moment = Annotated[str, AfterValidator(_moment)]
Hour = Annotated[str, AfterValidator(_hour)]
Patterns = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


class FreezeScope(Settings):
    """What every source of windows says: whom they are about and what they do."""

    name: Slug
    """Short name, shown wherever the window keeps something."""
    kind: WindowKind = WindowKind.DENY
    """`deny`: closed in these times. `allow`: closed in all others."""
    projects: Patterns = ("*",)
    """Projects, as names or patterns such as `shop-*`."""
    environments: Patterns = ("*",)
    """Environments, as names or patterns."""
    lets: tuple[Kind, ...] = (Kind.ROLLBACK,)
    """Kinds of releases that the window does not keep."""
    on_closed: OnClosed = OnClosed.WAIT
    """Whether a release that meets the window waits, or is refused and ends."""
    owner: str = ""
    """Whom to ask."""
    reason: str = ""
    """Why; shown to whoever waits."""
    zone: ZoneName = ZONE
    """Time zone in which the times are meant."""

    def scope(self) -> Scope:
        """Return whom the windows are about."""
        return Scope(self.projects, self.environments, frozenset(self.lets))

    def window(self, times: Times, origin: str, *, number: int = 0, note: str = "") -> Window:
        """Return the station's window with these times; `number` is that of its entry in the ledger."""
        return Window(
            self.name,
            times,
            self.kind,
            self.scope(),
            self.on_closed,
            self.owner,
            self.reason,
            origin,
            number=number,
            note=note,
        )


class CalendarFile(FreezeScope):
    """An iCalendar file (RFC 5545) whose events are freeze windows."""

    file: Annotated[str, Field(min_length=1)]
    """Path of the .ics file, relative to station.yaml. It is read again at every look."""
    free: Literal["opens", "closes"] = "opens"
    """Whether events whose time is free (TRANSPARENT) close too, as those of many holiday calendars are."""


class Freeze(FreezeScope):
    """A freeze window: `start` and `end`, or `days`, or an `rrule` with `start` and `lasts`, or `holidays`."""

    start: Moment = ""
    """Local day and time; a day alone is its beginning."""
    end: Moment = ""
    """Local day and time; a day alone is its end."""
    days: tuple[Weekday, ...] = ()
    """Days of every week."""
    after: Hour = "00:00"
    """With `days`: from this hour on."""
    before: Hour = "00:00"
    """With `days`: until this hour; on the next day when it is not later than `after`."""
    rrule: str = ""
    """A rule of RFC 5545 from `start` on, such as `FREQ=MONTHLY;BYDAY=-1FR`; each time `lasts` long."""
    lasts: Duration = timedelta(0)
    """With `rrule`: how long each time is."""
    holidays: str = ""
    """Public holidays of a country: its ISO 3166 code, such as `FR`."""
    region: str = ""
    """With `holidays`: a region with further ones, such as `57` (Moselle)."""

    def times(self) -> Times:
        """Return when it is. Only for one without problems."""
        zone, is_short = ZoneInfo(self.zone), self.kind is WindowKind.ALLOW
        if self.days:
            return Weekly(
                frozenset(list(Weekday).index(day) for day in self.days),
                time.fromisoformat(self.after),
                time.fromisoformat(self.before),
                zone,
                is_short,
            )
        if self.holidays:
            return Holidays(self.holidays, self.region, zone, is_short)
        if self.rrule:
            return Rule(read_moment(self.start), self.rrule, self.lasts, zone)
        return Once(read_moment(self.start), end_moment(self.end), zone, is_short)

    @property
    def is_endless(self) -> bool:
        """Whether it comes again for ever: nobody wrote when it ends."""
        if self.rrule:
            return is_endless(self.rrule)
        return bool(self.days or self.holidays)

    def over_at(self) -> datetime | None:
        """Return when it is over for good; None for one that comes again, though a rule may have an end.

        One that allows is never over: after its time its environment is as closed as before it.
        """
        times = self.times()
        if self.kind is WindowKind.ALLOW or not isinstance(times, Once):
            return None
        return next((span.end for span in times.spans(BEFORE_ALL, FOR_EVER)), None)


def end_moment(text: str) -> datetime:
    """Read the local end of a window: a day alone is its end."""
    found = read_moment(text)
    return found + timedelta(days=1) if len(text) == len("2026-12-18") else found


def spell_moment(local: datetime) -> str:
    """Spell a local day and time as people write it."""
    return local.strftime(_MOMENTS[0])


class StopOrder(Settings):
    """What somebody says who stops the line; kept in the ledger. Its keys are those of a window."""

    name: Slug
    reason: Annotated[str, Field(min_length=1)]
    lasts: Annotated[Duration, AfterValidator(_positive)] | None = None
    """After what time it ends by itself; none: when it is lifted."""
    link: str = ""
    """Address of the incident."""
    projects: Patterns = ("*",)
    environments: Patterns = ("*",)
    lets: tuple[Kind, ...] = (Kind.ROLLBACK,)

    def scope(self) -> Scope:
        """Return whom the stop is about."""
        return Scope(self.projects, self.environments, frozenset(self.lets))
