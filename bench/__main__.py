"""Run every measurement, one after the other, each in a process of its own: `make bench` or `python -m bench NAME…`."""

import subprocess
import sys

BENCHES = (
    "notes",
    "steps",
    "gate",
    "cli",
    "warm",
    "durable",
    "ledger",
    "fleet",
    "hotfix",
    "train",
    "vendors",
)


def main(names: list[str]) -> int:
    """Run the named measurements (all without names); return 1 when one could not run."""
    failed = 0
    for name in names or BENCHES:
        failed |= subprocess.run([sys.executable, "-m", f"bench.{name}"]).returncode
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
