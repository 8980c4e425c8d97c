"""The plan of a release: everything it will do, before it does anything. Pure values with a digest.

Holds no clock and no host name: the same inputs give the same digest. It carries all that the steps need
(commands, targets, rules), so a change of configuration after planning does not change what runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = Mapping[str, Any]

PLAN_FORMAT = 2
"""2 has `kind` and `details`; a plan of format 1 is that of a release."""


class Kind(StrEnum):
    """What a release is for. All kinds have a plan, steps, locks, votes, effects and evidence alike."""

    RELEASE = "release"
    HOTFIX = "hotfix"
    ROLLBACK = "rollback"
    TRAIN = "train"


class Reversibility(StrEnum):
    """What can be done about a step's outside effects afterwards."""

    NOTHING_OUTSIDE = "nothing outside"
    REVERSIBLE = "reversible"
    COMPENSATED = "compensated"
    POINT_OF_NO_RETURN = "point of no return"


@dataclass(frozen=True, slots=True)
class PlannedCommit:
    """One commit of the release as facts and notes see it. `date` is ISO 8601 UTC."""

    sha: str
    subject: str
    kind: str
    scope: str
    is_breaking: bool
    tickets: tuple[str, ...]
    author_name: str
    author_email: str
    date: str
    is_merge: bool = False


@dataclass(frozen=True, slots=True)
class PlannedTicket:
    """A ticket in or near the release. `verdict`: matched, planned without code, code without ticket, reopened."""

    key: str
    title: str
    kind: str
    status: str
    version: str
    verdict: str
    commits: tuple[str, ...] = ()


DEPARTURE = "departure"
"""What a train's go or no go is about, where the approval of a release names an environment."""
_TRAIN = "train:"


def of_train(name: str) -> str:
    """Return what stands for a train where a release has its project; no project can be called so."""
    return f"{_TRAIN}{name}"


def train_of(project: str) -> str:
    """Return the train's name; empty for a project."""
    return project.removeprefix(_TRAIN) if project.startswith(_TRAIN) else ""


@dataclass(frozen=True, slots=True)
class PlannedEffect:
    """One change outside Gare that the release will make, in words a person approves."""

    action: str
    target: str
    reversibility: Reversibility
    note: str = ""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A node of the DAG with everything it needs to run.

    `repeats_failures`: whether a failed command is retried too, not only faults that may pass by themselves.
    `point_of_no_return`: why no rollback goes behind this step once it has run; empty when one may.
    """

    id: str
    type: str
    title: str
    needs: tuple[str, ...] = ()
    environment: str = ""
    settings: Json = field(default_factory=dict)
    retries: int = 0
    repeats_failures: bool = False
    backoff_s: float = 5.0
    timeout_s: float = 3600.0
    effects: tuple[PlannedEffect, ...] = ()
    reversibility: Reversibility = Reversibility.NOTHING_OUTSIDE
    point_of_no_return: str = ""


@dataclass(frozen=True, slots=True)
class PlannedApproval:
    """Who must say yes before an environment changes."""

    step: str
    environment: str
    groups: Mapping[str, int]
    author_may_vote: bool
    requester_may_vote: bool
    expires_after_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one release will do. Steps are in a valid order of execution.

    `details` is what only its kind has: gare.planning.hotfix, .rollback and .train say what.
    """

    project: str
    title: str
    version: str
    previous_version: str
    previous_tag: str
    previous_commit: str
    tag: str
    branch: str
    commit: str
    bump: str
    source: Json
    commits: tuple[PlannedCommit, ...]
    tickets: tuple[PlannedTicket, ...]
    notes: str
    steps: tuple[PlannedStep, ...]
    approvals: tuple[PlannedApproval, ...]
    environments: tuple[str, ...]
    env: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    kind: Kind = Kind.RELEASE
    details: Json = field(default_factory=dict)
    format: int = PLAN_FORMAT

    def step(self, step_id: str) -> PlannedStep:
        """Return the step with this id; KeyError when the plan has none."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    @property
    def headline(self) -> str:
        """Say what it is about, after the project's name."""
        if self.kind is Kind.ROLLBACK:
            place, before = self.details["environment"], self.previous_version or "nothing"
            return f"{place} goes back from {before} to {self.version}"
        last = self.previous_version or "none"
        return f"{self.version} ({self.bump}; the last one is {last})"

    @property
    def outcome(self) -> str:
        """Say what is true when all steps are done."""
        if self.kind is Kind.ROLLBACK:
            return f"{self.details['environment']} is back at {self.version}"
        if self.kind is Kind.TRAIN:
            return f"the train of {self.version} has arrived"
        again = " again" if self.bump == "again" else ""
        return f"{self.version} is released{again}"

    @property
    def effects(self) -> Sequence[PlannedEffect]:
        """Every change outside Gare, in the order of the steps."""
        return [effect for step in self.steps for effect in step.effects]
