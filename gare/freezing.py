"""Which freezes count now: those of station.yaml and gare.yaml, of calendar files, and what people added.

Collects; whether an environment is open is decided by `gare.domain.freezes`. What cannot be read closes what it may be
about, until it can.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from gare.config.freezes import CalendarFile, Freeze, FreezeScope, StopOrder
from gare.config.loader import Station
from gare.config.models import ProjectConfig
from gare.domain.freezes import (
    KEEPER,
    Calendar,
    Clearance,
    Move,
    Scope,
    Stop,
    Unreadable,
    Window,
    clearance,
)
from gare.domain.plan import Plan
from gare.domain.releases import StepState
from gare.domain.spans import crons
from gare.errors import GareError
from gare.ledger.freezes import FreezeRecord
from gare.ledger.ledger import Ledger
from gare.ports.freezes import FreezeSource
from gare.reports.freezes import Ahead, ahead

WINDOW, STOP = "window", "stop"


@dataclass(frozen=True)
class Freezes:
    """The freezes of one station."""

    station: Station
    ledger: Ledger
    sources: Callable[[ProjectConfig], Sequence[FreezeSource]] = lambda _project: ()
    """Tells where others keep freeze periods of a project."""

    def calendar(self, project: str) -> Calendar:
        """Return all that counts for a project (or a train), those of its own file included."""
        own = [project] if project in self.station.projects else []
        return _sorted_out([*self._of_station(), *self._of_projects(own), *self._added()])

    def whole_calendar(self) -> Calendar:
        """Return all that counts for any project."""
        names = list(self.station.projects)
        return _sorted_out([*self._of_station(), *self._of_projects(names), *self._added()])

    def clearance(self, move: Move, release_id: str = "") -> Clearance:
        """Say whether a move may be made now; what was overridden for its release does not count."""
        calendar = self._for(self.calendar(move.project), move, release_id)
        return clearance(calendar, move, self.ledger.now())

    def ahead(
        self, plan: Plan, states: Mapping[str, StepState] | None = None, release_id: str = ""
    ) -> list[Ahead]:
        """Return how the way stands to each environment that a plan (or what is left of a release) changes."""
        calendar = self.calendar(plan.project)
        return ahead(
            plan,
            states or {},
            lambda move: self._for(calendar, move, release_id),
            self.ledger.now(),
        )

    def _for(self, calendar: Calendar, move: Move, release_id: str) -> Calendar:
        if not release_id:
            return calendar
        return calendar.without(self.ledger.freezes.overridden(release_id, move.environment))

    def _of_station(self) -> Iterator[Window | Unreadable]:
        for freeze in self.station.config.freezes:
            yield freeze.window(freeze.times(), "station.yaml")
        for one in self.station.config.calendars:
            yield self._of_file(one)

    def _of_file(self, one: CalendarFile) -> Window | Unreadable:
        from gare.calendars import read_feed

        try:
            feed = read_feed(self.station.root / one.file, ZoneInfo(one.zone))
        except GareError as error:
            return _unreadable(one, str(error))
        return one.window(feed, one.file)

    def _of_projects(self, names: list[str]) -> Iterator[Window | Unreadable]:
        for name in names:
            project = self.station.project(name)
            for freeze in project.config.freezes:
                window = freeze.window(freeze.times(), project.file.name)
                yield replace(window, scope=replace(window.scope, projects=(name,)))
            for source in self.sources(project.config):
                yield from _of_source(source, Scope((name,)))

    def _added(self) -> Iterator[Window | Stop | Unreadable]:
        return map(as_added, self.ledger.freezes.in_force())


def _of_source(source: FreezeSource, scope: Scope) -> Iterator[Window | Unreadable]:
    name = f"freeze periods of {source.place}"
    try:
        periods = source.freeze_periods()
    except GareError as error:
        yield Unreadable(name, str(error), KEEPER, scope)
        return
    for period in periods:
        # It is told as "the freeze NAME".
        name = f"{period.name.removeprefix('freeze ')} of {source.place}"
        try:
            times = crons(period.start, period.end, period.zone)
        except ValueError as error:
            yield Unreadable(name, str(error), KEEPER, scope)
        else:
            yield Window(name, times, scope=scope)


def as_added(record: FreezeRecord) -> Window | Stop | Unreadable:
    """Return what somebody has added to the ledger."""
    said = {key: value for key, value in record.body.items() if key != "type"}
    try:
        if record.body["type"] == STOP:
            order = StopOrder.model_validate(said)
            return Stop(
                record.name,
                order.reason,
                record.made_by,
                record.made_at,
                record.until,
                order.link,
                order.scope(),
            )
        freeze = Freeze.model_validate(said)
        window = freeze.window(freeze.times(), f"the ledger, added by {record.made_by}")
        return replace(window, owner=freeze.owner or record.made_by)
    except (ValidationError, ValueError, KeyError):
        # A newer Gare may have written it.
        return Unreadable(record.name, "its entry in the ledger is not understood", record.made_by)


def body_of(kind: str, said: Freeze | StopOrder) -> Mapping[str, Any]:
    """Spell a window or a stop for the ledger."""
    return {"type": kind, **said.model_dump(mode="json", exclude_defaults=True)}


def _unreadable(one: FreezeScope, problem: str) -> Unreadable:
    return Unreadable(one.name, problem, one.owner or KEEPER, one.scope())


def _sorted_out(found: list[Window | Stop | Unreadable]) -> Calendar:
    return Calendar(
        tuple(one for one in found if isinstance(one, Window)),
        tuple(one for one in found if isinstance(one, Stop)),
        tuple(one for one in found if isinstance(one, Unreadable)),
    )
