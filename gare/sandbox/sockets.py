"""Serves the sandbox on a port, and cuts connections: an ASGI application cannot do that by itself."""

import socket
import threading
from asyncio import BaseTransport, Transport
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from gare.errors import ConfigError
from gare.polling import looks

_START_S = 20
_open: dict[tuple[str, int], Transport] = {}
"""The connections of this process's sandboxes, by the address of the client."""


class _Protocol(H11Protocol):
    """uvicorn's own protocol, which also remembers its connection."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(cast("Transport", transport))
        _open[_peer(transport)] = cast("Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        _open.pop(_peer(self.transport), None)
        super().connection_lost(exc)


def _peer(transport: BaseTransport) -> tuple[str, int]:
    host, port = transport.get_extra_info("peername")[:2]
    return host, port


def cut(scope: Mapping[str, Any]) -> None:
    """Cut the connection of a request without an answer."""
    if transport := _open.get(tuple(scope["client"])):
        transport.abort()


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app, http=_Protocol, log_level="critical", lifespan="off", access_log=False
    )


def listen(port: int) -> socket.socket:
    """Open the port on this machine only; 0 takes a free one. Raises ConfigError when it is taken."""
    # Named as TCP, so that asyncio switches the 40 ms wait for more to send off on what it accepts.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"Port {port} cannot be used: {error.strerror}.",
            where="sandbox",
            hint="Choose another with --port, or 0 for a free one.",
        ) from error
    return listener


def address(listener: socket.socket) -> str:
    """Return where a listener is reached."""
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def run(app: Any, listener: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    uvicorn.Server(_config(app)).run(sockets=[listener])


@contextmanager
def serving(app: Any, port: int = 0) -> Iterator[str]:
    """Serve in a thread of this process and give the address; tests and rehearsals read the state beside it."""
    listener = listen(port)
    server = uvicorn.Server(_config(app))
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="gare-sandbox", daemon=True
    )
    thread.start()
    try:
        for _left_s in looks(_START_S, first_s=0.01):
            if server.started:
                break
        yield address(listener)
    finally:
        server.should_exit = True
        thread.join(timeout=5)
        listener.close()
