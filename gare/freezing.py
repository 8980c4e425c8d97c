"""Which freezes count now: those of station.yaml and gare.yaml, of calendar files, and what people added.

Collects; whether an environment is open is decided by `gare.domain.clearance`. What cannot be read closes what it may
be about, until it can.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from gare.config.freezes import CalendarFile, Freeze, FreezeScope, StopOrder
from gare.config.loader import Station
from gare.config.models import ProjectConfig
from gare.domain.clearance import KEEPER, Clearance, clearance
from gare.domain.freezes import Calendar, Move, Scope, Stop, Unreadable, Window
from gare.domain.plan import Kind, Plan
from gare.domain.releases import StepState
from gare.domain.spans import crons
from gare.errors import GareError
from gare.ledger.freezes import FreezeRecord
from gare.ledger.ledger import Ledger
from gare.ports.freezes import FreezeSource
from gare.reports.freezes import Ahead, ahead

WINDOW, STOP = "window", "stop"
REMEMBERED = timedelta(minutes=1)
"""How long what another system has said counts, and that it did not answer."""
_AT_ONCE = 16

Found = Window | Stop | Unreadable


@dataclass(frozen=True)
class Freezes:
    """The freezes of one station."""

    station: Station
    ledger: Ledger
    sources: Callable[[ProjectConfig], Sequence[FreezeSource]] = lambda _project: ()
    """Tells where others keep freeze periods of a project."""
    _said: dict[tuple[str, str], tuple[datetime, list[Window | Unreadable]]] = field(
        default_factory=dict
    )
    """What each source has said last, by project and place."""

    def calendar(self, project: str, kind: Kind | None = None) -> Calendar:
        """Return all that counts for a project (or a train), those of its own file included.

        With a kind of release, nobody else is asked about what lets that kind through anyway.
        """
        own = [project] if project in self.station.projects else []
        return self._collected(own, kind, is_hasty=True)

    def whole_calendar(self) -> Calendar:
        """Return all that counts for any project."""
        return self._collected(list(self.station.projects), None, is_hasty=True)

    def clearance(self, move: Move, release_id: str = "") -> Clearance:
        """Say whether a move may be made now; what was overridden for its release does not count.

        Somebody is about to make it: a system that is slow to answer is waited for.
        """
        own = [move.project] if move.project in self.station.projects else []
        calendar = self._collected(own, move.kind, is_hasty=False)
        return clearance(self._for(calendar, move, release_id), move, self.ledger.now())

    def ahead(
        self,
        plan: Plan,
        states: Mapping[str, StepState] | None = None,
        release_id: str = "",
        at: datetime | None = None,
    ) -> list[Ahead]:
        """Return how the way stands to each environment that a plan (or what is left of a release) changes.

        Now, or at another instant, such as the departure of a train.
        """
        calendar = self.calendar(plan.project, plan.kind)
        return ahead(
            plan,
            states or {},
            lambda move: self._for(calendar, move, release_id),
            at or self.ledger.now(),
        )

    def _for(self, calendar: Calendar, move: Move, release_id: str) -> Calendar:
        if not release_id:
            return calendar
        return calendar.without(self.ledger.freezes.overridden(release_id, move.environment))

    def _collected(self, projects: list[str], kind: Kind | None, *, is_hasty: bool) -> Calendar:
        found = [
            *self._of_station(kind),
            *self._of_files(projects),
            *self._of_others(projects, kind, is_hasty=is_hasty),
            *map(as_added, self.ledger.freezes.in_force()),
        ]
        return Calendar(
            tuple(one for one in found if isinstance(one, Window)),
            tuple(one for one in found if isinstance(one, Stop)),
            tuple(one for one in found if isinstance(one, Unreadable)),
        )

    def _of_station(self, kind: Kind | None) -> Iterator[Window | Unreadable]:
        for freeze in self.station.config.freezes:
            yield freeze.window(freeze.times(), "station.yaml")
        for one in self.station.config.calendars:
            if kind not in one.lets:
                yield self._of_calendar(one)

    def _of_calendar(self, one: CalendarFile) -> Window | Unreadable:
        from gare.feeds import read_feed

        file = self.station.root / one.file
        try:
            feed = read_feed(file, ZoneInfo(one.zone), has_free=one.free == "closes")
        except GareError as error:
            return _unreadable(one, str(error))
        return one.window(feed, one.file, note=str(feed.count()))

    def _of_files(self, names: list[str]) -> Iterator[Window]:
        for name in names:
            project = self.station.project(name)
            for freeze in project.config.freezes:
                window = freeze.window(freeze.times(), project.file.name)
                yield replace(window, scope=replace(window.scope, projects=(name,)), project=name)

    def _of_others(
        self, names: list[str], kind: Kind | None, *, is_hasty: bool
    ) -> Iterable[Window | Unreadable]:
        """Return what other systems keep; all of them are asked at once."""
        asked = [
            (source, Scope((name,)), name)
            for name in names
            for source in self.sources(self.station.project(name).config)
        ]
        asked = [one for one in asked if kind not in one[1].lets]
        if len(asked) < 2:
            return [said for one in asked for said in self._ask(*one, is_hasty=is_hasty)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            answers = list(pool.map(lambda one: self._ask(*one, is_hasty=is_hasty), asked))
        return [said for answer in answers for said in answer]

    def _ask(
        self, source: FreezeSource, scope: Scope, project: str, *, is_hasty: bool
    ) -> list[Window | Unreadable]:
        """Return what a source says, or has said within the last minute."""
        key, now = (project, source.place), self.ledger.now()
        at, said = self._said.get(key, (None, []))
        if at is None or abs(now - at) >= REMEMBERED:
            said = list(_of_source(source, scope, project, is_hasty=is_hasty))
            self._said[key] = (now, said)
        return said


def _of_source(
    source: FreezeSource, scope: Scope, project: str, *, is_hasty: bool
) -> Iterator[Window | Unreadable]:
    name = f"freeze periods of {source.place}"
    try:
        periods = source.freeze_periods(is_hasty=is_hasty)
    except GareError as error:
        yield Unreadable(name, str(error), KEEPER, scope, project)
        return
    for period in periods:
        # It is told as "the freeze NAME".
        name = f"{period.name.removeprefix('freeze ')} of {source.place}"
        try:
            times = crons(period.start, period.end, period.zone)
        except ValueError as error:
            yield Unreadable(name, str(error), KEEPER, scope, project)
        else:
            yield Window(name, times, scope=scope, project=project)


def as_added(record: FreezeRecord) -> Found:
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
                record.number,
            )
        freeze = Freeze.model_validate(said)
        origin = f"the ledger, added by {record.made_by}"
        window = freeze.window(freeze.times(), origin, number=record.number)
        return replace(window, owner=freeze.owner or record.made_by)
    except (ValidationError, ValueError, KeyError):
        # A newer Gare may have written it.
        what = "its entry in the ledger is not understood"
        return Unreadable(record.name, what, record.made_by, number=record.number)


def body_of(kind: str, said: Freeze | StopOrder) -> Mapping[str, Any]:
    """Spell a window or a stop for the ledger."""
    return {"type": kind, **said.model_dump(mode="json", exclude_defaults=True)}


def _unreadable(one: FreezeScope, problem: str) -> Unreadable:
    return Unreadable(one.name, problem, one.owner or KEEPER, one.scope())
