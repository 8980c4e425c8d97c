"""Opens the station that a command works for."""

from gare.config.loader import load_station
from gare.wiring import Gare


def gare_here() -> Gare:
    """Return the station of GARE_STATION (set by `--station`) or of the folders above."""
    return Gare(load_station(leave_out_broken=True))
