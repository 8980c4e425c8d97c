"""Registers the timetables of the station's trains when it starts. A train whose file is wrong stops nobody."""

import os

from gare.config.station_file import STATION_VARIABLE
from gare.errors import GareError
from gare.timetables import apply_timetables
from gare.wiring import open_gare


def register_timetables() -> list[str]:
    """Make the schedules of the trains; return what was done and what is wrong, a line each."""
    if not os.environ.get(STATION_VARIABLE):
        return []  # a server without a station: nothing has a timetable
    try:
        gare = open_gare()
        told = [f"timetable {line}" for line in apply_timetables(gare)]
        return [*told, *(f"train left out: {problem}" for problem in gare.station.trains.problems)]
    except GareError as error:
        return [f"timetables are not registered: {error}"]
