"""What stands where a release was verified good: its own version, one on top of it, or what was there before. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from gare.domain.plan import Kind
from gare.domain.standing import Verified, good_versions


@dataclass(frozen=True, slots=True)
class Ground:
    """How an environment stands to the version that a release brought there.

    `newest` is what was verified good there last, `before` the good version below the release's own; empty: none.
    """

    version: str
    before: str
    newest: Verified
    is_own: bool
    """The release's own version is what stands."""
    is_gone: bool
    """It was taken back, and nothing has come on top since."""

    @property
    def is_below(self) -> bool:
        """Whether another release has come on top of it."""
        return not self.is_own and not self.is_gone


def ground_of(history: Sequence[Verified], release: str) -> Ground | None:
    """Return how an environment stands to a release; None when its version was never verified good there.

    `history` is everything that was verified good there, the oldest first.
    """
    places = [place for place, one in enumerate(history) if one.release == release]
    if not places:
        return None
    own, good, newest = history[places[-1]], good_versions(history), history[-1]
    below = reversed(good_versions(history[: places[-1]]))
    before = next((one.version for one in below if one.version != own.version), "")
    is_gone = own not in good and newest.kind is Kind.ROLLBACK
    return Ground(own.version, before, newest, good[-1] == own, is_gone)
