"""A PostgreSQL server of one's own, in a folder, on a socket alone, that can be stopped and started."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

_START_S = 60.0


def missing() -> str:
    """Say which of PostgreSQL's programs are not on PATH; empty when all are."""
    names = [name for name in ("initdb", "postgres") if shutil.which(name) is None]
    return f"PostgreSQL is not installed: {', '.join(names)} not on PATH" if names else ""


class PostgresServer:
    """A server in a new folder. It makes no promise for a power cut: nothing is synced."""

    def __init__(self) -> None:
        # Not below a test's own folder: the path of a socket may have 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="gare-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._options = {"stdin": subprocess.DEVNULL, "cwd": self.folder, **self._user()}

    def _make(self) -> None:
        subprocess.run(
            ["initdb", "-D", self.folder / "data", "-U", "gare", "-A", "trust", "-N", "-E", "UTF8",
             "--no-instructions"],
            check=True, capture_output=True, **self._options,
        )  # fmt: skip

    def _user(self) -> dict[str, object]:
        """Say as whom it runs: PostgreSQL refuses to run as root."""
        if os.name == "nt" or os.geteuid() != 0:
            return {}
        import pwd

        nobody = pwd.getpwnam("nobody")
        os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def address(self, database: str = "postgres") -> str:
        """Return a ledger's address of a database."""
        return f"postgresql+psycopg://gare@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        if not (self.folder / "data").exists():
            self._make()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["postgres", "-D", self.folder / "data", "-k", self.folder, "-c", "listen_addresses=",
                 "-c", "fsync=off", "-c", "full_page_writes=off",
                 "-c", "shared_buffers=32MB", "-c", "max_connections=300"],
                stdout=log, stderr=log, start_new_session=True, **self._options,
            )  # fmt: skip
        engine, deadline = create_engine(self.address()), time.monotonic() + _START_S
        while True:
            try:
                engine.connect().close()
            except OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.1)
            else:
                engine.dispose()
                return

    def stop(self) -> None:
        """Stop it at once; its clients are cut off."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=30)
            self._process = None


@contextmanager
def serving() -> Iterator[PostgresServer]:
    """Have a server; nothing of it stays."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)
