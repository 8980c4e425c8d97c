"""Departures for which boarding has ended and nobody is on board: a train, or its schedule, came too late for them."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import takewhile

from gare.config.train_files import Train
from gare.domain.plan import Kind, of_train
from gare.domain.timetable import EARLY, Slot
from gare.engine import deployment_of
from gare.errors import GareError
from gare.wiring import Gare


def unboarded(gare: Gare, train: Train) -> list[Slot]:
    """Return the departures that may still be, and will not be unless somebody boards for them."""
    return list(_unboarded(gare, train))


def _unboarded(gare: Gare, train: Train) -> Iterator[Slot]:
    now, name = gare.ledger.now(), train.config.name
    slots = train.timetable.after(now - train.config.grace)
    ended = list(takewhile(lambda slot: slot.boards_at + EARLY < now, slots))
    if not ended or gare.ledger.trains.stopped(name):
        return
    seen = {one.version for one in gare.ledger.releases.find(project=of_train(name))}
    seen |= gare.ledger.trains.skips(name).keys()
    for slot in ended:
        if slot.name not in seen and not _is_boarding(gare, name, slot):
            yield slot


def _is_boarding(gare: Gare, name: str, slot: Slot) -> bool:
    """Tell whether a run of the train is under way that is not another departure's. Who is away tells of no run."""
    subject = of_train(name)
    with suppress(GareError):
        return any(
            request.get("name") == name
            and (run == f"{subject} {slot.name}" or not run.startswith(f"{subject} "))
            for run, request in gare.engine.under_way(deployment_of(Kind.TRAIN))
        )
    return False


def told(name: str, slot: str) -> str:
    """Tell that nobody is on board, and what to do."""
    return f"nobody has boarded for {slot}: `gare train board {name} --slot {slot}`"
