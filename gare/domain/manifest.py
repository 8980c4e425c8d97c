"""The manifest: what approvers vote on. Plan, artifacts and evidence behind one digest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gare.domain.digest import digest
from gare.domain.plan import Plan, PlannedStep
from gare.domain.schedule import behind


@dataclass(frozen=True, slots=True)
class Manifest:
    """Digests of all that a yes or no is about."""

    plan: str
    artifacts: Mapping[str, str]
    evidence: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """Spell it as plain JSON."""
        return {
            "plan": self.plan,
            "artifacts": dict(self.artifacts),
            "evidence": dict(self.evidence),
        }

    @property
    def digest(self) -> str:
        """Return what a vote names."""
        return digest(self.as_json())


def manifest(plan: Plan, plan_digest: str, step_id: str, values: Mapping[str, Any]) -> Manifest:
    """Collect what lies before the approval `step_id`: artifacts' and step results' digests.

    Steps beside it do not count: their timing must not void votes.
    """
    return manifest_of(plan.steps, plan_digest, step_id, values)


def manifest_of(
    steps: Iterable[PlannedStep], plan_digest: str, step_id: str, values: Mapping[str, Any]
) -> Manifest:
    """Do the same from the steps alone, for whoever checks a record without the whole plan."""
    before = sorted(behind(steps, step_id) & set(values))
    artifacts = {
        artifact["name"]: artifact["sha256"]
        for step in before
        for artifact in (values[step] or {}).get("artifacts", ())
    }
    evidence = {
        step: digest(values[step]["evidence"])
        for step in before
        if isinstance(values[step], dict) and "evidence" in values[step]
    }
    return Manifest(plan_digest, artifacts, evidence)
