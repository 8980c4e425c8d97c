"""What looking whether a step can run says when it cannot, and what a round of such looks reads once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from gare.domain.journey import forward, next_to_depart, rollbacks
from gare.domain.releases import Release, StepRecord
from gare.domain.waits import Waited
from gare.wiring import Gare


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing waited for. The run is woken at `wake_at` at the latest."""

    said: Waited
    wake_at: datetime | None = None
    is_refusal: bool = False
    """Nothing will come: the release ends."""

    @property
    def reason(self) -> str:
        """Return what is waited for, in words."""
        return str(self.said)


@dataclass(frozen=True)
class Sight:
    """What the looks of one round see of a release: read when first asked for, and the same for all of them."""

    gare: Gare
    release: Release

    @cached_property
    def records(self) -> Mapping[str, StepRecord]:
        """Return the steps that have started."""
        return self.gare.ledger.releases.steps(self.release.id)

    @cached_property
    def members(self) -> Sequence[Release]:
        """Return the releases that a train has started."""
        return self.gare.ledger.releases.members(self.release.id)

    @cached_property
    def own(self) -> Mapping[str, Release]:
        """Return each member's own release, the newest."""
        return forward(self.members)

    @cached_property
    def back(self) -> Mapping[str, Sequence[Release]]:
        """Return the rollbacks of each member."""
        return rollbacks(self.members)

    @cached_property
    def next_to_depart(self) -> frozenset[str]:
        """Return the members of a train that may depart now."""
        return next_to_depart(self.gare.plan(self.release.plan), self.records, self.own)
