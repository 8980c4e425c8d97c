"""deploy: the environment switches to the version. When the switch itself fails, what was there is put back at once."""

from typing import Any

from gare.connectors.artifacts import artifact_path
from gare.domain.releases import ReleaseState
from gare.errors import InternalError, Refused, RolloutFailed
from gare.ledger.effects import Absent, AsWanted, Effect, Look, Receipt
from gare.ledger.releases import number_of
from gare.ports.target import Shipment
from gare.strategies.rollout import rollout
from tasks.step import STOPPING, Value, Work, step_task


@step_task
def deploy(work: Work) -> Value:
    """Bring the release's artifacts to the environment and switch to them."""
    environment, plan = work.step.environment, work.plan
    _refuse_overtaken(work)
    target = work.gare.target(plan, work.step, work.release.id)
    shipment = shipment_of(work)
    good = [work.ledger.verified_version(plan.project, environment)]

    def look() -> Look:
        receipt = target.look(shipment.version, shipment.files)
        return Absent() if receipt is None else AsWanted(receipt)

    def act() -> Receipt:
        return rollout(target, shipment, work.say, [version for version in good if version])

    wanted = {"version": plan.version, "place": target.place, "files": digests(work)}
    effect = Effect(f"deploy {environment}", wanted, look, act)
    try:
        receipt = work.ledger.effects.perform(work.release.id, work.step.id, effect)
    except RolloutFailed as error:
        if STOPPING.is_set():
            raise  # somebody ends the release: it is cancelled, not rolled back
        roll_back_end(work, f"{environment}: {error}")
        raise
    return {"receipt": dict(receipt), "summary": f"{plan.version} at {target.place}"}


def _refuse_overtaken(work: Work) -> None:
    """Raise Refused when a release opened later was verified good there: this one would go back behind it."""
    environment = work.step.environment
    newest = work.ledger.verified_by(work.plan.project, environment)
    if newest and number_of(newest) > number_of(work.release.id):
        version = work.ledger.verified_version(work.plan.project, environment)
        raise Refused(
            f"{environment} has {version} of {newest} by now; {work.plan.version} would go back behind it.",
            where=f"{work.release.id}, step {work.step.id}",
            hint=f"End this one with `gare cancel {work.release.id}`.",
        )


def shipment_of(work: Work) -> Shipment:
    """Return what the build made, found by content in the store."""
    return Shipment(
        project=work.plan.project,
        environment=work.step.environment,
        release=work.release.id,
        version=work.plan.version,
        commit=work.plan.commit,
        files={
            artifact["name"]: artifact_path(work.gare.store, artifact["sha256"])
            for artifact in artifacts(work)
        },
    )


def artifacts(work: Work) -> list[dict[str, Any]]:
    """Return what is deployed: the build's artifacts without its bill of materials."""
    built = work.values.get("build") or {}
    return [artifact for artifact in built.get("artifacts", ()) if artifact["kind"] != "sbom"]


def digests(work: Work) -> dict[str, str]:
    """Return the digests of what is deployed, by name."""
    return {artifact["name"]: artifact["sha256"] for artifact in artifacts(work)}


def roll_back_end(work: Work, end: str) -> None:
    """End the release as rolled back."""
    if work.release.is_closed:
        raise InternalError("a closed release was deployed", where=work.release.id)
    work.ledger.releases.mark(work.release.id, ReleaseState.ROLLED_BACK, actor="gare", end=end)
