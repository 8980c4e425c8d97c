"""plan: what a release will do, decided before it does anything, stored, and shown first.

A release that was overtaken in the queue is planned anew, as long as it has done nothing.
"""

from contextlib import suppress
from typing import Any, NamedTuple

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from gare.boundaries import reached
from gare.departures import BEFORE_DEPARTURE, taken_off
from gare.domain.counts import counted
from gare.domain.journey import HOTFIX_FIRST, NOTHING_LEFT
from gare.domain.plan import Kind, Plan
from gare.domain.releases import Release, ReleaseState, StepState
from gare.domain.versions import is_prerelease, pick_previous
from gare.errors import LosesFix, NotFound, NothingToRelease, Refused
from gare.planning.again import AGAIN
from gare.planning.boarding import slot_of
from gare.reports.markdown import plan_page
from gare.reports.train import plan_of_train_page
from gare.requests import HotfixRequest, ReleaseRequest, Request, TrainRequest, request_of
from gare.wiring import Gare, open_gare


def open_release(gare: Gare, request: Request, run_id: str) -> Release:
    """Return the release of this run; plan it and open one when there is none yet.

    A process that died in between is continued: the plan that the release was opened with stands.
    """
    found = gare.ledger.releases.of_run(run_id)
    if found is not None and (found.is_closed or _is_planned(gare, found)):
        return found
    release_id = plan_first.with_options(task_run_name=f"plan {request.subject}")(
        request.kind.value, request.model_dump(mode="json"), run_id
    )
    return gare.ledger.releases.get(release_id)


@task(name="plan", cache_policy=NO_CACHE, persist_result=False)
def plan_first(kind: str, request: dict[str, Any], run_id: str) -> str:
    """Plan the release, open it in the ledger, and show the plan before anything happens."""
    gare, wanted = open_gare(), request_of(kind, request)
    if wanted.requested_by:
        gare.voter(wanted.requested_by)
    if isinstance(wanted, TrainRequest):
        _name_departure(gare, wanted, run_id)
    found = gare.ledger.releases.of_run(run_id)
    stored = found.plan if found else wanted.stored_plan
    digest, plan = (stored, gare.plan(stored)) if stored else _planned(gare, wanted, run_id)
    if (plan.kind, plan.project) != (wanted.kind, wanted.subject):
        raise Refused(
            f"The plan {digest[:19]}… is of a {plan.kind} of {plan.project}, "
            f"not of a {wanted.kind} of {wanted.subject}.",
            where="plan",
            hint=f"Make one with `gare plan {wanted.subject}`.",
        )
    _hold(gare, plan)
    reached("before open")
    release = gare.ledger.releases.open(
        digest, plan, run_id, wanted.requested_by, wanted.reason, request
    )
    reached("after open")
    _end_former(gare, release)
    value = _value(digest, plan)
    gare.ledger.releases.begin_step(release.id, "plan", actor="gare")
    gare.ledger.releases.end_step(release.id, "plan", StepState.DONE, value=value, actor="gare")
    _show(gare, release, digest, plan)
    return release.id


def _end_former(gare: Gare, release: Release) -> None:
    """End the release of a train's member that stands still: this one has come in its place."""
    members = gare.ledger.releases.members(release.train) if release.train else ()
    for former in members:
        is_same = (former.project, former.kind) == (release.project, release.kind)
        if is_same and former.id != release.id and former.is_stopped:
            with suppress(NotFound):
                gare.engine.cancel(former.flow_run_id, has_process=False)
            end = f"released once more as {release.id}"
            gare.ledger.releases.mark(former.id, ReleaseState.CANCELLED, actor="gare", end=end)


def _planned(gare: Gare, wanted: Request, run_id: str) -> tuple[str, Plan]:
    """Plan what is asked for; a boarding that comes too late says what kept it."""
    before = gare.ledger.rescues.get(run_id)
    return gare.drafting.make(wanted, kept_by=before.reason if before and before.outages else "")


def _name_departure(gare: Gare, request: TrainRequest, run_id: str) -> None:
    """Name a run after its train and slot: one of a schedule has a name of the engine's, and planning takes a while."""
    slot = slot_of(gare.station.train(request.name), request.slot, gare.ledger.now())
    gare.engine.rename(run_id, f"{request.subject} {slot.name}", [f"project:{request.subject}"])


