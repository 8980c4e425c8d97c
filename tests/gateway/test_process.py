"""The gateway as a process: it ends when it is told to, and answers first what it has begun."""

import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from waiting import wait_until

BODY = b'{"project": "nothing"}'


@pytest.fixture
def served(api):
    """Serve a station; its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "gare.gateway", "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, "GARE_STATION": str(api.root)},
    )
    wait_until(lambda: is_listening(port))
    yield port, process
    process.kill()
    process.wait()


def is_listening(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_what_was_begun_is_answered_before_it_ends(api, served):
    port, process = served
    head = (
        "POST /api/v1/releases HTTP/1.1\r\nHost: gate\r\nExpect: 100-continue\r\n"
        f"Authorization: Bearer {api.token('alice')}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=30) as caller:
        caller.sendall(head.encode())
        assert caller.recv(1000).startswith(b"HTTP/1.1 100 ")  # it waits for the body
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: not is_listening(port))
        caller.sendall(BODY)
        answer = b"".join(iter(lambda: caller.recv(10_000), b""))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"There is no project `nothing`." in answer
    assert process.wait(timeout=30) in (0, -signal.SIGTERM)
