"""Files that are never half written, and a lock between processes. Knows nothing of releases."""

import hashlib
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from gare.errors import Unavailable
from gare.polling import looks

_CHUNK = 1024 * 1024


def sync_folder(folder: Path) -> None:
    """Make the folder's entries survive a power cut; does nothing where folders cannot be opened (Windows)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def temporary_name(path: Path) -> Path:
    """Return an unused hidden name beside `path`, on the same file system."""
    return path.with_name(f".{path.name[:200]}.{secrets.token_hex(6)}.tmp")


def write_atomic(path: Path, data: bytes | str, *, mode: int = 0o644) -> None:
    """Replace the file's content at once: readers see the old or the new, a crash leaves one of them."""
    temporary = temporary_name(path)
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def copy_hashed(source: IO[bytes], target: IO[bytes]) -> tuple[str, int]:
    """Copy a stream, flush it to disk, and return its sha256 (hex) and its size in bytes."""
    hashing, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        target.write(chunk)
        hashing.update(chunk)
        size += len(chunk)
    target.flush()
    os.fsync(target.fileno())
    return hashing.hexdigest(), size


def hash_file(path: Path) -> str:
    """Return the sha256 (hex) of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(path: Path, *, wait_s: float, what: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold an exclusive lock between processes (and threads) while the block runs; it ends with the process.

    Raises Unavailable when somebody else holds it for longer than `wait_s`, and names the holder. `what` names what is
    locked.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    has_said = False
    with path.open("ab") as file:
        for _ in looks(wait_s, longest_s=0.1):
            if _try_lock(file.fileno()):
                break
            if not has_said:
                say(f"waiting for another process that is changing {what}")
                has_said = True
        else:
            holder = _holder(path)
            raise Unavailable(
                f"Another process ({holder}) is changing {what} and did not finish within {wait_s:g} s.",
                where=str(path),
                hint="Wait for it; one that hangs or was stopped must be ended: the lock ends with its process.",
            )
        name = f"process {os.getpid()} on {socket.gethostname()}"
        with suppress(OSError):  # it is held without a name, too
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), name.encode())
        try:
            yield
        finally:
            with suppress(OSError):
                os.ftruncate(file.fileno(), 0)


def _holder(path: Path) -> str:
    """Return who wrote itself into a lock; Windows lets nobody else read it while it is held."""
    with suppress(OSError):
        return path.read_text(errors="replace")[:200] or "unknown"
    return "unknown"


def _try_lock(handle: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(handle, 0, os.SEEK_SET)  # it locks from where the file stands
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
