"""`python tests/crash`: the crash matrix (docs/how-to/crash-matrix.md). Exit code 1 when anything deviates."""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path

from matrix import Matrix, Point, Result
from receiver import receiving
from scenarios import SCENARIOS
from stationing import CrashStation, Kill
from vendors import vendors_served

sys.path.append(str(Path(__file__).parents[1] / "shared"))
from postgres_server import serving

STOPPED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the matrix on each database asked for."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = parse(argv)
    worst = 0
    for database in options.database:
        code = run(options, database)
        if code == STOPPED:
            return code
        worst = max(worst, code)
    return worst


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python tests/crash", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=None, help="of the sample; printed when not given"
    )
    parser.add_argument(
        "--sample", type=int, default=0, metavar="N", help="kill N times only, chosen by the seed"
    )
    parser.add_argument(
        "--kinds", default=",".join(Kill), help="what to kill; default: %(default)s"
    )
    parser.add_argument("--scenarios", default=",".join(scenario.name for scenario in SCENARIOS))
    parser.add_argument(
        "--points", default="", metavar="TEXT", help="only boundaries with this text in them"
    )
    parser.add_argument(
        "--database", default="sqlite", help="sqlite, postgresql, or both with a comma"
    )
    parser.add_argument("--worker", choices=("warm", "stock"), default="warm")
    parser.add_argument("--jobs", type=int, default=10, metavar="N", help="releases side by side")
    parser.add_argument("--list", action="store_true", help="print the boundaries and kill nothing")
    parser.add_argument("--keep", action="store_true", help="keep the folder, whatever comes out")
    options = parser.parse_args(argv)
    options.kinds = [Kill(kind) for kind in options.kinds.split(",")]
    options.database = options.database.split(",")
    options.seed = random.randrange(1_000_000) if options.seed is None else options.seed
    return options


def run(options: argparse.Namespace, database: str) -> int:
    """Run the matrix on one database; return the exit code."""
    folder = Path(tempfile.mkdtemp(prefix="gare-matrix-"))
    folder.chmod(0o755)
    begun, is_good = time.monotonic(), False
    say(f"{database}, worker {options.worker}, seed {options.seed}, folder {folder}")
    try:
        result = execute(options, database, folder)
        report(result, time.monotonic() - begun)
        is_good = result.is_good or options.list
    except KeyboardInterrupt:
        say("Stopped; nothing is left running.")
        return STOPPED
    finally:
        if is_good and not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            say(f"The folder is kept: {folder}")
    return 0 if is_good else 1


def execute(options: argparse.Namespace, database: str, folder: Path) -> Result:
    """Make the station, list the boundaries, kill at them, end the station."""
    with ExitStack() as stack:
        ledger = stack.enter_context(serving()).address() if database == "postgresql" else ""
        receiver = stack.enter_context(receiving())
        vendors = stack.enter_context(vendors_served())
        station = CrashStation(
            folder / "station",
            ledger=ledger,
            worker=options.worker,
            jobs=options.jobs,
            connections=vendors.connections(),
        )
        stack.callback(station.stop)
        station.start()
        matrix = Matrix(
            station, receiver, vendors, jobs=options.jobs, is_keeping=options.keep, say=say
        )
        names = options.scenarios.split(",")
        points = matrix.list_points([one for one in SCENARIOS if one.name in names])
        listed = [point for point in points if options.points in str(point)]
        for name in names:
            say(f"{name}: {sum(point.scenario == name for point in points)} boundaries")
        say(f"{matrix.result.cpu_s_per_release:.2f} s of CPU per undisturbed release")
        if options.list:
            for point in listed:
                say(f"  {point}")
        elif matrix.result.troubles:
            say("Undisturbed releases do not end alike: nothing is killed, it would prove nothing.")
        else:
            matrix.kill_all(chosen(listed, options))
        return matrix.result


def chosen(points: Sequence[Point], options: argparse.Namespace) -> list[tuple[Point, Kill]]:
    """Return what is killed where: everything, or a sample in which every kind of kill has its share."""
    pairs = list(product(points, options.kinds))
    if not options.sample or options.sample >= len(pairs):
        return pairs
    # Sorted: steps side by side pass their boundaries in another order each time.
    shuffled = random.Random(options.seed).sample(sorted(points), len(points))
    kinds = options.kinds
    return [
        (shuffled[number % len(points)], kinds[number % len(kinds)])
        for number in range(options.sample)
    ]


def report(result: Result, seconds: float) -> None:
    """Print what came out; the last line is the one to read."""
    for text in result.left_to_person:
        say(f"left to a person (sent at most once): {text}")
    for run_ in result.unreached:
        say(f"NOT REACHED: {run_.point}, {run_.kind}, {run_.name}")
    for run_, deviation in result.troubles:
        say(f"DEVIATION: {run_.point or run_.scenario.name}, {run_.kind}, {run_.name}: {deviation}")
    say(f"{seconds:.0f} s")
    say(result.summary)


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
