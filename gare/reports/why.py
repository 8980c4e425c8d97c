"""Why a release does not move: every blocker with its owner, and what happens next. Pure."""

from collections.abc import Sequence
from datetime import datetime

from gare.domain.approvals import Answer, Decision
from gare.domain.releases import ReleaseState, StepState
from gare.reports.freezes import earliest
from gare.reports.why_trouble import engine_trouble, failures
from gare.reports.why_view import Blocker, Explanation, View
from gare.reports.why_votes import missing_votes
from gare.reports.why_waits import freezes, waits


def explain(view: View) -> Explanation:
    """Say why the release stands where it stands."""
    release = view.release
    if release.is_closed:
        owed = tuple(Blocker(one.what, one.owner, one.do, since=one.since) for one in view.owed)
        return Explanation(_ended(view), owed, "")
    blockers = (*failures(view), *waits(view), *freezes(view), *engine_trouble(view))
    return Explanation(
        _sentence(view, blockers),
        blockers,
        _then(view, blockers),
        _next(view, blockers),
        earliest(view.ways),
    )


def _ended(view: View) -> str:
    release = view.release
    said = f"{release.id} has ended: {release.state}"
    if release.end.startswith(release.state):
        said = f"{release.id} has ended: {release.end}"
    elif release.end:
        said += f" ({release.end})"
    for asked in view.asked:
        for vote in asked.votes:
            if release.state is ReleaseState.REJECTED and vote.answer is Answer.REJECT:
                said += f"; {vote.person} said: {vote.comment or 'no reason given'}"
        if release.state is ReleaseState.EXPIRED and asked.standing.decision is Decision.EXPIRED:
            said += f"; {missing_votes(asked.standing.missing)} did not come in time"
    if view.owed:
        said += f"; {len(view.owed)} thing{'s are' if len(view.owed) > 1 else ' is'} still owed"
    return said + "."


def _sentence(view: View, blockers: Sequence[Blocker]) -> str:
    if view.goes_back and view.release.is_moving:
        return f"{view.release.id} goes back because of {view.goes_back}."
    release = view.release
    running = [step for step, record in view.records.items() if record.state is StepState.RUNNING]
    if release.state is ReleaseState.FAILED:
        return f"{release.id} has failed and waits for somebody."
    if release.state is ReleaseState.ATTENTION:
        return f"{release.id} needs attention and waits for somebody."
    if not blockers and running:
        return f"{release.id} moves: {', '.join(running)} under way."
    if not blockers:
        return f"{release.id} moves; nothing is in its way."
    if all(blocker.is_moving for blocker in blockers):
        return f"{release.id} waits for its members."
    count = "one thing is" if len(blockers) == 1 else f"{len(blockers)} things are"
    return f"{release.id} does not move: {count} in its way."


def _then(view: View, blockers: Sequence[Blocker]) -> str:
    """Say what comes when the way is free."""
    left = [
        step.id
        for step in view.plan.steps
        if (record := view.records.get(step.id)) is None or record.state is not StepState.DONE
    ]
    here = {blocker.step for blocker in blockers}
    then = [step for step in left if step not in here]
    return f"Then: {', '.join(then)}." if then else "Then it ends."


def _next(view: View, blockers: Sequence[Blocker]) -> datetime | None:
    """Return when something happens by itself: a wake-up, an expiry."""
    instants = [blocker.until for blocker in blockers if blocker.until is not None]
    if view.release.state is ReleaseState.WAITING and view.release.wake_at is not None:
        instants.append(max(view.release.wake_at, view.now))
    return min(instants, default=None)
