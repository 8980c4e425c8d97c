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


def gare_to_plan() -> "Gare":
    """Return the station, for a command that plans, starts releases or tells of freezes.

    Raises ConfigError when a freeze is about a project that there is not.
    """
    gare = gare_here()
    gare.station.check_freezes()
    return gare


def ledger_here() -> Ledger:
    """Return the ledger of that station, for a command that asks nothing else and must answer at once."""
    place = ledger_place()
    if place is None:
        return gare_here().ledger
    state, configured = place
    StateFolder(state).check_whole()
    return Ledger(ledger_url(state, configured))
