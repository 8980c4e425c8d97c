"""A hotfix: chosen fixes on the last released version, before every other release of the project."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import release
from flows.course import bring_on
from gare.requests import HotfixRequest
from tasks.branch import branch
from tasks.merge_back import merge_back

KINDS = {**release.KINDS, "branch": branch, "merge-back": merge_back}


@flow(
    name="hotfix",
    description="Release chosen fixes on top of the last released version: plan, branch, build, test, validate, "
    "approve, deploy, verify, publish, announce, bring the fix into every line - as its plan says.",
)
async def hotfix(request: HotfixRequest) -> State[Any]:
    """Bring one hotfix on, as a release: other releases of the project wait, and are planned anew."""
    return await bring_on(request, KINDS)
