"""Continuous integration elsewhere: a pipeline of jobs for a commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol


class PipelineState(StrEnum):
    """Where a pipeline stands, in our words."""

    RUNNING = "running"
    """Not through, and nobody has to do anything."""
    BLOCKED = "blocked"
    """A person must act before it goes on."""
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"
    SKIPPED = "skipped"

    @property
    def has_ended(self) -> bool:
        """Whether it stays as it is, unless somebody retries it."""
        return self not in (PipelineState.RUNNING, PipelineState.BLOCKED)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One pipeline. `said` is the vendor's own word for its state."""

    id: int
    state: PipelineState
    said: str
    commit: str
    ref: str
    url: str


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a pipeline. `said` is the vendor's own word for its state."""

    id: int
    name: str
    stage: str
    said: str
    url: str
    has_failed: bool = False
    """Whether it failed and its failure counts."""
    waits_for_person: bool = False
    """Whether somebody must start it by hand, and the pipeline waits for that."""
    can_be_played: bool = False
    """Whether it starts only by hand and has not been started, also where the pipeline does not wait for it."""
    has_begun: bool = False
    """Whether it was started, whatever came of it."""
    reason: str = ""
    """Why it failed, in the vendor's words."""


class Ci(Protocol):
    """The pipelines of one project. Every call raises ConnectorError."""

    def find(self, ref: str, commit: str, key: str) -> Pipeline | None:
        """Return the pipeline that was started with this key; None when there is none."""

    def start(self, ref: str, commit: str, key: str, variables: Mapping[str, str]) -> Pipeline:
        """Start a pipeline for the head of `ref`, with `key` and the variables in it.

        Raises Conflict when the head is another commit. Through the effect helper only: `find` is its look.
        """

    def pipeline(self, id: int) -> Pipeline:
        """Return a pipeline as it stands now."""

    def jobs(self, id: int) -> Sequence[Job]:
        """Return the jobs of a pipeline, in their order; of a retried job only the last turn."""

    def log_tail(self, job: int, lines: int) -> Sequence[str]:
        """Return the last lines of a job's log."""

    def test_cases(self, id: int) -> Sequence[Mapping[str, Any]]:
        """Return the test cases that the pipeline's jobs reported: name, class, file, outcome, duration_s."""

    def artifacts(self, job: int, archive: Path) -> None:
        """Write what a job made into an archive (zip). Raises NotFound when it made nothing or it has expired."""
