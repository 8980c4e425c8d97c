"""An environment as Gare reaches it: what runs there, change it, ask its health.

A target does single moves; which moves in which order is a strategy's business (gare/strategies). Every move may be
called again after a crash and then leads to the same end.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
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


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a target was configured to do when its version is replaced."""

    has_start: bool = False
    has_stop: bool = False
    has_restart: bool = False
    has_health: bool = False
    shared: tuple[str, ...] = ()
    keep: int = 5


class Target(Protocol):
    """One environment of one project: the questions every strategy may ask."""

    @property
    def place(self) -> str:
        """Name the target for people, such as `directory /srv/shop`."""

    @property
    def address(self) -> str:
        """Return the http(s) address where people see what runs; empty when none is known."""

    @property
    def strategy(self) -> str:
        """Name the strategy the target is changed with; a key of gare/strategies/registry.py."""

    @property
    def abilities(self) -> Abilities:
        """Tell which moves do something here."""

    def live(self) -> str:
        """Return the version the target is switched to now; empty when none."""

    def previous(self) -> str:
        """Return the version that was live before the last switch; empty when none or unknown."""

    def versions(self) -> Sequence[str]:
        """Return the versions that can be switched to without bringing them in again."""

    def look(
        self, version: str, files: Mapping[str, Path] | None = None
    ) -> Mapping[str, str] | None:
        """Return the receipt when the target is already switched to `version` with this content and settled.

        None means there is something to do. Raises Conflict when `version` is there with other content.
        """

    def running(self, say: Say, expect: str = "") -> Running:
        """Ask what really runs; with `expect`, ask again until it answers that or time is up.

        Raises StepFailed when it cannot be told.
        """

    def check_health(self, say: Say) -> str:
        """Wait until healthy and return the evidence. Raises StepFailed at the deadline."""

    def hold(self, say: Say) -> AbstractContextManager[None]:
        """Keep other processes from changing the target meanwhile. Raises Unavailable when held too long."""

    def settle(self, version: str, receipt: Mapping[str, str]) -> None:
        """Remember that the change to `version` is complete: `look` answers the receipt from now on."""

    def prune(self, good: Iterable[str], say: Say) -> Sequence[str]:
        """Remove old versions, never the live, the previous or a `good` one; return what went."""


class ReplaceTarget(Target, Protocol):
    """A target whose one running version is replaced by another: the moves of strategy `replace`."""

    def bring_in(self, shipment: Shipment, say: Say) -> None:
        """Put the version beside the running one. Raises Conflict when it is there with other content."""

    def link_shared(self, version: str, say: Say) -> None:
        """Give the version the files that all versions share."""

    def stop(self, version: str, say: Say) -> None:
        """Run the stop command of this version. Raises StepFailed."""

    def switch(self, version: str, say: Say) -> None:
        """Make this version the live one in one instant; empty: none."""

    def start(self, version: str, say: Say) -> None:
        """Run the start command of this version. Raises StepFailed."""

    def restart(self, version: str, say: Say) -> None:
        """Run the restart command of this version. Raises StepFailed."""
