"""`make year`: a simulated year of releases (docs/how-to/year.md). Exit code 1 when anything was not as it must be."""

import argparse
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "shared"))

START = datetime(2026, 12, 1, tzinfo=UTC)


def main() -> int:
    """Live through a year and print what happened in it."""
    parser = argparse.ArgumentParser(prog="python tests/year", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of everything that happens")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--start", type=_day, default=START, help="first day; %(default)s")
    parser.add_argument("--pace", type=float, default=1, help="how much happens in a day")
    parser.add_argument("--keep", action="store_true", help="keep the folder, whatever comes out")
    options = parser.parse_args()
    # Whoever ends it ends the server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    root = Path(tempfile.mkdtemp(prefix="gare-year-"))
    clock = root / "clock"
    clock.write_text(options.start.isoformat())
    os.environ |= {"GARE_STATION": str(root), "GARE_CLOCK": str(clock)}
    from engine_room import serving

    started = time.monotonic()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with serving(root, port) as api:
        problems = _live(root, clock, api, options)
    print(f"{time.monotonic() - started:.0f} s")
    if options.keep or problems:
        print(f"The folder is kept: {root}")
    else:
        shutil.rmtree(root)
    return int(bool(problems))


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _live(root: Path, clock: Path, api: str, options: argparse.Namespace) -> list[str]:
    import world
    from engine_room import EngineRoom
    from hosting import vendors
    from simulation import Year

    from gare.wiring import open_gare

    chance = random.Random(options.seed)
    repositories = world.build(root, options.start)
    end = options.start + timedelta(days=options.days)
    with vendors(repositories, chance) as sandbox:
        world.write_station(root, sandbox.url)
        year = Year(
            open_gare(),
            EngineRoom(api),
            repositories,
            sandbox,
            chance,
            clock=clock,
            start=options.start,
            end=end,
            pace=options.pace,
        )
        year.run(lambda line: print(line, flush=True))
    _tell(year)
    return year.oracle.problems


def _tell(year) -> None:
    releases = year.gare.ledger.releases.find(limit=100_000)
    ends = Counter((release.kind.value, release.state.value) for release in releases)
    for (kind, state), number in sorted(ends.items()):
        print(f"{kind:9} {state:16} {number:5}")
    for told in (year.told, year.oracle.told, year.vendors.told):
        for what, number in sorted(told.items()):
            print(f"{what:48} {number:6}")
    print(f"turns of runs {year.room.turns}, releases compared with fixes {year.lines.judged}")
    if not year.vendors.is_checked:
        print("The vendors' API descriptions are not here: requests were made, not checked.")
    oracle = year.oracle
    for problem in oracle.problems[:50]:
        print(f"  PROBLEM {problem}")
    print(f"year: releases {len(releases)}, problems {len(oracle.problems)}, story {year.story}")


if __name__ == "__main__":
    sys.exit(main())
