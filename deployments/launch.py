"""Starts one process of the station: `python -m deployments.launch [--warm M,…] [--after URL] MODULE [ARGS]`.

Every process of the station begins here - server, worker, each run of a flow - so that all of them have usual
signals, end when their supervisor dies, and import Prefect fast. Imports the standard library alone.
"""

import importlib
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PARENT_VARIABLE = "GARE_PARENT"
"""Process id of the supervisor; set for its direct children only, and taken away before anything else starts."""
WAIT_S = 180.0
_LAST_RESORT_S = 15.0


def main(argv: list[str]) -> None:
    """Prepare the process, wait if told to, and become MODULE."""
    restore_signals()
    parent = os.environ.pop(PARENT_VARIABLE, "")
    if parent and os.name != "nt":
        threading.Thread(target=_end_with, args=(int(parent),), daemon=True).start()
    module, args, warm, after = _parse(argv)
    with without_slow_import():
        for name in warm:
            importlib.import_module(name)
        if after:
            wait_for(after)
        sys.argv = [module, *args]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def restore_signals() -> None:
    """Undo what was inherited: a worker whose SIGINT is ignored (`gare up &` in a script) never ends on SIGTERM."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if os.name != "nt":
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextmanager
def without_slow_import() -> Iterator[None]:
    """Keep jsonschema from importing rfc3987_syntax, which compiles a grammar for a second at every start.

    Prefect imports jsonschema always and never checks `iri` formats. The package is here for cyclonedx-bom, which
    is a program of its own. docs/decisions/0010-station.md has the figures.
    """
    name = "rfc3987_syntax"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(name, None)


def wait_for(url: str, timeout_s: float = WAIT_S) -> None:
    """Wait until the address answers with success. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while not answers(url):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{url} did not answer within {timeout_s:g} s")
        time.sleep(0.05)


def answers(url: str) -> bool:
    """Tell whether a GET of the address succeeds; never goes through a proxy."""
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_LAST_RESORT_S)
    os.kill(os.getpid(), signal.SIGKILL)


def _parse(argv: list[str]) -> tuple[str, list[str], list[str], str]:
    warm: list[str] = []
    after, rest = "", list(argv)
    while rest[0] in ("--warm", "--after"):
        option, value, *rest = rest
        if option == "--warm":
            warm = value.split(",")
        else:
            after = value
    return rest[0], rest[1:], warm, after


if __name__ == "__main__":
    main(sys.argv[1:])
