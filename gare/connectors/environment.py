"""What a project's program may see of the worker's environment. Part of gare.connectors.process."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gare import masking
from gare.connectors.reaper import MARK_NAME

_BASIC_ENV = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
_WINDOWS_ENV = (
    *("SYSTEMROOT", "PATHEXT", "COMSPEC", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA"),
    *("PROGRAMFILES", "TEMP", "TMP", "WINDIR", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE"),
)
_NEVER_ENV = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__", MARK_NAME)

_SECRET = re.compile(
    r"TOKEN|PASSW|PASSPHRASE|SECRET|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|CREDENTIAL", re.I
)


def allowed_env(
    names: Sequence[str] = (), extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment a project's program may see: a short list, the `names`, and `extra`.

    Nothing of Gare's own: no PREFECT_*, no PYTHONPATH, and Gare's virtual environment is taken off PATH, so that
    `python` is the machine's (or the project's) and a build can neither use nor change what Gare runs on. Values of
    `names` that sound like secrets are masked from then on.
    """
    for name in names:
        if _SECRET.search(name) and name in os.environ:
            masking.register(os.environ[name])
    basic = (*_BASIC_ENV, *_WINDOWS_ENV) if os.name == "nt" else _BASIC_ENV
    env = {name: os.environ[name] for name in (*basic, *names) if name in os.environ}
    env["PATH"] = _outer_path(env.get("PATH", os.defpath))
    env |= extra or {}
    return {
        name: value
        for name, value in env.items()
        if name not in _NEVER_ENV and not name.startswith("PREFECT_")
    }


def _outer_path(path: str) -> str:
    """Take the folder of Gare's own virtual environment off a PATH; a base interpreter stays."""
    if sys.prefix == sys.base_prefix:
        return path
    own = Path(sys.prefix).resolve() / ("Scripts" if os.name == "nt" else "bin")
    # Empty entries mean the working directory: a checkout must not supply `git`.
    return os.pathsep.join(
        part for part in path.split(os.pathsep) if part and Path(part).resolve() != own
    )
