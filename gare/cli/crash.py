"""Keeps the traceback of a defect where the user can find it, without the secrets this process knows."""

import os
import tempfile
import traceback
from pathlib import Path

from gare import masking

STATE = ".gare"


def keep_traceback(error: BaseException) -> str:
    """Write the traceback into a file only the user can read; return its path, or "" when that fails."""
    text = masking.current().apply("".join(traceback.format_exception(error)))
    for folder in (_state_folder(), Path(tempfile.gettempdir())):
        if folder is None:
            continue
        try:
            handle, name = tempfile.mkstemp(prefix="gare-crash-", suffix=".txt", dir=folder)
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError:
            continue
        return name
    return ""


def _state_folder() -> Path | None:
    """Return the usual state folder when there is one; no configuration is read: it may be what failed."""
    try:
        start = Path(os.environ.get("GARE_STATION") or Path.cwd()).absolute()
        folders = [folder / STATE for folder in (start, *start.parents)]
        return next((folder for folder in folders if folder.is_dir()), None)
    except OSError:
        return None
