"""The runs that a train has started for its members: whose they are, whether they were refused, how far they are."""

from datetime import UTC, datetime, timedelta

from gare.domain.journey import forward, how_it_stands
from gare.domain.plan import PlannedStep
from gare.domain.releases import Release
from gare.domain.waits import Cause, Waited
from gare.engine import has_ended
from gare.wiring import Gare
from tasks.wait import Wait

BEGINNING = timedelta(seconds=20)
"""How long a run may take to open its release before it is looked at again."""


def member_release(gare: Gare, train: Release, member: str) -> Release | None:
    """Return a member's release in a train: the newest, when it was tried again."""
    return forward(gare.ledger.releases.members(train.id)).get(member)


def refusal_of(gare: Gare, run_id: str) -> str:
    """Return why a member's run ended without opening a release; empty when it has not ended so."""
    run = gare.engine.run(run_id)
    if not has_ended(run):
        return ""
    return run.state_message or f"its run ended as {run.state_name}"


def begins(gare: Gare, what: str, step: PlannedStep) -> Wait:
    """Return the wait for a run that is about to begin: looked at again at one instant for all looks of a moment."""
    now = gare.ledger.now().timestamp()
    length = BEGINNING.total_seconds()
    again_at = datetime.fromtimestamp(now // length * length + 2 * length, UTC)
    return Wait(Waited(what, Cause.MEMBERS, step.id), again_at)


def under_way(gare: Gare, own: Release, what: str, step: PlannedStep) -> Wait:
    """Return the wait for the end of a release, which wakes its train; with what it waits for itself."""
    stands = how_it_stands(own, gare.ledger.locks.place(own.id))
    return Wait(Waited(f"{own.id}{what} is {stands}", Cause.MEMBERS, step.id, own.id))


def ways_on(train: Release, member: str, own: Release | None, without: str = "") -> tuple[str, ...]:
    """Return the commands by which a train goes on that stands for a member; `without` says what comes of that."""
    resume = f"gare train resume {train.id}"
    first = (f"`gare resume {own.id}`",) if own is not None and own.is_stopped else ()
    end = f" ({without})" if without else ""
    return (*first, f"`{resume} --again {member}`", f"`{resume} --without {member}`{end}")
