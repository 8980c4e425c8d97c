"""What a person says about a member of a train: it goes on without it, or the member is tried once more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gare.domain.journey import Member
    from gare.domain.releases import Release
    from gare.run_lists import Run
    from gare.wiring import Gare


def go_without(gare: Gare, departure: Release, member: str, *, person: str, reason: str) -> str:
    """Leave a member out, with those that need it; return what becomes of the train, in words.

    Before the departure the train boards anew without it; its release ends when it has one. Without a member that it
    departed with, one that rolls back goes back. While it does, the member stays as it is, with what it needs.
    """
    from gare.departures import has_departed
    from gare.domain.journey import ROLL_BACK

    said = f"left out by {person}" + (f": {reason}" if reason else "")
    if not departure.is_closed and not has_departed(gare.ledger, departure):
        _take_off(gare, departure, member, person, said)
        return (
            f"{departure.id} boards anew without {member}; where it needs a go, it needs a new one."
        )
    found = _in_the_way(gare, departure, member)
    if _goes_back(gare, departure, member):
        _let_stay(gare, departure, member, person, reason)
        return f"{member} stays as it is, with what it needs."
    _drop(gare, departure, found, person, said)
    is_going_back = gare.plan(departure.plan).details["rules"]["on_failure"] == ROLL_BACK
    return f"{departure.id} goes {'back' if is_going_back else 'on'} without {member}."


def release_again(gare: Gare, departure: Release, member: str, *, person: str, reason: str) -> Run:
    """Release a member once more, from its branch as it is now: what failed was mended there.

    The release that failed ends as soon as the new one is there.
    """
    from gare.requests import ReleaseRequest

    _in_the_way(gare, departure, member)
    request = ReleaseRequest(
        project=member, train=departure.id, requested_by=person, reason=reason or "once more"
    )
    # Planned here first, so that what is still wrong is said at once.
    gare.drafting.make(request)
    number = _ask_again(gare, departure, member, person, reason)
    return gare.start(request, key=f"train {departure.id} {member} again {number}")


def roll_back_again(
    gare: Gare, departure: Release, member: str, *, person: str, reason: str
) -> list[Run]:
    """Begin once more the rollbacks of a member that were refused, or went otherwise than well.

    What has come on top of it meanwhile goes back with it.
    """
    from gare.requests import RollbackRequest

    own = _in_the_way(gare, departure, member).release
    places = _ways_back(gare, departure, member, own)
    number = _ask_again(gare, departure, member, person, reason)
    return [
        gare.start(
            RollbackRequest(
                project=member,
                environment=place,
                to=to,
                requested_by=person,
                reason=reason or "once more",
                train=departure.id,
            ),
            key=f"train {departure.id} {member} back {place} again {number}",
        )
        for place, to in places.items()
    ]


def _ways_back(gare: Gare, departure: Release, member: str, own: Release | None) -> dict[str, str]:
    """Return the version below a member's own in each environment where it, or one on top of it, stands.

    Raises Refused when there is none below one on top of it: going back one version would bring the member's own again.
    """
    from gare.domain.ground import ground_of
    from gare.errors import Refused

    found = dict[str, str]()
    for place in gare.plan(departure.plan).step(f"return-{member}").settings["environments"]:
        ground = ground_of(gare.ledger.verified_good(member, place), own.id) if own else None
        if ground is None or ground.is_gone:
            continue
        if ground.is_below and not ground.before:
            raise Refused(
                f"{ground.version} was the first version of {member} in {place}: there is none to go back to.",
                where=departure.id,
                hint=f"Leave it with `gare train resume {departure.id} --without {member}`. Nothing was changed.",
            )
        found[place] = ground.before
    return found


def goes_back(gare: Gare, departure: Release, member: str) -> bool:
    """Tell whether a member has departed with a train that goes back by now."""
    return not departure.is_closed and _goes_back(gare, departure, member)


def _goes_back(gare: Gare, departure: Release, member: str) -> bool:
    return f"return-{member}" in gare.ledger.releases.step_states(departure.id)


def _take_off(gare: Gare, departure: Release, member: str, person: str, said: str) -> None:
    from gare.departures import TAKEN_OFF, has_departed
    from gare.errors import Refused

    plan = gare.plan(departure.plan)
    if member not in [one["project"] for one in plan.details["members"]]:
        raise _no_member(departure, member, "no member")
    gare.ledger.note(departure.id, TAKEN_OFF, person, {"member": member, "reason": said})
    gare.ledger.releases.wake(departure.id)
    if has_departed(gare.ledger, departure):
        raise Refused(
            f"{departure.id} has just departed with {member}.",
            where=departure.id,
            hint=f"`gare train status {departure.id}` says where the members stand.",
        )


def _drop(gare: Gare, departure: Release, found: Member, person: str, said: str) -> None:
    from gare.departures import drop, end_run
    from gare.domain.journey import value_of
    from gare.domain.releases import StepState

    releases, step = gare.ledger.releases, f"arrive-{found.project}"
    own = found.release
    run = value_of(releases.steps(departure.id), f"depart-{found.project}").get("run", "")
    if own is None and run:
        # It may be about to open its release, which would go out all the same.
        end_run(gare, run)
        own = releases.of_run(run)
    value = drop(gare, departure, found.project, own, said, actor=person)
    releases.begin_step(departure.id, step, actor=person)
    value |= {"by": person, "summary": said}
    releases.end_step(departure.id, step, StepState.DONE, value=value, actor=person)


def _let_stay(gare: Gare, departure: Release, member: str, person: str, reason: str) -> None:
    from gare.departures import end_run
    from gare.domain.journey import rollbacks
    from gare.domain.releases import ReleaseState, StepState

    releases, step = gare.ledger.releases, f"return-{member}"
    said = f"left as it is by {person}" + (f": {reason}" if reason else "")
    for own in rollbacks(releases.members(departure.id)).get(member, []):
        if own.is_stopped:
            end_run(gare, own.flow_run_id)
            releases.mark(own.id, ReleaseState.CANCELLED, actor=person, end=said)
    value = {"stays": said, "by": person, "summary": f"{member} stays: {said}"}
    releases.begin_step(departure.id, step, actor=person)
    releases.end_step(departure.id, step, StepState.DONE, value=value, actor=person)


def _ask_again(gare: Gare, departure: Release, member: str, person: str, reason: str) -> int:
    """Write down that a member is tried once more; return how often that was said: each time is a run of its own."""
    before = [
        event
        for event in gare.ledger.database.events(departure.id)
        if event.kind == "departure resumed" and json.loads(event.body).get("again") == member
    ]
    gare.ledger.note(departure.id, "departure resumed", person, {"reason": reason, "again": member})
    return len(before) + 1


def _in_the_way(gare: Gare, departure: Release, member: str) -> Member:
    """Return a member. Raises Refused for one that does not stand in the way, or is on its way."""
    from gare.domain.journey import Stand, journey
    from gare.errors import Refused

    ledger, plan = gare.ledger, gare.plan(departure.plan)
    steps, releases = ledger.releases.steps(departure.id), ledger.releases.members(departure.id)
    members = journey(plan, steps, releases, departure.waits)
    found = next((one for one in members if one.project == member), None)
    if found is None or departure.is_closed or found.stand not in (Stand.HELD, Stand.ON_ITS_WAY):
        raise _no_member(departure, member, "no member" if found is None else found.stand.value)
    if found.release is not None and found.release.is_moving:
        own = found.release.id
        raise Refused(
            f"{own} of {member} is on its way.",
            where=departure.id,
            hint=f"`gare why {own}` says what it waits for; `gare cancel {own}` ends it. Nothing was changed.",
        )
    return found


def _no_member(departure: Release, member: str, stands: str) -> Exception:
    from gare.errors import Refused

    return Refused(
        f"{member} is {stands} of {departure.id}, which is {departure.state}.",
        where=departure.id,
        hint=f"`gare train status {departure.id}` says where the members stand. Nothing was changed.",
    )
