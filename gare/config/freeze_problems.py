"""What can be wrong with freeze windows, calendars and stops, in files and in commands: key, what, what to write."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from gare.config.document import Document
from gare.config.freezes import (
    Freeze,
    FreezeScope,
    StopOrder,
    end_moment,
    read_moment,
    spell_moment,
)
from gare.config.problems import InvalidFiles, KeyPath, Problem, listed, nearest
from gare.domain.clearance import next_opening, when
from gare.domain.freezes import Calendar, Move, Window, WindowKind
from gare.domain.rules import parsed_rule, rule_problem
from gare.domain.spans import Rule, Times, over_since
from gare.settings import Settings

Model = TypeVar("Model", bound=Settings)
_SOME_YEAR = 2026
_A_DAY = timedelta(days=1)
_PATTERN_LETTERS = "*?["


@dataclass(frozen=True, slots=True)
class Known:
    """The environments and projects that a freeze can be about; an empty one is not looked at."""

    environments: Collection[str] = ()
    projects: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Wording:
    """How what is to be written is spelled: as a key of a file, or as an option of a command."""

    thing: str
    before: str = ""
    between: str = ": "
    renamed: Mapping[str, str] = field(default_factory=dict)

    def say(self, key: str, value: str = "") -> str:
        """Spell a key, with the value that it shall have."""
        if value and self.before and " " in value:
            value = f'"{value}"'
        name = f"{self.before}{self.renamed.get(key, key)}"
        return f"`{name}{self.between}{value}`" if value else f"`{name}`"


IN_FILE = Wording("key")
ON_COMMAND = Wording("option", "--", " ", {"days": "day"})

Lists = Mapping[str, Sequence[FreezeScope]]
"""Windows and calendars of one file, by their key."""


def freezes_problems(document: Document, lists: Lists, known: Known) -> Iterator[Problem]:
    """Find what does not fit together in the windows and calendars of a file: a name is used once over all of them."""
    names: dict[str, str] = {}
    for key, freezes in lists.items():
        for place, freeze in enumerate(freezes):
            if freeze.name in names:
                yield document.problem(
                    (key, place, "name"),
                    f"`{freeze.name}` is already {names[freeze.name]}.",
                    "Give each a name of its own.",
                )
            names.setdefault(freeze.name, f"{key}[{place}]")
            yield from freeze_problems(document, (key, place), freeze, known)


def own_problems(
    document: Document, freezes: Sequence[Freeze], project: str, known: Known
) -> Iterator[Problem]:
    """Find what is wrong with the windows of a project's own file: they are about that project alone."""
    yield from freezes_problems(document, {"freezes": freezes}, known)
    for place, freeze in enumerate(freezes):
        if "projects" in freeze.model_fields_set and freeze.projects != (project,):
            yield document.problem(
                ("freezes", place, "projects"),
                f"a freeze in this file is about `{project}` alone.",
                "Take it out, or write the freeze into station.yaml.",
            )


def projects_problems(document: Document, lists: Lists, known: Known) -> Iterator[Problem]:
    """Find projects in the windows and calendars of station.yaml that there are not."""
    for key, freezes in lists.items():
        for place, freeze in enumerate(freezes):
            yield from _strange_names(document, (key, place), freeze, "projects", known.projects)


def freeze_problems(
    document: Document,
    path: KeyPath,
    freeze: FreezeScope | StopOrder,
    known: Known,
    wording: Wording = IN_FILE,
) -> Iterator[Problem]:
    """Find what does not fit together in one window or stop."""
    yield from _strange_names(document, path, freeze, "environments", known.environments)
    yield from _strange_names(document, path, freeze, "projects", known.projects)
    if isinstance(freeze, Freeze):
        for key, what, write in _times_problems(freeze, wording):
            yield document.problem((*path, *([key] if key else [])), what, write)


def vain_patterns(freeze: FreezeScope | StopOrder, known: Known) -> Iterator[str]:
    """Say which patterns are the name of nothing now; they may be of something that is to come."""
    for key, names in (("projects", known.projects), ("environments", known.environments)):
        for pattern in getattr(freeze, key):
            matches = any(fnmatchcase(name, pattern) for name in names)
            if is_pattern(pattern) and names and not matches:
                yield f"no {key.removesuffix('s')} is called like `{pattern}` now; {key} are {listed(names)}."


def is_pattern(name: str) -> bool:
    """Tell whether an entry of a freeze is about whatever is called like that, which may be nothing."""
    return any(letter in name for letter in _PATTERN_LETTERS)


