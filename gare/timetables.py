"""The timetables of trains as schedules of the engine: one of each train, which starts the run that boards."""

from typing import Any

from gare.config.train_files import Train
from gare.domain.plan import Kind
from gare.domain.recurrence import as_dates
from gare.engine import deployment_of
from gare.requests import BOARDING, TrainRequest
from gare.wiring import Gare


def apply_timetables(gare: Gare, *, anew: str = "") -> list[str]:
    """Make the engine's schedules those of the trains' files; return what was changed, in words.

    A train whose file is gone or broken loses its schedule, one that stands still has it paused. `anew` names a train
    whose schedule goes on again.
    """
    wanted = {
        name: found
        for name, train in gare.station.trains.items()
        if (found := schedule_of(gare, train)) is not None
    }
    return gare.engine.keep_schedules(deployment_of(Kind.TRAIN), wanted, anew=anew)


def schedule_of(gare: Gare, train: Train) -> dict[str, Any] | None:
    """Return the schedule of the boardings, as Prefect's API takes it; None for a train without a timetable."""
    timetable = train.timetable
    if timetable.rule is None:
        return None
    boards = timetable.rule.earlier(timetable.cut_off)
    if boards is None:
        when = {"rrule": as_dates(timetable.boardings(gare.ledger.now().year))}
    else:
        when = {"cron": boards.as_cron()} if boards.is_cron else {"rrule": boards.as_rfc()}
    request = TrainRequest(name=train.config.name, slot=BOARDING)
    return {
        "schedule": {**when, "timezone": timetable.zone},
        "active": gare.ledger.trains.stopped(train.config.name) is None,
        "parameters": {"request": request.model_dump(mode="json")},
    }
