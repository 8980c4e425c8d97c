"""The one way to look again and again: growing pauses, a deadline. Waits of minutes suspend the run instead."""

import time
from collections.abc import Iterator

_FACTOR = 1.5


def looks(
    timeout_s: float | None, *, first_s: float = 0.1, longest_s: float = 2.0
) -> Iterator[float]:
    """Yield for each look how many seconds are left: at once, after growing pauses, and once more at the deadline.

    None: without end (the seconds left are `inf` then). Whoever is through leaves the loop; the end of the loop is the
    deadline.
    """
    deadline = time.monotonic() + timeout_s if timeout_s is not None else float("inf")
    pause_s = first_s
    while True:
        left_s = deadline - time.monotonic()
        yield max(left_s, 0.0)
        if left_s <= 0:
            return
        time.sleep(min(pause_s, left_s))
        pause_s = min(pause_s * _FACTOR, longest_s)
