"""The files with the output of releases' commands, below the station's folder of logs."""

from pathlib import Path

from gare.reports.log import log_name


def log_files(logs: Path, release_id: str, step: str = "") -> list[Path]:
    """Return the files with the output of a release's commands (of one step), the oldest first."""
    folder = logs / release_id
    files = [file for file in folder.glob("*.log") if file.is_file()] if folder.is_dir() else []
    if step:
        files = [file for file in files if (name := log_name(file.name)) and name.step == step]
    return sorted(files, key=lambda file: (file.stat().st_mtime_ns, file.name))


def logs_by_step(logs: Path, release_id: str) -> dict[str, list[str]]:
    """Return the paths of each step's files, the oldest first."""
    found: dict[str, list[str]] = {}
    for file in log_files(logs, release_id):
        if name := log_name(file.name):
            found.setdefault(name.step, []).append(str(file))
    return found


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last lines of a file of any size; what is no UTF-8 is replaced."""
    if not count:
        return []
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 400 * count))
        text = file.read().decode("utf-8", "replace")
    return text.splitlines()[-count:]
