"""How far a release is, as one bar in the engine's UI. Throttled: a bar must not cost more than the steps."""

import time

from gare.domain.releases import Release
from gare.errors import ConnectorError
from gare.wiring import Gare

INTERVAL_S = 3.0


class Progress:
    """The bar of one release in one process."""

    def __init__(self, gare: Gare, release: Release, steps: int) -> None:
        self._gare, self._release, self._steps = gare, release, steps
        self._artifact, self._shown_at = "", 0.0

    def show(self, done: int, *, is_last: bool = False) -> None:
        """Show that `done` steps are done; at most one call each few seconds goes to the engine."""
        if done and not self._shown_at:
            # A woken run: the process before the wait drew this bar, and the first step is waiting for its start.
            self._shown_at = time.monotonic()
        if not is_last and self._shown_at and time.monotonic() - self._shown_at < INTERVAL_S:
            return
        self._shown_at = time.monotonic()
        percent = 100 * done / max(self._steps, 1)
        key = f"{self._release.id.lower()}-progress"
        try:
            # The bar of the process before a wait is moved on, not drawn again.
            self._artifact = self._artifact or self._gare.engine.artifact(key)
            self._artifact = self._gare.engine.publish_progress(
                self._release.flow_run_id,
                key,
                percent,
                f"{done} of {self._steps} steps",
                artifact=self._artifact,
            )
        except ConnectorError:
            # A bar that cannot be drawn must not stop a release.
            return
