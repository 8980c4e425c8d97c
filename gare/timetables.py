"""The timetables of trains as schedules of the engine: one of each train, which starts the run that boards."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gare.config.train_files import Train
from gare.domain.plan import Kind
from gare.domain.recurrence import as_dates
from gare.engine import Schedule, deployment_of
from gare.errors import NotFound, Refused
from gare.requests import BOARDING, TrainRequest
from gare.settings import short_duration
from gare.wiring import Gare

DEPLOYMENT = deployment_of(Kind.TRAIN)
_LONGEST = 500
_STOPPED = "stands still: "
"""How the reason of a schedule begins that rests because its train stands still, and not because of a person there."""
_DEPARTURES = "The schedules here show when boarding ends. Departures:"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The schedule that a train shall have. `stopped` says why it rests; empty when it does not."""

    when: Mapping[str, Any]
    stopped: str = ""

    def is_when(self, there: Schedule) -> bool:
        """Tell whether a schedule of the engine, which has more keys, is at these times."""
        return all(there.when.get(key) == value for key, value in self.when.items())


def apply_timetables(gare: Gare, *, anew: str = "") -> list[str]:
    """Make the engine's schedules those of the trains' files; return what was changed, in words.

    A train whose file is gone loses its schedule, one whose file is wrong keeps the last good one, one that stands
    still has it paused. A schedule that a person has paused in the engine stays paused; `anew` names a train whose
    schedule goes on all the same.
    """
    wanted = {
        name: found
        for name, train in gare.station.trains.items()
        if (found := wanted_of(gare, train)) is not None
    }
    there = {schedule.slug: schedule for schedule in gare.engine.schedules(DEPLOYMENT)}
    told = []
    for slug, schedule in there.items():
        if slug not in wanted and slug not in gare.station.trains.broken:
            _drop(gare, schedule)
            told.append(f"{slug} removed")
    for slug, one in wanted.items():
        told += _bring_in_line(gare, slug, one, there.get(slug), is_anew=slug == anew)
    gare.engine.add_to_description(DEPLOYMENT, _DEPARTURES, _departures(gare))
    return told


def restore_schedules(gare: Gare) -> list[str]:
    """Give schedules their parameters back, which the engine's UI forgets when a person pauses one or lets it go on."""
    told = []
    for schedule in gare.engine.schedules(DEPLOYMENT):
        if not schedule.parameters:
            gare.engine.change_schedule(
                schedule, active=schedule.is_active, parameters=_parameters(schedule.slug)
            )
            told.append(f"the schedule of {schedule.slug} knows its train again")
    return told


def with_schedules(gare: Gare) -> set[str]:
    """Return the names of the trains that have a schedule in the engine, whatever their files say now."""
    return {schedule.slug for schedule in gare.engine.schedules(DEPLOYMENT)}


def differences(gare: Gare) -> Iterator[tuple[str, str]]:
    """Yield each train whose schedule in the engine is not that of its file, and how it stands."""
    there = {schedule.slug: schedule for schedule in gare.engine.schedules(DEPLOYMENT)}
    for name, train in gare.station.trains.items():
        one, schedule = wanted_of(gare, train), there.pop(name, None)
        if one is None and schedule is not None:
            yield name, "has a schedule in the engine, and no timetable any more"
        elif one is not None and schedule is None:
            yield name, "has no schedule in the engine"
        elif one is not None and schedule is not None:
            if not one.is_when(schedule):
                yield name, "has another timetable in the engine"
            elif not schedule.is_active and not one.stopped:
                yield name, "is paused in the engine"
    for name in there.keys() - gare.station.trains.broken.keys():
        yield name, "has a schedule in the engine, and no file any more"


def wanted_of(gare: Gare, train: Train) -> Wanted | None:
    """Return the schedule of the boardings; None for a train without a timetable."""
    timetable = train.timetable
    if timetable.rule is None:
        return None
    boards = timetable.rule.earlier(timetable.cut_off)
    if boards is None:
        when = {"rrule": as_dates(timetable.boardings(gare.ledger.now().year))}
    else:
        when = {"cron": boards.as_cron()} if boards.is_cron else {"rrule": boards.as_rfc()}
    stop = gare.ledger.trains.stopped(train.config.name)
    return Wanted({**when, "timezone": timetable.zone}, stop.reason if stop else "")


def _bring_in_line(
    gare: Gare, slug: str, wanted: Wanted, there: Schedule | None, *, is_anew: bool
) -> Iterator[str]:
    is_active = not wanted.stopped and (there is None or is_anew or _may_go_on(there))
    # One that a person has paused there does not become ours to let go on.
    is_ours = there is None or there.is_active or _rests_by_us(there)
    parameters = _parameters(slug, wanted.stopped if is_ours else "")
    if there is None or is_anew or not wanted.is_when(there):
        if there is not None:
            _drop(gare, there)
        fields = {"schedule": wanted.when, "active": is_active, "parameters": parameters}
        _make(gare, slug, wanted, fields)
        yield f"{slug} registered"
    elif (there.is_active, there.parameters) != (is_active, parameters):
        try:
            gare.engine.change_schedule(there, active=is_active, parameters=parameters)
        except NotFound as error:
            raise _another_apply(slug) from error
        if there.is_active != is_active:
            yield f"{slug} {'goes on' if is_active else 'paused'}"


def _drop(gare: Gare, schedule: Schedule) -> None:
    """Take a schedule away; one that another apply has taken away meanwhile is gone."""
    with suppress(NotFound):
        gare.engine.drop_schedule(schedule)


def _make(gare: Gare, slug: str, wanted: Wanted, fields: Mapping[str, Any]) -> None:
    """Make a schedule; the engine has one of each name, and another apply may have made it meanwhile."""
    try:
        gare.engine.make_schedule(DEPLOYMENT, slug, fields)
    except Refused as error:
        made = {schedule.slug: schedule for schedule in gare.engine.schedules(DEPLOYMENT)}
        if slug not in made:
            raise  # for a reason of its own
        if not wanted.is_when(made[slug]) or made[slug].is_active != fields["active"]:
            raise _another_apply(slug) from error


def _another_apply(slug: str) -> Refused:
    return Refused(
        f"The schedule of {slug} was changed meanwhile: another `gare train apply` is under way.",
        where=f"train {slug}",
        hint="Do it again.",
    )


def _may_go_on(there: Schedule) -> bool:
    return there.is_active or _rests_by_us(there)


def _rests_by_us(there: Schedule) -> bool:
    request = there.parameters.get("request", {})
    return not there.is_active and str(request.get("reason", "")).startswith(_STOPPED)


def _parameters(slug: str, stopped: str = "") -> dict[str, Any]:
    reason = f"{_STOPPED}{stopped}"[:_LONGEST] if stopped else ""
    request = TrainRequest(name=slug, slot=BOARDING, reason=reason)
    return {"request": request.model_dump(mode="json")}


def _departures(gare: Gare) -> str:
    """Tell when the trains depart: a schedule of the engine has no words of its own."""
    lines = []
    for name, train in gare.station.trains.items():
        table = train.timetable
        if table.rule is not None:
            before = (
                f", boarding ends {short_duration(table.cut_off)} before" if table.cut_off else ""
            )
            lines.append(f"- **{name}**: `{table.rule}` in {table.zone}{before}")
    return "\n".join(lines)
