"""The demo's shops as processes, and what may run in its folder. Nothing of it may be left at the end."""

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from gare.errors import GareError, StepFailed
from gare.own_station import STATE
from gare.station_state import running


def stop_shops(folder: Path) -> None:
    """End the deployed shops: with their own command, then by force whatever is still there."""
    for environment in ("staging", "production"):
        current = folder / "environments" / environment / "current"
        if (current / "ops" / "serve.py").is_file():
            with suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(
                    ["python3", "-B", "ops/serve.py", "stop"],
                    cwd=current,
                    capture_output=True,
                    check=False,
                    timeout=20,
                )
    left = shops(folder)
    for process in left:
        with suppress(psutil.Error):
            process.terminate()
    for process in psutil.wait_procs(left, timeout=3)[1]:
        with suppress(psutil.Error):
            process.kill()


def shops(folder: Path) -> Sequence[psutil.Process]:
    """Return the deployed shops that run: they name a settings file of this folder."""
    settings = tuple(
        str((folder / "environments" / environment / "shared" / "settings.json").resolve())
        for environment in ("staging", "production")
    )
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if "teashop" in words and any(word in settings for word in words):
            found.append(process)
    return found


def check_nothing_left(folder: Path) -> None:
    """Raise StepFailed when the station or a shop still runs."""
    left = [f"shop, process {process.pid}" for process in shops(folder)]
    if running(folder / STATE) is not None:
        left.append("station")
    if left:
        raise StepFailed(f"Something is left running: {', '.join(left)}.", where=str(folder))


def refuse_running(folder: Path) -> None:
    """Raise GareError when a demo is still up in this folder."""
    if running(folder / STATE) is not None:
        raise GareError(
            "A demo is up in this folder.",
            where=str(folder),
            hint=f"End it with Ctrl-C where it runs, or with `gare --station {folder} down`.",
        )
