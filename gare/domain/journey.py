"""Where the members of a train stand, from its plan, its steps and the members' own releases. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gare.domain.plan import Plan
from gare.domain.releases import Release, ReleaseState, StepRecord, StepState

NOTHING_LEFT = "nothing left to release"
"""How the end of a release begins that another one was faster than: no failure of its own."""


class Stand(StrEnum):
    """Where one member stands."""

    BOARDED = "boarded"
    LEFT_OUT = "left out"
    ON_ITS_WAY = "on its way"
    HELD = "held"
    ARRIVED = "arrived"
    DROPPED = "dropped"
    WENT_BACK = "went back"


MOVING = (Stand.ON_ITS_WAY, Stand.HELD)


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a departure. `release` is its own one, the newest when it was tried again."""

    project: str
    version: str
    needs: tuple[str, ...]
    stand: Stand
    said: str = ""
    release: Release | None = None


def journey(
    plan: Plan, records: Mapping[str, StepRecord], releases: Iterable[Release]
) -> list[Member]:
    """Return every member in the order of departure, those left out last. `releases` are those of the train."""
    newest = {release.project: release for release in releases}
    members = [_member(one, records, newest.get(one["project"])) for one in plan.details["members"]]
    return members + [
        Member(one["project"], "", (), Stand.LEFT_OUT, one["reason"])
        for one in plan.details["left_out"]
    ]


def value_of(records: Mapping[str, StepRecord], step: str) -> Mapping[str, Any]:
    """Return what a step has told; empty until it is done."""
    record = records.get(step)
    return record.value if record is not None and record.state is StepState.DONE else {}


def has_failed(release: Release) -> bool:
    """Tell whether a member's release stands still or has ended otherwise than well. Being overtaken is no failure."""
    if release.is_closed:
        return release.state is not ReleaseState.RELEASED and not was_overtaken(release)
    return release.is_stopped


def was_overtaken(release: Release) -> bool:
    """Tell whether a release has ended because another one had released everything."""
    return release.state is ReleaseState.CANCELLED and release.end.startswith(NOTHING_LEFT)


def failures(plan: Plan, records: Mapping[str, StepRecord]) -> list[str]:
    """Return the members that have failed and were dropped."""
    names = [str(one["project"]) for one in plan.details["members"]]
    return [name for name in names if value_of(records, f"arrive-{name}").get("failed")]


def _member(
    one: Mapping[str, Any], records: Mapping[str, StepRecord], release: Release | None
) -> Member:
    name, version, needs = str(one["project"]), str(one["version"]), tuple(one["needs"])
    stand, said = _stand(name, records, release)
    if release is not None:
        version = release.version
    return Member(name, version, needs, stand, said, release)


def _stand(
    name: str, records: Mapping[str, StepRecord], release: Release | None
) -> tuple[Stand, str]:
    arrived = value_of(records, f"arrive-{name}")
    if value_of(records, f"return-{name}").get("runs"):
        return Stand.WENT_BACK, str(arrived.get("summary", ""))
    if arrived:
        left = str(arrived.get("left", ""))
        return (Stand.DROPPED, left) if left else (Stand.ARRIVED, "")
    if release is None:
        is_going = bool(value_of(records, f"depart-{name}"))
        return (Stand.ON_ITS_WAY, "its run begins") if is_going else (Stand.BOARDED, "")
    if has_failed(release):
        return Stand.HELD, f"{release.id} {release.state}: {release.end}"
    return Stand.ON_ITS_WAY, f"{release.id} is {release.state}" + _for_what(release.waiting)


def _for_what(waiting: Sequence[str]) -> str:
    return f" for {'; '.join(waiting)}" if waiting else ""
