"""`python -m deployments up [--detach]` and `down`: what `gare up` and `gare down` run.

A program beside the library: nothing in gare/ imports the deployments.
"""

import argparse
import sys

from deployments.local import down, spec_of, up, up_detached
from gare import masking
from gare.cli.output import error_text
from gare.config.loader import load_station
from gare.errors import GareError


def main(argv: list[str]) -> None:
    """Run one command for the station of GARE_STATION, or of the folders above. Raises GareError."""
    parser = argparse.ArgumentParser(prog="python -m deployments")
    parser.add_argument("command", choices=("up", "down"))
    parser.add_argument("--detach", action="store_true")
    options = parser.parse_args(argv)
    station = load_station()
    if options.command == "down":
        down(station.state, say=_say)
    elif options.detach:
        up_detached(spec_of(station), say=_say)
    else:
        up(spec_of(station), say=_say)


def _say(text: str) -> None:
    print(masking.current().apply(text), flush=True)  # noqa: T201


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except GareError as error:
        sys.stderr.write(masking.current().apply(error_text(error)) + "\n")
        sys.exit(error.exit_code)
