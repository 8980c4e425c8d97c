"""An environment goes back to an earlier version, by hand or by itself: automation is on hold first, then it switches.

A version that is no longer there is brought in again from the store.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from gare.connectors.artifacts import artifact_path
from gare.domain.artifacts import all_made
from gare.domain.releases import ReleaseState
from gare.errors import ConnectorError, GareError, InternalError, LedgerAway, RolloutFailed
from gare.ledger.effects import Absent, AsWanted, Effect, Look, Receipt
from gare.ports.target import Shipment
from gare.strategies.rollout import revert, rollout
from tasks.step import Work
from tasks.undo import take_back_own


def put_back(work: Work, version: str, before: str, *, origin: str) -> Receipt:
    """Switch the step's environment from `before` to a version (empty: nothing shall run) that `origin` has built."""
    target = work.gare.target(work.plan, work.step, work.release.id)

    def look() -> Look:
        receipt = target.look(version) if version else None
        return Absent() if receipt is None else AsWanted(receipt)

    def act() -> Receipt:
        if not version or version in target.versions():
            return revert(target, version, work.say)
        return rollout(target, _from_store(work, origin, version), work.say, [version])

    wanted = {"version": version, "before": before, "place": target.place}
    effect = Effect(f"put back {work.step.environment}", wanted, look, act)
    return work.ledger.effects.perform(work.release.id, work.step.id, effect)


def hold(work: Work, reason: str) -> None:
    """Put automation on hold in the step's environment, before anything is put back.

    What runs by a schedule must not bring another version in while this is under way, nor after it has failed.
    """
    work.ledger.holds.place(work.release.id, work.plan.project, work.step.environment, reason)


def put_back_by_itself(work: Work, error: GareError) -> NoReturn:
    """Put the version last verified good back after a failure, and end the release. Raises RolloutFailed."""
    environment, before = work.step.environment, good_version(work)
    hold(work, f"{environment}: {error.what}")
    work.say(f"{error} Putting {before or 'nothing'} back.")
    origin = work.ledger.effects.deployed(work.plan.project).get(before, "")
    try:
        put_back(work, before, work.plan.version, origin=origin)
    except LedgerAway:
        raise  # says nothing about the environment: looked at again when the ledger is back
    except GareError as second:
        raise RolloutFailed(
            f"{error.what} {before or 'Nothing'} could not be put back: {second.what}",
            where=second.where or environment,
            hint=_ask_a_person(work, before),
        ) from error
    live = f"{before} is live again." if before else "Nothing is live there now."
    end_put_back(work, error, f"{error.what} {live}", before)


def end_put_back(work: Work, error: GareError, what: str, before: str) -> NoReturn:
    """Take the release's own steps back and end it, now that the version before is there. Raises RolloutFailed."""
    environment = work.step.environment
    take_back_own(work)
    if work.release.is_closed:
        raise InternalError("a closed release was deployed", where=work.release.id)
    told = {"by": work.release.id, "to": before, "actor": "gare"}
    work.ledger.taken_back.note(work.release.id, environment, **told)
    work.ledger.releases.mark(
        work.release.id, ReleaseState.ROLLED_BACK, actor="gare", end=f"{environment}: {what}"
    )
    raise RolloutFailed(what, where=f"{environment}, {error.where}", hint=error.hint) from error


def good_version(work: Work) -> str:
    """Return the version to go back to: last verified good there, else what was live before this release."""
    verified = work.ledger.verified_version(work.plan.project, work.step.environment)
    if verified and verified != work.plan.version:
        return verified
    for step in work.plan.steps:
        value = work.values.get(step.id)
        if step.type == "deploy" and step.environment == work.step.environment and value:
            return str(value["receipt"].get("previous", ""))
    return ""


def _ask_a_person(work: Work, before: str) -> str:
    project, environment = work.plan.project, work.step.environment
    to = f" --to {before}" if before else ""
    return (
        f"{environment} needs a person now: see what runs with `gare environments {project}`. "
        f"Then `gare rollback {project} --env {environment}{to}`; or repair it, and `gare resume {work.release.id}`."
    )


def make_shipment(
    work: Work, release_id: str, artifacts: Sequence[Mapping[str, Any]], version: str
) -> Shipment:
    """Return what a release has made, found by content in the store."""
    return Shipment(
        project=work.plan.project,
        environment=work.step.environment,
        release=release_id,
        version=version,
        commit=work.gare.plan(work.ledger.releases.get(release_id).plan).commit,
        files={
            artifact["name"]: artifact_path(work.gare.store, artifact["sha256"])
            for artifact in deployed(artifacts)
        },
    )


def deployed(artifacts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return what is deployed: all artifacts but the bill of materials."""
    return [artifact for artifact in artifacts if artifact["kind"] != "sbom"]


def _from_store(work: Work, origin: str, version: str) -> Shipment:
    """Return the shipment of a version that is no longer at its target. Raises RolloutFailed when it is nowhere."""
    steps = work.ledger.releases.steps(origin) if origin else {}
    try:
        if made := all_made(record.value for record in steps.values()):
            return make_shipment(work, origin, made, version)
    except ConnectorError as error:
        raise _gone(work, origin, version) from error
    raise _gone(work, origin, version)


def _gone(work: Work, origin: str, version: str) -> RolloutFailed:
    of = f"the artifacts of {origin} are" if origin else "what it was made of is"
    return RolloutFailed(
        f"{version} is no longer at its target, and {of} no longer in the store.",
        where=work.step.environment,
    )
