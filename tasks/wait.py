"""What looking whether a step can run says when it cannot."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing waited for. `reason` names whom; the run is woken at `wake_at` at the latest."""

    reason: str
    wake_at: datetime | None = None
    is_refusal: bool = False
    """Nothing will come: the release ends."""
