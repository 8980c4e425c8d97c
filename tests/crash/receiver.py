"""A real HTTP server that takes announcements and remembers every request: what a webhook's receiver saw."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """What arrived, by project."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, list[str]] = defaultdict(list)
        self.port = 0

    @property
    def url(self) -> str:
        """Return the address that projects announce at; the same for all, so that boundaries have one name."""
        return f"http://127.0.0.1:{self.port}/hook"

    def note(self, body: Any) -> None:
        """Remember one request."""
        with self._lock:
            self._seen[str(body["facts"]["project"])].append(str(body["key"]))

    def of(self, project: str) -> list[str]:
        """Return the keys of all requests about a project."""
        with self._lock:
            return list(self._seen[project])

    def forget(self, project: str) -> None:
        """Drop what is known of a project that was compared."""
        with self._lock:
            self._seen.pop(project, None)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Serve for the block, on a free port of this machine."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            receiver.note(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
