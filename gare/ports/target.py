"""An environment as Gare reaches it: what runs there, change it, ask its health."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Say = Callable[[str], None]
"""Takes one line of progress or of a command's output."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """What is brought to a target: the files of one version. `files` maps a relative name to a local file."""

    project: str
    environment: str
    release: str
    version: str
    commit: str
    files: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Running:
    """What a target says it runs; empty version when nothing is there."""

    version: str
    evidence: str
    """How we know: the address or command asked, and its answer."""


class Target(Protocol):
    """One environment of one project. Methods are idempotent; each may be called again after a crash."""

    def live(self) -> str:
        """Return the version the target is switched to now; empty when none."""

    def plan(self, version: str) -> Sequence[str]:
        """Say in words what `deploy` will do, in order."""

    def deploy(self, shipment: Shipment, say: Say) -> Mapping[str, str]:
        """Bring the shipment in, switch to it, restart; return a receipt."""

    def revert(self, version: str, say: Say) -> Mapping[str, str]:
        """Switch back to a version that is still there (empty: to nothing); return a receipt."""

    def running(self, say: Say) -> Running:
        """Ask what really runs. Raises StepFailed when it cannot be told."""

    def check_health(self, say: Say) -> str:
        """Wait until healthy and return the evidence. Raises StepFailed at the deadline."""
