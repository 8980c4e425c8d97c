"""What a train says about itself: the models behind trains/*.yaml, and the checks across their keys. No I/O."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from gare.config.checks import approval_problems
from gare.config.document import Document
from gare.config.models import ApprovalRule, StationConfig
from gare.config.problems import Problem, listed, nearest
from gare.connectors.registry import AnnounceSettings
from gare.domain.clock_changes import changing_time, clocks_change
from gare.domain.recurrence import DAY_MINUTES, Rule
from gare.domain.rule_reading import never_departs, read_cron, read_rrule
from gare.domain.timetable import LISTED, Timetable
from gare.settings import Duration, Settings, Slug, short_duration

LONGEST_CUT_OFF = timedelta(days=28)
_STARTS = range(2000, 2100)
LONGEST_MEMBER = 50
"""Characters of a member's name: the steps of its departure are named after it."""


def _before_departure(value: Any) -> Any:
    if isinstance(value, str) and value.strip().startswith("-"):
        raise ValueError(
            "boarding would end after the departure; write how long before it, such as 2h"
        )
    return value


CutOff = Annotated[Duration, BeforeValidator(_before_departure)]
TrainName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,49}$")]


class OnFailure(StrEnum):
    """What a train does when a member fails."""

    HOLD = "hold"
    DROP = "drop"
    ROLL_BACK = "roll back"


class AfterFailure(StrEnum):
    """What the schedule does after a departure in which a member failed."""

    STOP = "stop"
    GO_ON = "go on"


class Schedule(Settings):
    """When the train departs: a cron line, or an RFC 5545 rule with its first departure."""

    cron: str = ""
    """Five fields, such as `0 10 * * 2` for Tuesdays at 10:00."""
    rrule: str = ""
    """RFC 5545 rule, such as `FREQ=WEEKLY;INTERVAL=2`."""
    start: str = ""
    """First departure by the `rrule`, in local time, such as `2026-11-24T10:00`."""
    zone: str
    """Time zone of the departures, such as `Europe/Paris`."""


class Scope(Settings):
    """Which members board, by what the tracker has planned: those with a commit for one of its tickets."""

    version: str = ""
    """Tickets planned for this version, such as `Train {date}`; `{date}` is the day of the departure."""
    sprint: str = ""
    """Tickets of the active sprint of this board, by the board's name or number."""


class TrainConfig(Settings):
    """trains/*.yaml: projects that depart together."""

    name: TrainName
    title: str = ""
    schedule: Schedule | None = None
    """Without it the train departs when somebody says so."""
    cut_off: CutOff = timedelta(0)
    """How long before the departure boarding ends: what is on each member's branch then is released."""
    notice: Duration | None = None
    """How long before the departure it is announced; not longer than `cut_off`."""
    grace: Duration = timedelta(minutes=15)
    """How late it still departs when the station was down; a departure missed by more is not caught up."""
    members: tuple[Slug, ...] = ()
    """Projects of the station that are released together."""
    labels: tuple[Slug, ...] = ()
    """Projects with one of these labels are members too."""
    needs: dict[Slug, tuple[Slug, ...]] = Field(default_factory=dict)
    """Members that must have arrived before a member departs."""
    board: Scope | None = None
    """Only members with something in them that the tracker has planned board."""
    on_failure: OnFailure = OnFailure.HOLD
    """What happens when a member fails: hold the train, drop the member and those that need it, or roll back."""
    after_failure: AfterFailure = AfterFailure.STOP
    """Whether the schedule stops after a departure in which a member failed."""
    go: ApprovalRule | None = None
    """Who must say go before the departure."""
    limit: Annotated[int, Field(ge=1, le=200)] = 10
    """How many members are on their way at once."""
    announce: tuple[AnnounceSettings, ...] = ()
    """Where departures and arrivals are told."""


def members_of(train: TrainConfig, labels: Mapping[str, Collection[str]]) -> list[str]:
    """Return the members: those listed, then those of the train's labels. `labels` has them by project."""
    by_label = [name for name, own in sorted(labels.items()) if set(own) & set(train.labels)]
    return list(dict.fromkeys([*train.members, *by_label]))


def timetable_of(train: TrainConfig) -> Timetable:
    """Return when the train departs. Raises ValueError for a rule that cannot be."""
    if train.schedule is None:
        return Timetable(None, cut_off=train.cut_off)
    return Timetable(_rule(train.schedule), train.schedule.zone, train.cut_off)


def train_problems(
    document: Document,
    train: TrainConfig,
    station: StationConfig,
    labels: Mapping[str, Collection[str]],
) -> Iterator[Problem]:
    """Find what does not fit together in a train's file, or between it and its station."""
    yield from _times(document, train)
    yield from _members(document, train, labels)
    if train.go is not None:
        yield from approval_problems(document, ("go",), train.go, station.people)


def _rule(schedule: Schedule) -> Rule:
    if schedule.cron:
        return read_cron(schedule.cron)
    return read_rrule(schedule.rrule, datetime.fromisoformat(schedule.start))


def _times(document: Document, train: TrainConfig) -> Iterator[Problem]:
    if train.cut_off > LONGEST_CUT_OFF:
        yield document.problem(
            ("cut_off",),
            f"boarding ends at most {LONGEST_CUT_OFF.days} days before the departure.",
            "Write a shorter one, such as `2h` or `1d`.",
        )
        return
    if train.cut_off.total_seconds() % 60:
        yield document.problem(
            ("cut_off",), "boarding ends at a whole minute.", "Write minutes, such as `90m`."
        )
    if train.notice is not None and not train.announce:
        yield document.problem(
            ("notice",), "there is nobody to tell.", "Write `announce`, or take it out."
        )
    if train.notice is not None and train.notice > train.cut_off:
        yield document.problem(
            ("notice",),
            "it would be due before boarding has ended, when nobody knows yet who departs.",
            f"Write at most the `cut_off` of {short_duration(train.cut_off)}, or a longer `cut_off`.",
        )
    if train.board is not None and bool(train.board.version) == bool(train.board.sprint):
        yield document.problem(
            ("board",), "it has one of `version` and `sprint`.", "Write one of the two."
        )
    if train.schedule is not None:
        yield from _schedule(document, train, train.schedule)


