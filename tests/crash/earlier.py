"""What came before a rollback: releases that were verified good, as the ledger and the target have them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from scenarios import VERSION

from gare.config.loader import load_station
from gare.domain.plan import Plan
from gare.domain.releases import ReleaseState, StepState
from gare.ledger.effects import AsWanted, Effect
from gare.requests import ReleaseRequest
from gare.wiring import Gare


def tell_earlier(station: Path, project: str, versions: Sequence[str]) -> None:
    """Write into the ledger that these versions of the template were released, one after the other."""
    gare = Gare(load_station(station))
    _, plan = gare.drafting.make(ReleaseRequest(project=project, version=VERSION))
    for version in versions:
        _tell(gare, replace(plan, version=version, tag=f"v{version}"))


def _tell(gare: Gare, plan: Plan) -> None:
    ledger = gare.ledger
    # The engine has no run of this id any more, as of any release that is long over.
    run = str(uuid5(NAMESPACE_URL, f"{plan.project} {plan.version}"))
    if (told := ledger.releases.of_run(run)) is not None and told.is_closed:
        return
    release = ledger.releases.open(ledger.plans.store(plan), plan, run, "alice", "")
    for step in plan.steps:
        ledger.releases.begin_step(release.id, step.id, actor="gare")
        if step.type == "deploy":
            ledger.effects.perform(release.id, step.id, _deployed(step.environment, plan.version))
        ledger.releases.end_step(release.id, step.id, StepState.DONE, value={}, actor="gare")
    for environment in plan.environments:
        ledger.set_verified(release.id, plan.project, environment, plan.version)
    ledger.releases.mark(release.id, ReleaseState.RELEASED, actor="gare")


def _deployed(environment: str, version: str) -> Effect:
    wanted = {"version": version}
    return Effect(f"deploy {environment}", wanted, lambda: AsWanted(wanted), lambda: wanted)
