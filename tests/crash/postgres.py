"""A PostgreSQL server of its own for the ledger, in a folder, on a socket alone; ends with the block."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

_START_S = 30.0


def is_installed() -> bool:
    """Tell whether PostgreSQL's programs are on PATH."""
    return all(shutil.which(name) for name in ("initdb", "postgres"))


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Yield the address of an empty database."""
    folder.mkdir(parents=True, mode=0o755)
    # PostgreSQL refuses to run as root.
    user = {}
    if os.geteuid() == 0:
        import pwd

        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    data, quiet = folder / "data", {"stdin": subprocess.DEVNULL, "cwd": folder, **user}
    subprocess.run(
        ["initdb", "-D", data, "-U", "gare", "-A", "trust", "-N", "-E", "UTF8", "--no-instructions"],
        check=True, capture_output=True, **quiet,
    )  # fmt: skip
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            ["postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off",
             "-c", "full_page_writes=off", "-c", "shared_buffers=32MB", "-c", "max_connections=300"],
            stdout=log, stderr=log, start_new_session=True, **quiet,
        )  # fmt: skip
    try:
        _wait_until_up(folder, server)
        yield f"postgresql+psycopg://gare@/postgres?host={folder}"
    finally:
        server.send_signal(2)  # SIGINT: fast shutdown
        server.wait(timeout=30)


def _wait_until_up(folder: Path, server: "subprocess.Popen[bytes]") -> None:
    engine = create_engine(f"postgresql+psycopg://gare@/postgres?host={folder}")
    deadline = time.monotonic() + _START_S
    while True:
        try:
            engine.connect().close()
        except OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "log").read_text()) from None
            time.sleep(0.1)
        else:
            engine.dispose()
            return