def plan_anew(gare: Gare, release: Release, request: Request) -> Release:
    """Plan a release again whose turn has come, when another one was faster; return it as it stands then.

    One that has begun keeps its plan, unless a hotfix overtook it that its plan cannot stand beside. When nothing is
    left to release, or what was asked for exactly is taken, it ends as cancelled. One that would lose a fix stands
    still. `request` is what the run was started with.
    """
    if isinstance(request, TrainRequest):
        return _board_anew(gare, release, request)
    if not isinstance(request, ReleaseRequest | HotfixRequest):
        return release
    plan, reason = gare.plan(release.plan), ""
    if not _has_begun(gare, release):
        reason = _overtaken(gare, release, plan, is_fixed=request.is_fixed)
    if not reason and (spoilt := _spoilt(gare, release, plan)):
        kept = "exactly this plan was asked for" if request.is_fixed else ""
        if gare.ledger.effects.of(release.id):
            kept = "it has done things outside already"
        if kept:
            end = f"{HOTFIX_FIRST}{spoilt.told} It is not planned anew: {kept}."
            return gare.ledger.releases.mark(release.id, ReleaseState.FAILED, actor="gare", end=end)
        reason = spoilt.reason
    if reason:
        plan_again.with_options(task_run_name=f"plan {release.project} again")(
            release.id, request.kind.value, request.model_dump(mode="json"), reason
        )
    return gare.ledger.releases.get(release.id)


@task(name="plan", cache_policy=NO_CACHE, persist_result=False)
def plan_again(release_id: str, kind: str, request: dict[str, Any], reason: str) -> None:
    """Plan the release on what stands now, or end it when nothing is left."""
    gare, wanted = open_gare(), request_of(kind, request)
    release = gare.ledger.releases.get(release_id)
    if wanted.is_fixed:
        _end(gare, release, f"{release.version} is taken: {reason}")
        return
    project = gare.project(release.project)
    # What is wrong with the repository itself is no answer to whether something is left: it may be mended.
    is_dirty_fine = not isinstance(wanted, ReleaseRequest) or wanted.allow_dirty
    gare.source_of(project.config, project.base).check(allow_dirty=is_dirty_fine)
    try:
        digest, plan = gare.drafting.make(wanted.afresh(), release.id)
    except LosesFix as refusal:
        end = f"{HOTFIX_FIRST}{_with_way_on(release, refusal)}"
        gare.ledger.releases.mark(release.id, ReleaseState.FAILED, actor="gare", end=end)
        return
    except Refused as refusal:
        if isinstance(wanted, HotfixRequest):
            _end(gare, release, f"{reason}. {refusal.what}")
            return
        _end(gare, release, f"{_why_not(wanted, refusal)}: {reason}. {refusal.what}")
        return
    if digest != release.plan:
        _hold(gare, plan)
        # Shown first: when this process dies in between, it is planned and shown once more.
        _show(gare, release, digest, plan)
        gare.ledger.releases.replan(
            release_id, digest, plan, _value(digest, plan), reason=reason, restart=True
        )


def _why_not(wanted: Request, refusal: Refused) -> str:
    if taken := wanted.given_version:
        return f"{taken} is taken"
    return NOTHING_LEFT if isinstance(refusal, NothingToRelease) else "it may not be released now"


def _hold(gare: Gare, plan: Plan) -> None:
    """Keep the commit of a hotfix from now on: until a tag has it, Git would remove it."""
    if plan.kind is not Kind.HOTFIX:
        return
    try:
        gare.source(plan).picks.hold(plan.commit)
    except NotFound as error:
        raise Refused(
            f"The commit {plan.commit[:12]} of this plan is not in the repository any more.",
            where=error.where,
            hint="Plan it again: `gare hotfix … --plan-only`.",
        ) from error


def _board_anew(gare: Gare, release: Release, request: TrainRequest) -> Release:
    """Plan a train again whose members were released, or taken off, while it waited: people say go to what departs."""
    plan = gare.plan(release.plan)
    if plan.details["refusal"]:
        return release
    names = [str(one["project"]) for one in plan.details["members"]]
    reasons = []
    if off := taken_off(gare.ledger, release, plan):
        reasons = [f"{name} was {why}" for name, why in off.items()]
    elif not request.is_fixed and not _has_begun(gare, release):
        ended = gare.ledger.releases.ended_since_plan
        took = [other for name in names for other in ended(release, name)]
        reasons = [f"overtaken by {other.id} of {other.project}" for other in took]
    if reasons:
        board_again.with_options(task_run_name=f"plan {release.project} again")(
            release.id, ", ".join(reasons), off
        )
    return gare.ledger.releases.get(release.id)


@task(name="plan", cache_policy=NO_CACHE, persist_result=False)
def board_again(release_id: str, reason: str, without: dict[str, str]) -> None:
    """Plan the train on what stands now, with the commits that boarded, without who was taken off."""
    gare = open_gare()
    release = gare.ledger.releases.get(release_id)
    digest, plan = gare.drafting.board_anew(gare.plan(release.plan), without)
    if digest != release.plan:
        _show(gare, release, digest, plan)
        value = _value(digest, plan)
        gare.ledger.releases.replan(
            release_id, digest, plan, value, reason=reason, anew=BEFORE_DEPARTURE
        )


