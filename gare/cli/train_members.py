"""What a person says about a member of a held train: it goes on without it, or the member is released once more."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gare.domain.releases import Release
    from gare.run_lists import Run
    from gare.wiring import Gare


def go_without(gare: Gare, departure: Release, member: str, *, person: str, reason: str) -> None:
    """Leave a member out of a departure that is under way, with those that need it. Its own release ends."""
    from gare.domain.releases import ReleaseState, StepState
    from gare.errors import NotFound

    own = _failed(gare, departure, member)
    said = f"left out by {person}" + (f": {reason}" if reason else "")
    if own is not None and not own.is_closed:
        with suppress(NotFound):
            gare.engine.cancel(own.flow_run_id, has_process=False)
        gare.ledger.releases.mark(own.id, ReleaseState.CANCELLED, actor=person, end=said)
    value = {"left": said, "failed": True, "keeps": True, "by": person, "summary": said}
    step = f"arrive-{member}"
    gare.ledger.releases.begin_step(departure.id, step, actor=person)
    gare.ledger.releases.end_step(departure.id, step, StepState.DONE, value=value, actor=person)
    details = gare.plan(departure.plan).details
    if details["rules"]["after_failure"] == "stop":
        stop = f"{departure.id}: {member} {said}"
        gare.ledger.trains.stop(str(details["train"]), stop, actor=person)


def release_again(gare: Gare, departure: Release, member: str, *, person: str, reason: str) -> Run:
    """Release a member once more, from its branch as it is now: what failed was mended there.

    The release that failed ends as soon as the new one is there.
    """
    from gare.engine import deployment_of
    from gare.requests import ReleaseRequest

    _failed(gare, departure, member)
    request = ReleaseRequest(
        project=member, train=departure.id, requested_by=person, reason=reason or "once more"
    )
    # Planned here first, so that what is still wrong is said at once.
    gare.make_plan(request)
    count = sum(one.project == member for one in gare.ledger.releases.members(departure.id))
    run = gare.engine.start(
        request.model_dump(mode="json"),
        deployment=deployment_of(request.kind),
        idempotency_key=f"train {departure.id} {member} again {count}",
    )
    if run.is_over:  # it was asked for before, and refused
        gare.engine.retry(run.id)
    return run


def _failed(gare: Gare, departure: Release, member: str) -> Release | None:
    """Return a member's own release. Raises Refused for one that does not stand in the way."""
    from gare.domain.journey import Stand, journey
    from gare.errors import Refused

    ledger, plan = gare.ledger, gare.plan(departure.plan)
    steps, releases = ledger.releases.steps(departure.id), ledger.releases.members(departure.id)
    found = next((one for one in journey(plan, steps, releases) if one.project == member), None)
    if found is None or departure.is_closed or found.stand not in (Stand.HELD, Stand.ON_ITS_WAY):
        stands = "no member" if found is None else found.stand.value
        raise Refused(
            f"{member} is {stands} of {departure.id}, which is {departure.state}.",
            where=departure.id,
            hint=f"`gare train status {departure.id}` says where the members stand. Nothing was changed.",
        )
    if found.release is not None and found.release.is_moving:
        own = found.release.id
        raise Refused(
            f"{own} of {member} is on its way.",
            where=departure.id,
            hint=f"`gare why {own}` says what it waits for. Nothing was changed.",
        )
    return found.release
