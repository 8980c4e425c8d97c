"""Environments and deployments as the hosting records them: what runs where, and who must say yes there."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DeploymentRecord:
    """One deployment. `status` is created, running, success, failed, canceled, skipped or blocked."""

    id: int
    environment: str
    status: str
    commit: str
    ref: str
    pending_approvals: int = 0
    job: int = 0
    """The job that deploys; 0 when the record was made through the API."""
    has_to_be_played: bool = False
    """Whether somebody must start the job by hand: an approval does not start it."""
    approved_by: tuple[str, ...] = ()
    """The users who have said yes."""


class Environments(Protocol):
    """The environments of one project. Every call raises ConnectorError."""

    def look(self, environment: str, commit: str, ref: str) -> DeploymentRecord | None:
        """Return the newest record of this commit in an environment; None when there is none."""

    def record(
        self, environment: str, commit: str, ref: str, *, is_tag: bool, status: str
    ) -> DeploymentRecord:
        """Write a deployment down, and the environment where it is new. Through the effect helper only."""

    def set_status(self, id: int, status: str) -> None:
        """Say how a recorded deployment ended. Safe to repeat."""

    def get(self, id: int) -> DeploymentRecord:
        """Return a deployment as it stands now."""

    def of_job(self, job: int) -> DeploymentRecord | None:
        """Return the deployment that a job makes; None when it makes none."""

    @property
    def user(self) -> str:
        """Return the user in whose name we approve."""

    def approve(self, id: int, comment: str) -> None:
        """Say yes to a blocked deployment in the connection's name. Through the effect helper only."""

    def play(self, job: int) -> None:
        """Start a job that waits for a person. Through the effect helper only."""
