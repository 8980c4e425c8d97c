"""Side-by-side measurements: the commands take turns in one run, medians are compared.

Every line reads `bench NAME ratio R goal G | ...`: R is ours divided by the yardstick (smaller is better), G its
limit, and the absolute medians stand behind the bar.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

Run = Callable[[], float]
"""Does the work once and returns what it took (seconds, bytes: the same unit for all runs of a comparison)."""


def medians(runs: Mapping[str, Run], rounds: int, warm_up: int = 1) -> dict[str, float]:
    """Let all runs take turns and return the median of each; turns are reversed every second round."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(warm_up + rounds):
        names = list(runs) if turn % 2 else list(reversed(runs))
        for name in names:
            figure = runs[name]()
            if turn >= warm_up:
                taken[name].append(figure)
    return {name: statistics.median(figures) for name, figures in taken.items()}


def wall(
    *commands: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> float:
    """Run commands one after the other, output thrown away; return seconds. A failure stops the bench."""
    started = time.perf_counter()
    for command in commands:
        subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    return time.perf_counter() - started


def peak_memory(
    command: Sequence[str], cwd: Path | None = None, interval_s: float = 0.002
) -> float:
    """Run a command; return the largest sum of resident memory of its whole process tree, in bytes.

    Looks every `interval_s`, and takes each process's own peak (VmHWM) where the system tells it, so that a
    short spike between two looks is still counted: the figure errs on the large side.
    """
    process = psutil.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL)
    largest = 0
    while process.poll() is None:
        try:
            tree = [process, *process.children(recursive=True)]
            largest = max(largest, sum(_peak_of(member) for member in tree))
        except psutil.NoSuchProcess:
            pass
        time.sleep(interval_s)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return float(largest)


def _peak_of(process: psutil.Process) -> int:
    try:
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def compare(
    name: str,
    ours: float,
    yardstick: float,
    goal: float,
    *,
    allowance_ms: float = 0,
    unit: str = "ms",
) -> bool:
    """Print the line of a comparison (figures in seconds, or bytes for unit MB); tell whether the goal holds."""
    scale = {"ms": 1000.0, "s": 1.0, "MB": 1e-6}[unit]
    counted = max(ours - allowance_ms / 1000, 0.0)
    allowance = f", {allowance_ms:g} ms taken off ours" if allowance_ms else ""
    return _line(
        name,
        counted / yardstick,
        goal,
        f"ours {ours * scale:.1f} {unit}, yardstick {yardstick * scale:.1f} {unit}{allowance}",
    )


def limit(name: str, figure: float, most: float, unit: str) -> bool:
    """Print the line of a limit that is no ratio: figure divided by limit, goal 1."""
    return _line(name, figure / most, 1, f"{figure:g} {unit}, limit {most:g} {unit}")


def worst(name: str, ratios: Mapping[str, float], goal: float) -> bool:
    """Print the line of the worst of many ratios, and what it is the ratio of; tell whether the goal holds for all."""
    most = max(ratios, key=lambda one: ratios[one])
    return _line(name, ratios[most], goal, f"worst of {len(ratios)}: {most}")


def _line(name: str, ratio: float, goal: float, figures: str) -> bool:
    print(f"bench {name} ratio {ratio:.3f} goal {goal:g} | {figures}", flush=True)
    return ratio <= goal


def quiet_environment() -> dict[str, str]:
    """Return our environment without what would make runs differ from machine to machine."""
    drop = ("GIT_", "PYTHON", "COVERAGE_")
    return {k: v for k, v in os.environ.items() if not k.startswith(drop)}
