"""What files and commands say about freeze windows: the models behind `freezes:` and `calendars:`, and what is wrong.

The same for station.yaml, gare.yaml and `gare freeze add`. What a window means is in `gare.domain.freezes`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, ValidationError

from gare.config.document import Document
from gare.config.problems import InvalidFiles, KeyPath, Problem, listed, nearest
from gare.domain.freezes import (
    BEFORE_ALL,
    FOR_EVER,
    Calendar,
    Move,
    OnClosed,
    Scope,
    Window,
    WindowKind,
    next_opening,
)
from gare.domain.plan import Kind
from gare.domain.spans import (
    Holidays,
    Once,
    Rule,
    Times,
    Weekly,
    parsed_rule,
    rule_problem,
)
from gare.settings import Duration, Settings, Slug

Model = TypeVar("Model", bound=Settings)
ZONE = "Europe/Paris"
_DAY = "%Y-%m-%d"
_MOMENTS = (f"{_DAY} %H:%M", f"{_DAY}T%H:%M", _DAY)
_SOME_YEAR = 2026
_PATTERN_LETTERS = "*?["


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
    if text:
        _read_moment(text)
    return text


def _hour(text: str) -> str:
    try:
        time.fromisoformat(text)
    except ValueError:
        raise ValueError("write an hour of the day, such as 15:00") from None
    return text


def _read_moment(text: str) -> datetime:
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

    def window(self, times: Times, origin: str) -> Window:
        """Return the window with these times."""
        return Window(
            self.name,
            times,
            self.kind,
            self.scope(),
            self.on_closed,
            self.owner,
            self.reason,
            origin,
        )


class CalendarFile(FreezeScope):
    """An iCalendar file (RFC 5545) whose events are freeze windows."""

    file: Annotated[str, Field(min_length=1)]
    """Path of the .ics file, relative to station.yaml. It is read again at every look."""


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
            return Rule(_read_moment(self.start), self.rrule, self.lasts, zone)
        return Once(_read_moment(self.start), _end(self.end), zone, is_short)

    def over_at(self) -> datetime | None:
        """Return when it is over for good; None for one that comes again."""
        times = self.times()
        if not isinstance(times, Once):
            return None
        return next((span.end for span in times.spans(BEFORE_ALL, FOR_EVER)), None)


def _end(text: str) -> datetime:
    found = _read_moment(text)
    return found + timedelta(days=1) if len(text) == len("2026-12-18") else found


def freezes_problems(
    document: Document, freezes: Sequence[FreezeScope], key: str, environments: Collection[str]
) -> Iterator[Problem]:
    """Find what does not fit together in a list of windows, or of calendars. `environments`: those that are known."""
    names: dict[str, int] = {}
    for place, freeze in enumerate(freezes):
        if freeze.name in names:
            yield document.problem(
                (key, place, "name"),
                f"`{freeze.name}` is already {key}[{names[freeze.name]}].",
                "Give each a name of its own.",
            )
        names.setdefault(freeze.name, place)
        yield from freeze_problems(document, (key, place), freeze, environments)


def freeze_problems(
    document: Document, path: KeyPath, freeze: FreezeScope, environments: Collection[str]
) -> Iterator[Problem]:
    """Find what does not fit together in one window."""
    for place, name in enumerate(freeze.environments if environments else ()):
        if name not in environments and not any(letter in name for letter in _PATTERN_LETTERS):
            yield document.problem(
                (*path, "environments", place),
                f"there is no environment `{name}`.",
                f"{nearest(name, environments)}Environments are {listed(environments)}.",
            )
    if isinstance(freeze, Freeze):
        for key, what, write in _times_problems(freeze):
            yield document.problem((*path, *([key] if key else [])), what, write)


Found = Iterator[tuple[str, str, str]]


def _times_problems(freeze: Freeze) -> Found:
    """Yield key, what is wrong, and what to write."""
    ways = [way for way in ("days", "rrule", "holidays") if getattr(freeze, way)]
    if len(ways) > 1:
        yield ways[1], f"{listed(ways)} are several ways to say when.", "Write a freeze for each."
        return
    way = ways[0] if ways else "start"
    yield from _strangers(freeze, way)
    match way:
        case "start":
            yield from _once_problems(freeze)
        case "rrule":
            yield from _rule_problems(freeze)
        case "holidays":
            yield from _holidays_problems(freeze)
        case _ if freeze.kind is WindowKind.DENY and _never_opens(freeze.times()):
            yield (
                way,
                "these hours run into each other: it never opens.",
                "Leave a day or an hour out.",
            )


_BELONGS = {"after": "days", "before": "days", "lasts": "rrule", "region": "holidays"}


def _strangers(freeze: Freeze, way: str) -> Found:
    for key in sorted(freeze.model_fields_set & set(_BELONGS)):
        if _BELONGS[key] != way:
            yield key, f"`{key}` goes with `{_BELONGS[key]}`.", "Take it out."
    if way in ("days", "holidays"):
        for key in ("start", "end"):
            if getattr(freeze, key):
                yield key, f"`{key}` does not go with `{way}`.", "Take it out."
    elif way == "rrule" and freeze.end:
        yield (
            "end",
            "`end` does not go with `rrule`.",
            "Write `lasts`, and UNTIL or COUNT in the rule.",
        )


def _once_problems(freeze: Freeze) -> Found:
    if not freeze.start and not freeze.end:
        yield (
            "",
            "it does not say when.",
            "Write `start` and `end`, or `days`, `rrule` or `holidays`.",
        )
    elif not freeze.start or not freeze.end:
        missing = "end" if freeze.start else "start"
        yield missing, "the key is missing.", f"Write `{missing}: 2026-12-18 18:00`."
    elif _end(freeze.end) <= _read_moment(freeze.start):
        yield "end", "it ends before it starts.", f"Write an `end` after {freeze.start}."


def _rule_problems(freeze: Freeze) -> Found:
    if not freeze.start:
        yield (
            "start",
            "the key is missing.",
            "Write when the first one starts: `start: 2026-12-18 18:00`.",
        )
        return
    if not freeze.lasts:
        yield "lasts", "the key is missing.", "Write how long each time is: `lasts: 4h`."
        return
    start, zone = _read_moment(freeze.start), ZoneInfo(freeze.zone)
    if problem := rule_problem(freeze.rrule, start, zone):
        yield "rrule", problem, "Write one such as `FREQ=MONTHLY;BYDAY=-1FR`."
    elif freeze.kind is WindowKind.DENY and _never_opens(freeze.times()):
        yield (
            "rrule",
            "its times run into each other: it never ends.",
            "Write a shorter `lasts`, or an end of the rule: `UNTIL=20270104T080000` or `COUNT=5`.",
        )


def _holidays_problems(freeze: Freeze) -> Found:
    """Yield an unknown country or region. Days are not computed: that loads all countries, a tenth of a second."""
    import holidays
    from holidays.registry import EntityLoader

    key, known = "", list[str]()
    if not isinstance(getattr(holidays, freeze.holidays, None), EntityLoader):
        key, known = "holidays", _places("")
    elif freeze.region and freeze.region not in (known := _places(freeze.holidays)):
        key = "region"
    if key:
        said = getattr(freeze, key)
        what = f"no holidays of a {'region' if key == 'region' else 'country'} `{said}` are known."
        yield key, what, f"{nearest(said, known)}Write its ISO 3166 code, such as `{known[0]}`."


def _places(country: str) -> list[str]:
    """Return the codes of all countries, or of the regions of one."""
    from holidays import list_supported_countries

    known: dict[str, Any] = list_supported_countries(include_aliases=True)
    return [str(region) for region in known[country]] if country else ["FR", *sorted(known)]


def _never_opens(times: Times) -> bool:
    """Tell whether a window, once closed, stays so as far as anybody looks."""
    first = datetime(_SOME_YEAR, 1, 1, tzinfo=ZoneInfo("UTC"))
    if isinstance(times, Rule):
        first = parsed_rule(times.rrule, times.start, times.zone)[0].replace(tzinfo=ZoneInfo("UTC"))
    calendar = Calendar((Window("alone", times),))
    return next_opening(calendar, Move("", ""), first) is None


class StopOrder(Settings):
    """What somebody says who stops the line; kept in the ledger."""

    name: Slug
    reason: Annotated[str, Field(min_length=1)]
    lasts: Duration = timedelta(0)
    """After what time it ends by itself; none: when it is lifted."""
    link: str = ""
    """Address of the incident."""
    projects: Patterns = ("*",)
    environments: Patterns = ("*",)
    lets: tuple[Kind, ...] = (Kind.ROLLBACK,)

    def scope(self) -> Scope:
        """Return whom the stop is about."""
        return Scope(self.projects, self.environments, frozenset(self.lets))


def read_freeze(command: str, said: Mapping[str, Any], environments: Collection[str]) -> Freeze:
    """Make a window of what a command was given. Raises ConfigError with every problem found."""
    freeze = read_settings(command, Freeze, said)
    document = _document(command, said)
    if problems := list(freeze_problems(document, (), freeze, environments)):
        raise InvalidFiles(problems)
    return freeze


def read_settings(command: str, model: type[Model], said: Mapping[str, Any]) -> Model:
    """Make settings of what a command was given. Raises ConfigError with every problem found."""
    from gare.config.wording import problems_of

    try:
        return model.model_validate(said)
    except ValidationError as error:
        raise InvalidFiles(problems_of(_document(command, said), model, error)) from None


def _document(command: str, said: Mapping[str, Any]) -> Document:
    """Spell a command's words as a file without lines, so that its problems are told as those of a file."""
    return Document(Path(command), dict(said), lines={(): 0})
