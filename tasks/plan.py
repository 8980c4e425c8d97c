"""plan: what a release will do, decided before it does anything, stored, and shown first."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from gare.domain.releases import Release, StepState
from gare.errors import Refused
from gare.reports.markdown import plan_page
from gare.requests import ReleaseRequest
from gare.wiring import Gare, open_gare


def open_release(gare: Gare, request: ReleaseRequest, run_id: str) -> Release:
    """Plan the project (or take the stored plan that was asked for) and open the release of this run."""
    release_id = plan_first.with_options(task_run_name=f"plan {request.project}")(
        request.model_dump(), run_id
    )
    return gare.ledger.releases.get(release_id)


@task(name="plan", cache_policy=NO_CACHE, persist_result=False)
def plan_first(request: dict[str, object], run_id: str) -> str:
    """Plan the release, open it in the ledger, and show the plan before anything happens."""
    gare, wanted = open_gare(), ReleaseRequest.model_validate(request)
    if wanted.requested_by:
        gare.voter(wanted.requested_by)
    digest, plan = (wanted.plan, gare.plan(wanted.plan)) if wanted.plan else gare.make_plan(wanted)
    if plan.project != wanted.project:
        raise Refused(
            f"The plan {digest[:19]}… is for {plan.project}, not {wanted.project}.",
            where="plan",
            hint=f"Make one with `gare plan {wanted.project}`.",
        )
    release = gare.ledger.releases.open(digest, plan, run_id, wanted.requested_by, wanted.reason)
    summary = {"plan": digest, "summary": f"{len(plan.commits)} commits, {plan.bump}"}
    gare.ledger.releases.begin_step(release.id, "plan", actor="gare")
    gare.ledger.releases.end_step(release.id, "plan", StepState.DONE, value=summary, actor="gare")
    name = f"{release.id} {plan.project} {plan.version}"
    gare.engine.rename(
        run_id, name, [f"project:{plan.project}", f"version:{plan.version}", release.id]
    )
    gare.engine.publish(
        run_id, f"{release.id.lower()}-plan", plan_page(release.id, plan, digest), f"Plan of {name}"
    )
    get_run_logger().info("%s: %d commits, %d steps", name, len(plan.commits), len(plan.steps))
    return release.id