def _is_planned(gare: Gare, release: Release) -> bool:
    return gare.ledger.releases.step_states(release.id).get("plan") is StepState.DONE


def _overtaken(gare: Gare, release: Release, plan: Plan, *, is_fixed: bool) -> str:
    """Say what came between the plan of a release that has not begun and its turn; empty when nothing did."""
    others = gare.ledger.releases.ended_since_plan(release)
    took = next((other for other in others if other.state is ReleaseState.RELEASED), None)
    again = plan.details.get(AGAIN, "")
    taker = gare.ledger.effects.deployed(plan.project).get(plan.version, release.id)
    is_deployed = taker not in (release.id, again)
    # What is released again has its tag already.
    is_taken = is_deployed or (not again and _has_moved(gare, plan))
    if took and (is_taken or not is_fixed):
        return f"{took.id} took it with {took.version}"
    if is_deployed:
        return f"{taker} deployed {plan.version} already"
    if is_taken:
        return f"the tags of {plan.project} are others than when it was planned"
    if others and not is_fixed:
        return f"{others[0].id} was rolled back"
    # What it says of versions that come again with it is shown before people agree.
    if not is_fixed and (back := gare.ledger.releases.went_back_since_plan(release)):
        return f"{back[0].id} went back to {back[0].version}"
    return ""


def _has_begun(gare: Gare, release: Release) -> bool:
    return bool(gare.ledger.releases.step_states(release.id).keys() - {"plan"})


class _Spoilt(NamedTuple):
    """Why a plan cannot be carried out any more: in short, and with what to do about it."""

    reason: str
    told: str


def _spoilt(gare: Gare, release: Release, plan: Plan) -> _Spoilt | None:
    """Say why a plan cannot be carried out any more after a hotfix went before it; None when it can."""
    fixes = gare.ledger.fixes.of(plan.project)
    for fix in fixes:
        if fix.version == plan.version and fix.release != release.id:
            reason = f"{fix.release} took it with {fix.version}"
            return _Spoilt(reason, f"{reason}.")
    try:
        if fixes:
            gare.drafting.refuse_lost(plan, (release.id, release.train))
    except LosesFix as refusal:
        return _Spoilt(refusal.what.rstrip("."), _with_way_on(release, refusal))
    return None


def _with_way_on(release: Release, refusal: LosesFix) -> str:
    """Tell that a release would lose a fix, and by which command it goes on when that is mended.

    How a member goes on is for its train to say, which may stand, drop it, or go back by then.
    """
    return str(refusal) if release.train else f"{refusal} Then `gare resume {release.id}`."


def _has_moved(gare: Gare, plan: Plan) -> bool:
    """Tell whether the plan's tag exists, or its range begins at another tag now."""
    source, prefix = gare.source(plan), plan.tag.removesuffix(plan.version)
    if any(tag.name == plan.tag for tag in source.tags()):
        return True
    previous = pick_previous(source.tags(reachable_from=plan.commit), prefix)
    start = previous.start("pre" if is_prerelease(plan.version) else "")
    return (start.commit if start else "") != plan.previous_commit


def _end(gare: Gare, release: Release, end: str) -> None:
    gare.ledger.releases.mark(release.id, ReleaseState.CANCELLED, actor="gare", end=end)
    get_run_logger().info("%s ends: %s", release.id, end)


def _value(digest: str, plan: Plan) -> dict[str, str]:
    return {
        "plan": digest,
        "summary": f"{_about(plan)}, {plan.bump}" if plan.commits else plan.bump,
    }


def _about(plan: Plan) -> str:
    """Say in short how much a plan is about; of a train its members, of a rollback that it is one."""
    return counted(len(plan.commits), "commit") if plan.commits else plan.bump


def _show(gare: Gare, release: Release, digest: str, plan: Plan) -> None:
    """Name the run after the plan and show the plan among its pages."""
    run_id, name = release.flow_run_id, f"{release.id} {plan.project} {plan.version}"
    gare.engine.rename(
        run_id, name, [f"project:{plan.project}", f"version:{plan.version}", release.id]
    )
    page_of = plan_of_train_page if plan.kind is Kind.TRAIN else plan_page
    page = page_of(release.id, plan, digest)
    gare.engine.publish(run_id, f"{release.id.lower()}-plan", page, f"Plan of {name}")
    get_run_logger().info("%s: %s, %s", name, _about(plan), counted(len(plan.steps), "step"))
