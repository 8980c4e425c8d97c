"""cli-start: `gare --help` and `gare --version` against an empty Python, side by side; the slower of both counts.

Both print their own line too. R is the median of ours divided by the median of `python -c pass`.
"""

import os
import sys
from pathlib import Path

from bench.measure import compare, medians, wall

GOAL = 5
ROUNDS = 31
ROOT = Path(__file__).parents[1]
GARE = Path(sys.executable).with_name("gare.exe" if os.name == "nt" else "gare")
CASES = {
    "yardstick": [sys.executable, "-c", "pass"],
    "cli-start-help": [str(GARE), "--help"],
    "cli-start-version": [str(GARE), "--version"],
}


def main() -> None:
    """Measure in turns, so that a busy machine is busy for all of them."""
    runs = {
        name: lambda command=command: wall(command, cwd=ROOT) for name, command in CASES.items()
    }
    found = medians(runs, ROUNDS, warm_up=3)
    ours = {name: seconds for name, seconds in found.items() if name != "yardstick"}
    for name, seconds in {**ours, "cli-start": max(ours.values())}.items():
        compare(name, seconds, found["yardstick"], GOAL)


if __name__ == "__main__":
    main()
