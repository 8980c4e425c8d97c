"""Looking until something is so, and at processes."""

import time
from collections.abc import Callable

import psutil


def wait_until(is_so: Callable[[], object], timeout_s: float = 60) -> None:
    """Look again and again; an AssertionError when it does not happen in time."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.1)


def is_running(pid: int) -> bool:
    """Tell whether a process runs; one that nobody has collected does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def marked(mark: str) -> list[psutil.Process]:
    """Return the processes with this word on their command line."""
    return [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]