def _schedule(document: Document, train: TrainConfig, schedule: Schedule) -> Iterator[Problem]:
    if bool(schedule.cron) == bool(schedule.rrule):
        yield document.problem(
            ("schedule",), "it has one of `cron` and `rrule`.", "Write one of the two."
        )
        return
    key = "cron" if schedule.cron else "rrule"
    if schedule.zone not in (zones := _zones()):
        yield document.problem(
            ("schedule", "zone"),
            f"there is no time zone `{schedule.zone}`.",
            f"{nearest(schedule.zone, zones)}Write one such as `Europe/Paris`.",
        )
        return
    if schedule.rrule and (what := _wrong_start(schedule.start)):
        yield document.problem(
            ("schedule", "start"), what, "Write it such as `start: 2026-11-24T10:00`."
        )
        return
    try:
        rule = _rule(schedule)
    except ValueError as error:
        example = "0 10 * * 2" if schedule.cron else "FREQ=WEEKLY;INTERVAL=2"
        yield document.problem(
            ("schedule", key),
            f"this is no {key} that a train can have: {error}.",
            f"Write one such as `{example}`.",
        )
        return
    yield from _departures(document, train, rule, schedule.zone, key)


def _departures(
    document: Document, train: TrainConfig, rule: Rule, zone: str, key: str
) -> Iterator[Problem]:
    place, since = ("schedule", key), datetime.now(UTC).year
    if never_departs(rule):
        yield document.problem(
            place, "the train never departs by it.", "Name a day that there is, or take it out."
        )
        return
    if at := changing_time(rule.times, zone, since):
        yield document.problem(
            place, f"at {at} no train departs: {_changes(at, zone, since)}.", _OTHER_TIME
        )
        return
    cut_off = int(train.cut_off.total_seconds()) // 60
    boards = [(minutes - cut_off) % DAY_MINUTES for minutes in rule.times]
    if at := changing_time(boards, zone, since):
        yield document.problem(
            ("cut_off",),
            f"boarding would end at {at}: {_changes(at, zone, since)}.",
            "Take a longer or a shorter one.",
        )
    # One by one they must reach beyond the next start of the station.
    if rule.earlier(train.cut_off) is None and _of_a_year(rule) > LISTED // 2:
        yield document.problem(
            ("cut_off",),
            f"with this `{key}` the end of boarding cannot be planned: some end on the day before, some do not.",
            "Take a shorter one, or a rule with one departure a day.",
        )


def _changes(at: str, zone: str, since: int) -> str:
    """Say why a time is refused: true of a zone without changes, and of a rule that leaves out the days of them."""
    if clocks_change(at, zone, since):
        return "clocks of this zone change then on some days, and it comes never or twice"
    return "from 02:00 to 03:00 is left out in every zone, as clocks of most change then"


def _of_a_year(rule: Rule) -> int:
    return len(list(rule.dates(rule.start + timedelta(days=366))))


_OTHER_TIME = "Take another time than from 02:00 to 03:00, or than the hour at which this zone changes its clocks."


def _members(
    document: Document, train: TrainConfig, labels: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    for place, name in enumerate(train.members):
        if name not in labels:
            yield document.problem(
                ("members", place),
                f"there is no project `{name}`.",
                f"{nearest(name, labels)}Projects are {listed(labels)}.",
            )
    known = dict.fromkeys(label for own in labels.values() for label in own)
    for place, label in enumerate(train.labels):
        if label not in known:
            yield document.problem(
                ("labels", place),
                f"no project has the label `{label}`.",
                f"{nearest(label, known)}Labels are {listed(known)}.",
            )
    members = members_of(train, labels)
    if not members:
        yield document.problem(
            ("members",), "the train has no member.", "List projects, or name their `labels`."
        )
    for name in members:
        if len(name) > LONGEST_MEMBER:
            yield document.problem(
                ("members",),
                f"`{name}` is longer than {LONGEST_MEMBER} characters.",
                "Give the project a shorter name.",
            )
    yield from _order(document, train, members)


def _order(document: Document, train: TrainConfig, members: list[str]) -> Iterator[Problem]:
    for name, wanted in train.needs.items():
        paths = [
            (name, ("needs", name)),
            *((need, ("needs", name, at)) for at, need in enumerate(wanted)),
        ]
        for member, path in paths:
            if member not in members:
                yield document.problem(
                    path,
                    f"`{member}` is no member of this train.",
                    f"{nearest(member, members)}Members are {listed(members)}.",
                )
    try:
        TopologicalSorter(train.needs).prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        yield document.problem(
            ("needs", circle[0]),
            f"the members wait for each other in a circle: {' -> '.join(circle)}.",
            "Take one of them out.",
        )


def _wrong_start(text: str) -> str:
    """Say why a text is no first departure; empty for one that is."""
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        start = None
    if start is None or start.tzinfo is not None or "T" not in text:
        return "an `rrule` has its first departure in local time, without a zone."
    if start.second or start.microsecond:
        return "a train departs at a whole minute."
    if start.year not in _STARTS:
        return f"its year is not from {_STARTS[0]} to {_STARTS[-1]}."
    return ""


def _zones() -> set[str]:
    from zoneinfo import available_timezones

    return available_timezones()
