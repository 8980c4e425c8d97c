"""What a check is and says."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

from gare.config.loader import Station
from gare.errors import GareError
from gare.station_state import Record, running


class Status(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what was found, and what to do about it."""

    status: Status
    what: str
    todo: str = ""

    def to_json(self) -> dict[str, str]:
        """Return it for programs."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Site:
    """What is being examined. Without a station, `problem` says why there is none."""

    station: Station | None
    problem: GareError | None = None

    @property
    def record(self) -> Record | None:
        """Return the station that is up."""
        return running(self.station.state) if self.station else None


Examination = Callable[[Site], Iterable[Check]]
"""A check: a function of the site that yields one Check for each thing it looked at, and changes nothing."""


def ok(what: str) -> Check:
    """Return what is fine."""
    return Check(Status.OK, what)


def warn(what: str, todo: str) -> Check:
    """Return what may hurt later."""
    return Check(Status.WARN, what, todo)


def fail(what: str, todo: str) -> Check:
    """Return what keeps releases from working."""
    return Check(Status.FAIL, what, todo)


def failed(error: GareError, subject: str = "") -> Check:
    """Return an error as a check, on one line."""
    where = f" ({error.where})" if error.where else ""
    what = " ".join(f"{subject}{error.what}{where}".split())
    return fail(what, " ".join(error.hint.split()))
