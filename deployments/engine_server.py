"""Prefect's server as a station starts it: `prefect server start`, with garbage collected in a thread of its own.

Otherwise a collection that happens to run in the event loop may free a cursor whose statement failed. Freeing takes the
mutex of its SQLite connection, and another thread may hold that for as long as it waits to write: up to the engine's
busy timeout, 60 s. The transaction it waits for can then not end, as the event loop stands. docs/decisions/0026.
"""

import gc
import runpy
import sys
import threading
import time

TICK_S = 0.5
_FULL_EVERY_S = 60.0


def main(argv: list[str]) -> None:
    """Run the server with these options until it ends."""
    collect_aside()
    sys.argv = ["prefect", "server", "start", *argv]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


def collect_aside() -> threading.Thread:
    """Take garbage collection away from the threads that make garbage; return the thread that does it."""
    gc.disable()
    collector = threading.Thread(target=_collect, name="garbage collector", daemon=True)
    collector.start()
    return collector


def _collect() -> None:
    """Collect young garbage when it is due by Python's own thresholds, and old garbage once a minute."""
    full_at = time.monotonic() + _FULL_EVERY_S
    while True:
        time.sleep(TICK_S)
        counts, thresholds = gc.get_count(), gc.get_threshold()
        if counts[0] <= thresholds[0]:
            continue
        generation = 1 if counts[1] > thresholds[1] else 0
        if time.monotonic() >= full_at:
            generation, full_at = 2, time.monotonic() + _FULL_EVERY_S
        gc.collect(generation)


if __name__ == "__main__":
    main(sys.argv[1:])