def _strange_names(
    document: Document,
    path: KeyPath,
    freeze: FreezeScope | StopOrder,
    key: str,
    known: Collection[str],
) -> Iterator[Problem]:
    """Yield each environment or project that there is not: a freeze about nothing keeps nobody."""
    for place, name in enumerate(getattr(freeze, key)):
        if not is_pattern(name) and name not in known and known:
            yield document.problem(
                (*path, key, place),
                f"there is no {key.removesuffix('s')} `{name}`.",
                f"{nearest(name, known)}{key.capitalize()} are {listed(known)}.",
            )


Found = Iterator[tuple[str, str, str]]


def _times_problems(freeze: Freeze, wording: Wording) -> Found:
    """Yield key, what is wrong, and what to write."""
    ways = [way for way in ("days", "rrule", "holidays") if getattr(freeze, way)]
    if len(ways) > 1:
        named = " and ".join(map(wording.say, ways))
        yield ways[1], f"{named} are several ways to say when.", "Write a freeze for each."
        return
    way = ways[0] if ways else "start"
    yield from _strangers(freeze, way, wording)
    match way:
        case "start":
            yield from _once_problems(freeze, wording)
        case "rrule":
            yield from _rule_problems(freeze, wording)
        case "holidays":
            yield from _holidays_problems(freeze)
        case _ if freeze.kind is WindowKind.DENY and _never_opens(freeze.times()):
            yield (
                way,
                "these hours run into each other: it never opens.",
                "Leave a day or an hour out.",
            )


_BELONGS = {"after": "days", "before": "days", "lasts": "rrule", "region": "holidays"}


def _strangers(freeze: Freeze, way: str, wording: Wording) -> Found:
    say = wording.say
    for key in sorted(freeze.model_fields_set & set(_BELONGS)):
        if _BELONGS[key] != way:
            yield key, f"{say(key)} goes with {say(_BELONGS[key])}.", "Take it out."
    if way in ("days", "holidays"):
        for key in ("start", "end"):
            if getattr(freeze, key):
                yield key, f"{say(key)} does not go with {say(way)}.", "Take it out."
    elif way == "rrule" and freeze.end:
        yield (
            "end",
            f"{say('end')} does not go with {say('rrule')}.",
            f"Write {say('lasts')}, and UNTIL or COUNT in the rule.",
        )


def _once_problems(freeze: Freeze, wording: Wording) -> Found:
    say = wording.say
    if not freeze.start and not freeze.end:
        yield (
            "",
            "it does not say when.",
            f"Write {say('start')} and {say('end')}, or {say('days')}, {say('rrule')} or {say('holidays')}.",
        )
    elif not freeze.end:
        after = spell_moment(read_moment(freeze.start) + _A_DAY)
        yield (
            "end",
            f"the {wording.thing} is missing.",
            f"Write {say('end', after)}; without an end it is a stop: `gare freeze stop {freeze.name}`.",
        )
    elif not freeze.start:
        before = spell_moment(end_moment(freeze.end) - _A_DAY)
        yield "start", f"the {wording.thing} is missing.", f"Write {say('start', before)}."
    elif end_moment(freeze.end) <= read_moment(freeze.start):
        yield "end", "it ends before it starts.", f"Write an {say('end')} after {freeze.start}."


def _rule_problems(freeze: Freeze, wording: Wording) -> Found:
    if not freeze.start:
        yield (
            "start",
            f"the {wording.thing} is missing.",
            f"Write when the first one starts: {wording.say('start', '2026-12-18 18:00')}.",
        )
        return
    if not freeze.lasts:
        yield (
            "lasts",
            f"the {wording.thing} is missing.",
            f"Write how long each time is: {wording.say('lasts', '4h')}.",
        )
        return
    start, zone = read_moment(freeze.start), ZoneInfo(freeze.zone)
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


def read_freeze(
    command: str, said: Mapping[str, Any], known: Known, now: datetime | None = None
) -> Freeze:
    """Make a window of what a command was given; with `now`, one that is over is refused.

    Raises ConfigError with every problem found.
    """
    freeze, document = read_settings(command, Freeze, said), _document(command, said)
    problems = list(freeze_problems(document, (), freeze, known, ON_COMMAND))
    if now and not problems and (over := over_since(freeze.times(), now)):
        key, write = "end", f"Write an {ON_COMMAND.say('end')} that is to come."
        if freeze.rrule:
            key, write = "rrule", "Write an UNTIL or a COUNT that reaches beyond today."
        what = f"it was over {when(over, ZoneInfo(freeze.zone))}."
        problems.append(document.problem((key,), what, write))
    if problems:
        raise InvalidFiles(problems)
    return freeze


def read_stop(command: str, said: Mapping[str, Any], known: Known) -> StopOrder:
    """Make a stop of what a command was given. Raises ConfigError with every problem found."""
    order = read_settings(command, StopOrder, said)
    if problems := list(freeze_problems(_document(command, said), (), order, known)):
        raise InvalidFiles(problems)
    return order


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
