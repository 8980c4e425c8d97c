"""What stands in an environment, read from the ledger and the target; and where one may go back to from there."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gare.config.models import ProjectConfig
from gare.config.problems import listed, nearest
from gare.connectors.artifacts import artifact_path
from gare.domain.artifacts import all_made
from gare.domain.plan import Kind, Plan
from gare.domain.releases import StepState
from gare.domain.standing import RolledBack, Verified, good_versions, rolled_back
from gare.errors import ConfigError, ConnectorError, Refused
from gare.ledger.ledger import Ledger
from gare.ports.target import Target
from gare.requests import RollbackRequest


@dataclass(frozen=True, slots=True)
class Standing:
    """An environment as it is: what runs, what was verified good, what is under way.

    `put_back_by` is the release that has put its own version back since the last one was verified good; `deployed`
    gives the release that brought a version somewhere, by version; `rolling` is a rollback under way here.
    """

    live: str
    history: Sequence[Verified] = ()
    put_back_by: str = ""
    deployed: Mapping[str, str] = field(default_factory=dict)
    rolling: str = ""


@dataclass(frozen=True, slots=True)
class WayBack:
    """Where to go back to, and which releases are taken back for it, the newest first."""

    to: str
    origin: str
    undoes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undone:
    """A release that is taken back: its plan, and the steps that have begun, with their states."""

    release: str
    plan: Plan
    states: Mapping[str, StepState]


@dataclass(frozen=True, slots=True)
class Stock:
    """Where the version to go back to is: at the target still, and whether the store has what it was made of."""

    place: str
    versions: Collection[str]
    has_artifacts: bool


def check_environment(project: ProjectConfig, name: str) -> None:
    """Raise ConfigError, with the nearest name, for an environment that the project does not have."""
    if name not in project.environments:
        raise ConfigError(
            f"{project.name} has no environment `{name}`.",
            where=f"{project.name}: environments",
            hint=f"{nearest(name, project.environments)}Environments are {listed(project.environments)}.",
        )


def way_back(request: RollbackRequest, standing: Standing) -> WayBack:
    """Choose the version to go back to. Raises Refused, with the reason, when there is none that one may go to."""
    here = f"{request.project}/{request.environment}"
    _refuse_repeated(request, standing, here)
    good = good_versions(standing.history)
    versions = [one.version for one in good]
    to = request.to or _last_good(versions, standing.live, here)
    if to not in versions:
        raise _not_good(request, standing.history, versions, here)
    if to == standing.live:
        raise Refused(
            f"{to} runs in {request.environment} already.",
            where=here,
            hint=f"Verified good there: {_newest_first(versions)}.",
        )
    later = [one.release for one in reversed(good[versions.index(to) + 1 :])]
    unverified = standing.deployed.get(standing.live, "") if standing.live not in versions else ""
    undoes = [*([unverified] if unverified else []), *later]
    origin = standing.deployed.get(to, good[versions.index(to)].release)
    return WayBack(to, origin, tuple(dict.fromkeys(undoes)))


def _refuse_repeated(request: RollbackRequest, standing: Standing, here: str) -> None:
    """Raise Refused when nothing was good there, or when what runs is the work of a rollback."""
    if not standing.history:
        raise Refused(
            f"Nothing was verified good in {request.environment} yet, so there is nothing to go back to.",
            where=here,
            hint=f"`gare environments {request.project}` says what runs there.",
        )
    if standing.rolling:
        raise Refused(
            f"{standing.rolling} is rolling {request.environment} back already.",
            where=here,
            hint=f"Follow it with `gare watch {standing.rolling}`.",
        )
    last = standing.history[-1]
    if last.kind is Kind.ROLLBACK and standing.live == last.version:
        raise Refused(
            f"{request.environment} runs {last.version} because {last.release} rolled it back, "
            "and a rollback is never rolled back.",
            where=here,
            hint=f"Release a repaired version: `gare release {request.project}`; "
            f"or the same one again: {_again(request, standing)}.",
        )
    if standing.put_back_by and standing.live == last.version and not request.to:
        raise Refused(
            f"{request.environment} was put back to {standing.live} by {standing.put_back_by} itself.",
            where=here,
            hint="To go further back, name the version with --to.",
        )


def _last_good(versions: Sequence[str], live: str, here: str) -> str:
    """Return the version that was good before the one that runs."""
    before = versions[: versions.index(live)] if live in versions else versions
    if not before:
        raise Refused(
            f"{live} is the only version that was verified good there, so there is nothing to go back to.",
            where=here,
            hint="Release a repaired version.",
        )
    return before[-1]


def _again(request: RollbackRequest, standing: Standing) -> str:
    version = next(reversed(rolled_back(standing.history)), "VERSION")
    return f"`gare release {request.project} --again {version}`"


def _not_good(
    request: RollbackRequest, history: Sequence[Verified], versions: Sequence[str], here: str
) -> Refused:
    to, hint = request.to, f"Verified good there: {_newest_first(versions)}."
    places = [place for place, one in enumerate(history) if one.version == to]
    if not places:
        return Refused(f"{to} was never verified good there.", where=here, hint=hint)
    later = [one.release for one in history[places[-1] :] if one.kind is Kind.ROLLBACK]
    if to in rolled_back(history):
        hint += f" It comes again with `gare release {request.project} --again {to}`."
    return Refused(f"{to} was itself rolled back there, by {later[0]}.", where=here, hint=hint)


def _newest_first(versions: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(reversed(versions)))


def read_standing(ledger: Ledger, target: Target, project: str, environment: str) -> Standing:
    """Ask the target what runs, and the ledger what was."""
    rolling = [
        release.id
        for release in ledger.releases.find(is_open=True, project=project, limit=200)
        if release.kind is Kind.ROLLBACK
        and release.is_moving
        and ledger.plans.get(release.plan).details["environment"] == environment
    ]
    history = ledger.verified_good(project, environment)
    put_back = ledger.taken_back.put_back_since
    return Standing(
        live=target.live(),
        history=history,
        put_back_by=put_back(project, environment, history[-1].at) if history else "",
        deployed=ledger.effects.deployed(project),
        rolling=rolling[0] if rolling else "",
    )


def read_undone(ledger: Ledger, release_ids: Iterable[str]) -> list[Undone]:
    """Read the releases that are taken back."""
    releases = ledger.releases
    return [
        Undone(one, ledger.plans.get(releases.get(one).plan), releases.step_states(one))
        for one in release_ids
    ]


def read_stock(ledger: Ledger, target: Target, store: Path, way: WayBack) -> Stock:
    """Look where the version to go back to can be had."""
    versions = target.versions()
    return Stock(
        target.place, versions, way.to in versions or has_artifacts(ledger, store, way.origin)
    )


def read_rolled_back(ledger: Ledger, project: str, environment: str) -> list[RolledBack]:
    """Return the versions that were rolled back there and have not come again."""
    found = rolled_back(ledger.verified_good(project, environment))
    return [
        RolledBack(version, environment, by, ledger.releases.get(by).reason)
        for version, by in found.items()
    ]


def has_artifacts(ledger: Ledger, store: Path, release_id: str) -> bool:
    """Tell whether the store has what a release made (empty: none)."""
    steps = ledger.releases.steps(release_id) if release_id else {}
    artifacts = all_made(record.value for record in steps.values())
    try:
        for artifact in artifacts:
            artifact_path(store, artifact["sha256"])
    except ConnectorError:
        return False
    return bool(artifacts)
