"""Opens the station that a command works for, or its ledger alone."""

from typing import TYPE_CHECKING

from gare.config.station_file import ledger_place, ledger_url
from gare.ledger.ledger import Ledger
from gare.station_state import StateFolder

if TYPE_CHECKING:
    from gare.wiring import Gare


def gare_here() -> "Gare":
    """Return the station of GARE_STATION (set by `--station`) or of the folders above."""
    from gare.config.loader import load_station
    from gare.wiring import Gare

    return Gare(load_station(leave_out_broken=True))


def ledger_here() -> Ledger:
    """Return the ledger of that station, for a command that asks nothing else and must answer at once."""
    place = ledger_place()
    if place is None:
        return gare_here().ledger
    state, configured = place
    StateFolder(state).check_whole()
    return Ledger(ledger_url(state, configured))
