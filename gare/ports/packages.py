"""A registry of files by package and version."""

from pathlib import Path
from typing import Protocol


class Packages(Protocol):
    """The registry of one project. Every call raises ConnectorError."""

    def look(self, package: str, version: str, file: str) -> str | None:
        """Return the sha256 of a file as the registry has it; None when it has none."""

    def upload(self, package: str, version: str, path: Path, sha256: str) -> str:
        """Upload a file and return its address; Conflict when another content arrived.

        Through the effect helper only.
        """
