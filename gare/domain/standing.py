"""What stands in an environment: the versions verified good there, and whether automation is on hold. Pure values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gare.domain.plan import Kind, Plan, PlannedStep
from gare.domain.releases import Release, StepState
from gare.domain.schedule import behind, environment_of
from gare.domain.versions import is_between


@dataclass(frozen=True, slots=True)
class Verified:
    """One version that was verified good in an environment, by the release that brought it (or went back to it)."""

    version: str
    release: str
    kind: Kind
    at: datetime


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A version that a rollback has taken out of an environment, and why."""

    version: str
    environment: str
    release: str
    reason: str = ""

    def __str__(self) -> str:
        """Tell it in words."""
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.version}, which {self.release} rolled back in {self.environment}{reason}"


@dataclass(frozen=True, slots=True)
class Hold:
    """Automation that is on hold: what no person has asked for since does not deploy there until one releases it.

    `release` is the one whose rolling back made it.
    """

    project: str
    environment: str
    release: str
    reason: str
    since: datetime

    def keeps(self, release: Release) -> bool:
        """Tell whether a release does not deploy there; one that made the hold and failed was resumed by a person.

        Who asked for it before the rollback could not know of it, nor could those who agreed.
        """
        if release.kind is Kind.ROLLBACK or release.id == self.release:
            return False
        return is_automatic(release) or release.opened_at < self.since

    def __str__(self) -> str:
        """Tell it in words."""
        return (
            f"{self.project}/{self.environment} is on hold since {self.release} ({self.reason}): "
            "a release that no person has asked for since does not deploy there"
        )


def good_versions(history: Iterable[Verified]) -> list[Verified]:
    """Return the versions that one can go back to, the one that should run now last.

    `history` is everything that was verified good there, the oldest first. A rollback takes what came after its version
    out: what it undid is no version to go back to.
    """
    found: list[Verified] = []
    for one in history:
        if one.kind is Kind.ROLLBACK and any(good.version == one.version for good in found):
            while found[-1].version != one.version:
                found.pop()
        else:
            found.append(one)
    return found


def rolled_back(history: Iterable[Verified]) -> dict[str, str]:
    """Return the versions that were rolled back and have not come again, each with the rollback that did it.

    `history` as above, the last rolled back last. A greater version that was verified good there since has brought it
    along, as long as that one stands.
    """
    standing, found = list[tuple[int, Verified]](), dict[str, tuple[int, str]]()
    for place, one in enumerate(history):
        kept = len(good_versions([*(good for _, good in standing), one]))
        for _, gone in standing[kept:]:
            found.pop(gone.version, None)
            found[gone.version] = (place, one.release)
        if kept > len(standing):
            found.pop(one.version, None)
            standing.append((place, one))
        standing = standing[:kept]
    return {
        version: by
        for version, (place, by) in found.items()
        if not any(
            since > place and is_between(version, "", good.version) for since, good in standing
        )
    }


def is_automatic(release: Release) -> bool:
    """Tell whether no person asked for this very release: a schedule did, a train, or a call without a name."""
    return not release.requested_by or bool(release.train)


def no_return(plan: Plan, states: Mapping[str, StepState], environment: str) -> PlannedStep | None:
    """Return the step behind which an environment does not go back, when it has begun."""
    for step in plan.steps:
        if (
            step.point_of_no_return
            and step.id in states
            and environment_of(plan, step) == environment
        ):
            return step
    return None


def to_undo(
    plan: Plan, states: Mapping[str, StepState], environment: str, *, is_after: bool
) -> list[PlannedStep]:
    """Return the steps to take back that came after the deployment there (or before it), in reverse."""
    deploy = f"deploy-{environment}"
    before = behind(plan.steps, deploy) if any(step.id == deploy for step in plan.steps) else set()
    return [
        step
        for step in reversed(plan.steps)
        if (step.id not in before) is is_after
        and states.get(step.id) is StepState.DONE
        and environment_of(plan, step) == environment
        and step.settings.get("undo")
    ]
