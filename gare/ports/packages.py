"""A registry of files by package and version."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One file as the registry has it."""

    sha256: str
    url: str


class Packages(Protocol):
    """The registry of one project. Every call raises ConnectorError."""

    def look(self, package: str, version: str, file: str) -> PackageFile | None:
        """Return the newest file of this name; None when there is none."""

    def upload(self, package: str, version: str, file: str, path: Path, sha256: str) -> str:
        """Upload a file under a name and return its address; Conflict when another content arrived.

        Through the effect helper only.
        """
