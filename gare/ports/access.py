"""What a hosting lets our token do, asked before it is tried."""

from datetime import date
from typing import Protocol


class HostingAccess(Protocol):
    """What one project's hosting lets us do. Every call raises ConnectorError."""

    @property
    def place(self) -> str:
        """Name the project where it is hosted, such as `GitLab shop/payments`."""

    def who(self) -> str:
        """Say as whom we are there, and in which role."""

    def lacking(self) -> str:
        """Say what our token lacks to write there; empty when nothing."""

    def ends_on(self) -> date | None:
        """Return the token's last day, where it has one."""

    def refused_tag(self, name: str) -> str:
        """Say why this tag may not be made by us; empty when it may."""

    def refused_push(self, branch: str) -> str:
        """Say why we may not push to a branch; empty when we may."""
