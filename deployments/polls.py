"""When the warm worker asks the server for runs: at once when the bell rings, often while runs come, seldom otherwise.

Each question costs the server 15 to 30 ms of CPU, and most answers are empty. What starts or wakes a run on this
machine (gare.engine) touches the station's bell; runs that are started in Prefect's UI wait for the next question.
"""

import time
from collections.abc import Callable
from pathlib import Path

TICK_S = 0.25
"""How often the bell is looked at: one `stat`."""
BUSY_S = 1.0
IDLE_S = 3.0
_BUSY_FOR_S = 60.0


class Polls:
    """Decides tick by tick whether to ask now."""

    def __init__(self, bell: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._bell, self._clock = bell, clock
        self._rung = self._stamp()
        self._asked = float("-inf")
        self._busy_until = clock() + _BUSY_FOR_S

    def is_due(self) -> bool:
        """Tell whether to ask now; the answer counts as done."""
        now, rung = self._clock(), self._stamp()
        interval_s = BUSY_S if now < self._busy_until else IDLE_S
        # Loops are no exact clocks: a tick that comes a little early counts.
        if rung == self._rung and now - self._asked < interval_s - TICK_S / 2:
            return False
        if rung != self._rung:
            self._busy_until = now + _BUSY_FOR_S
        self._rung, self._asked = rung, now
        return True

    def found(self) -> None:
        """Note that there were runs: more may come."""
        self._busy_until = self._clock() + _BUSY_FOR_S

    def _stamp(self) -> int:
        try:
            return self._bell.stat().st_mtime_ns if self._bell else 0
        except OSError:
            return 0
