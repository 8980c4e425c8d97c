"""The sandbox's own time: it runs, stands, or follows another clock, and can be moved."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def _real() -> datetime:
    return datetime.now(UTC)


class Clock:
    """A clock that can be moved. Without a source it runs with the machine's."""

    def __init__(self, source: Callable[[], datetime] = _real) -> None:
        self._source, self._ahead = source, timedelta()

    @classmethod
    def standing(cls, at: datetime) -> "Clock":
        """Return a clock that moves only when it is moved."""
        return cls(lambda: at)

    def now(self) -> datetime:
        """Return the sandbox's time, aware UTC."""
        return self._source() + self._ahead

    def advance(self, by: timedelta) -> None:
        """Move the clock ahead (or back)."""
        self._ahead += by

    def set(self, at: datetime) -> None:
        """Move the clock to an instant."""
        self._ahead = at - self._source()


def stamp(at: datetime) -> str:
    """Spell an instant as vendors do: `2026-11-23T08:00:00.000Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
