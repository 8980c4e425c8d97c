"""What is configured, reachable and missing: checks that look and change nothing.

To add one: a function in a file of this folder, and a line in CHECKS.
"""

from collections.abc import Iterable, Sequence

from gare.config.loader import load_station
from gare.doctor.calendars import calendars
from gare.doctor.check import Check, Examination, Site, Status, fail, failed
from gare.doctor.hosting import hosting
from gare.doctor.machine import git, packages, python, requirements
from gare.doctor.projects import projects
from gare.doctor.station import configuration, ledger, server, state_folder
from gare.doctor.trackers import trackers
from gare.doctor.trains import timetables
from gare.errors import GareError

CHECKS: tuple[Examination, ...] = (
    python,
    requirements,
    packages,
    git,
    configuration,
    state_folder,
    ledger,
    server,
    projects,
    hosting,
    trackers,
    calendars,
    timetables,
)


def examine(site: Site | None = None, checks: Sequence[Examination] | None = None) -> list[Check]:
    """Make every check. One that fails by itself is a failed check; the others are made all the same."""
    found: list[Check] = []
    place = site or find_site()
    for check in CHECKS if checks is None else checks:
        try:
            found += check(place)
        except GareError as error:
            found.append(failed(error))
        except Exception as error:  # noqa: BLE001 - a broken installation is what a doctor is asked about
            what = f"Looking at {check.__name__.replace('_', ' ')} failed: {type(error).__name__}: {error}"
            found.append(fail(what, "Install Gare again; if it stays, this is a defect of Gare."))
    return found


def find_site() -> Site:
    """Return the station of GARE_STATION or of the folders above, as far as it can be read: without its wrong files."""
    try:
        return Site(load_station(leave_out_broken=True))
    except GareError as error:
        return Site(None, error)


def is_healthy(checks: Iterable[Check]) -> bool:
    """Tell whether nothing fails."""
    return all(check.status is not Status.FAIL for check in checks)
