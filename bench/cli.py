"""cli-start: `gare --help` and `gare --version` against an empty Python, side by side.

Run: python bench/cli.py [ROUNDS]. R is the median of ours divided by the median of `python -c pass`.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

GOAL = 5
ROOT = Path(__file__).parents[1]
GARE = Path(sys.executable).with_name("gare.exe" if os.name == "nt" else "gare")
CASES = {
    "pass": [sys.executable, "-c", "pass"],
    "cli-start-help": [str(GARE), "--help"],
    "cli-start-version": [str(GARE), "--version"],
}


def seconds(command: list[str]) -> float:
    """Return the wall time of one run."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=ROOT)
    return time.perf_counter() - started


def main() -> None:
    """Measure in turns, so that a busy machine is busy for all of them."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 31
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(3):
        for command in CASES.values():
            seconds(command)  # bytecode is compiled, files are in the cache
    for _ in range(rounds):
        for name, command in CASES.items():
            times[name].append(seconds(command))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name in ("cli-start-help", "cli-start-version"):
        ratio = medians[name] / medians["pass"]
        print(
            f"bench {name} ratio {ratio:.2f} goal {GOAL} "
            f"(median {medians[name] * 1000:.1f} ms, python -c pass {medians['pass'] * 1000:.1f} ms, {rounds} rounds)"
        )


if __name__ == "__main__":
    main()
