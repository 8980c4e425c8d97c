"""One process a run: the first that comes acts, another waits until it is through or dead."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prefect.logging import get_run_logger

from gare.boundaries import reached
from gare.domain.releases import Release
from gare.errors import Fenced, GareError
from gare.rescue import lease_of
from gare.wiring import Gare
from tasks.step import STOPPING

_LOOK_S = 0.5
_PATIENCE_S = 60.0
"""How long a ledger that is away is waited for in place; after that the run ends and is brought on."""
_TAKEN_OVER = 75
"""Exit code EX_TEMPFAIL (sysexits.h): somebody else goes on with it."""


@asynccontextmanager
async def the_only_process(gare: Gare, run_id: str, turn: int) -> AsyncIterator[None]:
    """Hold the lease of a run: what this process writes counts while it does, and not a moment longer.

    `turn` is the engine's count of the processes that have begun this run.
    """
    leases, name = gare.ledger.leases, lease_of(run_id)
    is_told = False
    while (fence := leases.take(name, turn=turn)) is None:
        if not is_told:
            get_run_logger().warning("Another process of this run is alive; waiting for its end.")
            is_told = True
        await asyncio.sleep(_LOOK_S)
    leases.on_lost = lambda: _stop(gare)
    gare.ledger.database.fence(name, fence)
    gare.ledger.database.patience_s = _PATIENCE_S
    reached("after lease")
    try:
        yield
    except Fenced:
        _stop(gare)
        raise
    finally:
        gare.ledger.database.patience_s = 0
        # What keeps the ledger from being told here ends the lease as well, by and by.
        with suppress(GareError):
            leases.free(name)
        gare.ledger.database.unfence(name)
        leases.leave()


def keep_locks(gare: Gare, release: Release) -> None:
    """Renew the release's locks as long as this process lives; stop it when it had them and they were taken away."""
    had = False

    def renew() -> None:
        nonlocal had
        has = release.id in gare.ledger.locks.renew([release.id])
        # One that was frozen for longer than a lease; one that has ended or gave way let go of them itself.
        if had and not has and gare.ledger.locks.has_lost(release.id):
            _stop(gare)
        had = has

    gare.ledger.leases.on_beat = renew


def _stop(gare: Gare) -> None:
    """End this process at once, with the commands it started, telling the engine nothing: the run is another's now."""
    STOPPING.set()
    gare.stop_commands()
    os._exit(_TAKEN_OVER)
