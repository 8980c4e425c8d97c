"""What a step does while a vendor is away or asks to slow down: it waits without a process and looks again later."""

from collections.abc import Callable
from datetime import timedelta

from gare.errors import LedgerAway, Unavailable
from tasks.step import AskAgain, Value, Work

PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=1)
"""How long until the next look; longer with each attempt."""


def unless_away(work: Work, act: Callable[[], Value | AskAgain]) -> Value | AskAgain:
    """Do it; a vendor that is away fails nothing. What was sent and not answered is looked up first the next time."""
    try:
        return act()
    except LedgerAway:
        raise
    except Unavailable as error:
        asked = timedelta(seconds=error.retry_after_s)
        return AskAgain(str(error), work.ledger.now() + max(asked, _pause(work)))


def _pause(work: Work) -> timedelta:
    return min(PAUSE * work.attempt, LONGEST_PAUSE)
