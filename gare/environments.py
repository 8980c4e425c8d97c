"""What runs where: every target asked at this moment, beside what the record says. Changes nothing."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from gare.config.loader import Project
from gare.domain.plan import Plan
from gare.domain.releases import Release
from gare.domain.standing import Verified
from gare.errors import GareError
from gare.planning.dag import environments
from gare.wiring import Gare

_AT_ONCE = 8
"""How many targets are asked side by side: each answers within the time its own settings give it."""


class Stand(StrEnum):
    """How what runs stands to the record."""

    AS_RECORDED = "as recorded"
    EMPTY = "nothing yet"
    UNDER_WAY = "under way"
    DRIFT = "drift"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Spot:
    """One environment of one project. `record` is the version last verified good there, by `release`."""

    project: str
    environment: str
    place: str
    runs: str
    record: str
    release: str
    since: datetime | None
    stand: Stand
    detail: str
    hold: str = ""

    def as_json(self) -> dict[str, Any]:
        """Spell it as plain JSON."""
        return {
            "project": self.project,
            "environment": self.environment,
            "place": self.place,
            "runs": self.runs,
            "record": self.record,
            "release": self.release,
            "since": self.since.isoformat() if self.since else None,
            "stand": self.stand.value,
            "detail": self.detail,
            "hold": self.hold,
        }


def ask_environments(gare: Gare, names: Sequence[str], say: Callable[[str], None]) -> list[Spot]:
    """Ask the targets of these projects (of all, without names), in the order of promotion."""
    projects = [gare.project(name) for name in names or sorted(gare.station.projects)]
    wanted = [
        (project, environment)
        for project in projects
        for environment in environments(project.config, gare.station.config)
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda one: _ask(gare, one[0], one[1], say), wanted))


def _ask(gare: Gare, project: Project, environment: str, say: Callable[[str], None]) -> Spot:
    name = project.config.name
    history = gare.ledger.verified_good(name, environment)
    last = history[-1] if history else None
    hold = gare.ledger.holds.get(name, environment)
    place, runs, detail, is_reached = "", "", "", True
    try:
        target = gare.target_in(project, environment)
        place = target.place
        # Where nothing was ever brought, nobody could answer.
        if last is not None or target.live():
            running = target.running(say)
            runs, detail = running.version, running.evidence
    except GareError as error:
        is_reached, detail = False, str(error)
    changer = _changer(gare, name, environment)
    is_changing = changer is not None and changer.is_moving
    stand = _stand(runs, last, is_reached=is_reached, is_changing=is_changing)
    if changer and stand is Stand.UNDER_WAY:
        detail = f"{changer.id} is under way there"
    elif stand is Stand.DRIFT:
        said = f"{last.version} of {last.release}" if last else "nothing"
        detail = f"{detail}; verified good there was {said}"
        if changer:
            detail += f"; {changer.id} ({changer.version}) has changed it and is {changer.state}"
    return Spot(
        name,
        environment,
        place,
        runs,
        last.version if last else "",
        last.release if last else "",
        last.at if last else None,
        stand,
        detail,
        hold.release if hold else "",
    )


def _stand(runs: str, last: Verified | None, *, is_reached: bool, is_changing: bool) -> Stand:
    if not is_reached:
        return Stand.UNREACHABLE
    record = last.version if last else ""
    if runs == record:
        return Stand.AS_RECORDED if record else Stand.EMPTY
    return Stand.UNDER_WAY if is_changing else Stand.DRIFT


def _changer(gare: Gare, project: str, environment: str) -> Release | None:
    """Return an open release that has begun to change an environment: one that moves, else one that stands still."""
    found = [
        release
        for release in gare.ledger.releases.find(is_open=True, project=project, limit=200)
        if _has_begun(gare, release, gare.plan(release.plan), environment)
    ]
    return next((one for one in found if one.is_moving), found[0] if found else None)


def _has_begun(gare: Gare, release: Release, plan: Plan, environment: str) -> bool:
    begun = gare.ledger.releases.step_states(release.id)
    return any(
        step.type == "deploy" and step.environment == environment and step.id in begun
        for step in plan.steps
    )
