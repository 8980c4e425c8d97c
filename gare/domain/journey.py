"""Where the members of a train stand, from its plan, its steps and the members' own releases. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from gare.domain.locks import Place
from gare.domain.plan import Kind, Plan
from gare.domain.releases import Release, ReleaseState, StepRecord, StepState
from gare.domain.waits import Cause, Waited

NOTHING_LEFT = "nothing left to release"
"""How the end of a release begins that another one was faster than: no failure of its own."""
HOTFIX_FIRST = "a hotfix went first: "
"""How the end of a release begins that stands still because a hotfix overtook it: nobody has found it bad."""
HOLD, ROLL_BACK = "hold", "roll back"
"""The rules of trains that stand, and whose members go back, when one of them has failed."""


class Stand(StrEnum):
    """Where one member stands."""

    BOARDED = "boarded"
    LEFT_OUT = "left out"
    ON_ITS_WAY = "on its way"
    HELD = "held"
    ARRIVED = "arrived"
    DROPPED = "dropped"
    FAILED = "failed"
    """It has failed in a train that goes back because of it."""
    DID_NOT_DEPART = "did not depart"
    OVERTAKEN = "overtaken"
    GOING_BACK = "going back"
    WENT_BACK = "went back"
    STAYS = "stays"


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
    plan: Plan,
    records: Mapping[str, StepRecord],
    releases: Sequence[Release],
    waits: Iterable[Waited] = (),
    places: Mapping[str, Place] = MappingProxyType({}),
    *,
    is_over: bool = False,
) -> list[Member]:
    """Return every member in the order of departure, those left out last.

    `releases` are those of the train, rollbacks included; `waits` is what the train itself waits for. `places` are
    where releases stand in a queue now: one that gave way there still has written down what it waited for before.
    `is_over`: the train has ended, and nobody departs any more.
    """
    own, back = forward(releases), rollbacks(releases)
    bad = failures(plan, records) if turns_back(plan, records) else []
    place = dict.fromkeys(without_place(plan, records, own), f"waits for {place_waited_for(plan)}")
    held = {one.step: one.what for one in waits if one.cause is Cause.FAILED}
    members = []
    for one in plan.details["members"]:
        name, release = str(one["project"]), own.get(one["project"])
        stand, said = _stand(name, records, release, back.get(name, ()), held, places)
        if stand is Stand.BOARDED:
            stand = Stand.DID_NOT_DEPART if is_over else stand
            said = "" if is_over else place.get(name, "")
        elif stand is Stand.DROPPED and plan.details["rules"]["on_failure"] == ROLL_BACK:
            stand = Stand.FAILED if name in bad else Stand.DID_NOT_DEPART
        version = release.version if release else str(one["version"])
        members.append(Member(name, version, tuple(one["needs"]), stand, said, release))
    return members + [
        Member(one["project"], "", (), Stand.LEFT_OUT, one["reason"])
        for one in plan.details["left_out"]
    ]


def forward(releases: Iterable[Release]) -> dict[str, Release]:
    """Return each member's own release, the newest, of all that a train has started."""
    return {one.project: one for one in releases if one.kind is not Kind.ROLLBACK}


def rollbacks(releases: Iterable[Release]) -> dict[str, list[Release]]:
    """Return the rollbacks of each member that a train has started, the oldest first."""
    found: dict[str, list[Release]] = {}
    for one in releases:
        if one.kind is Kind.ROLLBACK:
            found.setdefault(one.project, []).append(one)
    return found


def value_of(records: Mapping[str, StepRecord], step: str) -> Mapping[str, Any]:
    """Return what a step has told; empty until it is done."""
    record = records.get(step)
    return record.value if record is not None and record.state is StepState.DONE else {}


def next_to_depart(
    plan: Plan, records: Mapping[str, StepRecord], own: Mapping[str, Release]
) -> frozenset[str]:
    """Return the members that have a place now, in the order of the plan; one that stands still has given its up."""
    able, places = _able(plan, records, own)
    return frozenset(able[:places])


def without_place(
    plan: Plan, records: Mapping[str, StepRecord], own: Mapping[str, Release]
) -> list[str]:
    """Return the members that could depart and have no place, in the order of the plan; nobody before the departure."""
    able, places = _able(plan, records, own)
    return able[places:] if value_of(records, "leave") else []


def place_waited_for(plan: Plan) -> str:
    """Tell what a member waits for that has no place."""
    limit = plan.details["rules"]["limit"]
    return f"a place: at most {limit} {'is' if limit == 1 else 'are'} on their way at once"


def _able(
    plan: Plan, records: Mapping[str, StepRecord], own: Mapping[str, Release]
) -> tuple[list[str], int]:
    """Return the members that nobody keeps any more and that have not departed, and for how many there is a place."""
    names = [str(one["project"]) for one in plan.details["members"]]
    arrived = {name for name in names if value_of(records, f"arrive-{name}")}
    departed = {name for name in names if f"depart-{name}" in records}
    stands_still = {name for name, one in own.items() if has_failed(one)}
    places = plan.details["rules"]["limit"] - len(departed - arrived - stands_still)
    able = [
        str(one["project"])
        for one in plan.details["members"]
        if one["project"] not in departed and arrived.issuperset(one["needs"])
    ]
    return able, max(places, 0)


