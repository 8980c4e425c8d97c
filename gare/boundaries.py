"""Named moments at which a process may be killed: what the crash matrix is made of.

Off, unless GARE_BOUNDARIES names a folder. Then each passage is written to `trace` there, and a process that comes to
a boundary with a file of its name in `armed/` stands still: it moves the file to `standing/`, with its process id in
it, and goes on when that file is taken away. A number in the armed file is how many passages are let go by before. Who
armed it kills what is to be killed meanwhile. Standard library only.
"""

import os
import re
import time
from hashlib import sha256
from pathlib import Path

VARIABLE = "GARE_BOUNDARIES"
_TICK_S = 0.01
_RELEASE = re.compile(r"\bR-\d+")

_scope = ""


def enter(scope: str) -> None:
    """Name what this process works on (a project): the first word of each boundary from now on."""
    global _scope
    _scope = scope


def reached(boundary: str) -> None:
    """Pass a boundary, such as `before act publish tag v1.2.0`. A release's number is left out: each has its own."""
    folder = os.environ.get(VARIABLE)
    if folder:
        _pass(Path(folder), f"{_scope} | {_RELEASE.sub('R', boundary)}")


def file_name(boundary: str) -> str:
    """Return the name of a boundary's file; `boundary` has its scope in front: `shop | before act …`."""
    return sha256(boundary.encode()).hexdigest()[:32]


def _pass(folder: Path, boundary: str) -> None:
    line = f"{time.time():.6f}\t{os.getpid()}\t{boundary}\n"
    handle = os.open(folder / "trace", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)
    name = file_name(boundary)
    armed, standing = folder / "armed" / name, folder / "standing" / name
    try:
        left = int(armed.read_text() or 0)
        if left:
            armed.write_text(str(left - 1))
            return
        armed.rename(standing)
    except FileNotFoundError:
        return
    whole = standing.with_suffix(".tmp")
    whole.write_text(str(os.getpid()))
    whole.rename(standing)
    while standing.exists():
        time.sleep(_TICK_S)