def has_failed(release: Release) -> bool:
    """Tell whether a member's release stands still or has ended otherwise than well. Being overtaken is no failure."""
    if release.is_closed:
        return release.state is not ReleaseState.RELEASED and not was_overtaken(release)
    return release.is_stopped


def was_overtaken(release: Release) -> bool:
    """Tell whether a release has ended because another one had released everything."""
    return release.state is ReleaseState.CANCELLED and release.end.startswith(NOTHING_LEFT)


def stands_behind_hotfix(release: Release) -> bool:
    """Tell whether a release stands still because a hotfix overtook it, whose fix or version it cannot go beside."""
    return release.state is ReleaseState.FAILED and release.end.startswith(HOTFIX_FIRST)


def holds(plan: Plan, records: Mapping[str, StepRecord], release: Release) -> bool:
    """Tell whether a train stands for a member that has failed, and lets people say what becomes of it.

    One that rolls back does so for a member that a hotfix overtook: it may come along yet, and nothing is bad that
    has arrived. Once it goes back, it does not.
    """
    if release.state is ReleaseState.CANCELLED:
        return False  # somebody has let it go
    rule = plan.details["rules"]["on_failure"]
    return rule == HOLD or (
        rule == ROLL_BACK and stands_behind_hotfix(release) and not turns_back(plan, records)
    )


def failures(plan: Plan, records: Mapping[str, StepRecord]) -> list[str]:
    """Return the members that have failed and were dropped."""
    names = [str(one["project"]) for one in plan.details["members"]]
    return [name for name in names if value_of(records, f"arrive-{name}").get("failed")]


def turns_back(plan: Plan, records: Mapping[str, StepRecord]) -> bool:
    """Tell whether a member has failed in a train that rolls back."""
    return plan.details["rules"]["on_failure"] == ROLL_BACK and bool(failures(plan, records))


def why_back(plan: Plan, records: Mapping[str, StepRecord]) -> str:
    """Say because of whom a train goes back; nothing when it does not."""
    if not turns_back(plan, records):
        return ""
    left = {name: value_of(records, f"arrive-{name}")["left"] for name in failures(plan, records)}
    return ", ".join(f"{name} ({said})" for name, said in left.items())


def staying(plan: Plan, records: Mapping[str, StepRecord], member: str) -> list[str]:
    """Return the members that need this one and do not go back: it stays below them."""
    needing = [one["project"] for one in plan.details["members"] if member in one["needs"]]
    return [name for name in needing if value_of(records, f"return-{name}").get("stays")]


def _stand(
    name: str,
    records: Mapping[str, StepRecord],
    release: Release | None,
    back: Sequence[Release],
    held: Mapping[str, str],
    places: Mapping[str, Place],
) -> tuple[Stand, str]:
    arrive, way_back = f"arrive-{name}", f"return-{name}"
    if arrived := value_of(records, arrive):
        returned = value_of(records, way_back)
        if returned.get("back"):
            return Stand.WENT_BACK, str(returned["summary"])
        if returned.get("stays"):
            return Stand.STAYS, str(returned["stays"])
        if back or way_back in held:
            is_held = way_back in held
            return (Stand.HELD if is_held else Stand.GOING_BACK), held.get(
                way_back, _told(back, places)
            )
        left = str(arrived.get("left", ""))
        if (kept := returned.get("untouched")) and not left:
            return Stand.STAYS, str(kept)
        if left and release is not None and was_overtaken(release):
            return Stand.OVERTAKEN, left
        return (Stand.DROPPED, left) if left else (Stand.ARRIVED, "")
    if release is not None and has_failed(release):
        return Stand.HELD, f"{release.id} {release.state}: {release.end}"
    if arrive in held:
        return Stand.HELD, held[arrive]
    if release is None:
        is_going = bool(value_of(records, f"depart-{name}"))
        return (Stand.ON_ITS_WAY, "its run begins") if is_going else (Stand.BOARDED, "")
    return Stand.ON_ITS_WAY, _told([release], places)


def as_now(train: Release, members: Sequence[Release], places: Mapping[str, Place]) -> Release:
    """Return a train with what it waits for as its members stand now, and not as they stood when it went to sleep.

    `members` are the releases that it has started; `places` as above.
    """
    newest = {
        **{f"arrive-{name}": one for name, one in forward(members).items()},
        **{f"return-{name}": back[-1] for name, back in rollbacks(members).items()},
    }
    return replace(train, waits=tuple(_as_now(wait, newest, places) for wait in train.waits))


def _as_now(wait: Waited, newest: Mapping[str, Release], places: Mapping[str, Place]) -> Waited:
    own = newest.get(wait.step)
    if own is None or wait.cause is not Cause.MEMBERS:
        return wait
    of = f", the rollback of {own.project}," if own.kind is Kind.ROLLBACK else f" of {own.project}"
    what = f"{own.id}{of} is {how_it_stands(own, places.get(own.id))}"
    return replace(wait, what=what, release=own.id)


def how_it_stands(release: Release, place: Place | None) -> str:
    """Tell what a release does now: its place in the queue, or its state with what it waits for."""
    if place is not None and release.is_moving:
        return str(place)
    return release.state.value + (f" for {'; '.join(release.waiting)}" if release.waiting else "")


def _told(releases: Sequence[Release], places: Mapping[str, Place]) -> str:
    return "; ".join(f"{one.id} is {how_it_stands(one, places.get(one.id))}" for one in releases)
