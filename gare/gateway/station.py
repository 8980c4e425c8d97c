"""The station as its files say at each request: who is there, which projects, who may what."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Lock

from gare.config.loader import files_of, load_station, mentions
from gare.config.problems import InvalidFiles, listed, nearest
from gare.config.rights import check_right
from gare.domain.approvals import Voter
from gare.domain.plan import Kind
from gare.errors import NotFound
from gare.wiring import Gare

_LOCKS = 16
_Stamp = tuple[tuple[str, int, int], ...]
"""Path, instant of the last change, and size of each file."""


class Desk:
    """What every request needs. Ledger and engine are opened once; files that have changed are read again."""

    def __init__(self, gare: Gare) -> None:
        self.gare = gare
        """For ledger and engine."""
        self._lock = Lock()
        self._keys = [Lock() for _ in range(_LOCKS)]
        self._read = gare
        self._stamp: _Stamp = ()

    def person(self, token: str) -> Voter:
        """Return whose token this is. Raises AuthenticationFailed; ConfigError when the station's file is wrong."""
        name = self.gare.ledger.tokens.who(token)
        with self._lock:
            return self._present().voter(name)

    def holding(self, key: str) -> Lock:
        """Return what is held from the look for an idempotency key until its run is there."""
        return self._keys[hash(key) % _LOCKS]

    def check_start(self, person: Voter, kind: Kind, project: str) -> None:
        """Raise NotFound for a project that is not there, PermissionDenied for one that is not the person's."""
        with self._lock:  # projects are read when they are first asked for
            gare = self._present()
            projects = gare.station.projects
            if project not in projects:
                # It may stand in a file that is wrong.
                if about := [one for one in projects.problems if mentions(one.file, project)]:
                    raise InvalidFiles(about)
                raise NotFound(
                    f"There is no project `{project}`.",
                    where="project",
                    hint=f"{nearest(project, projects)}Projects are {listed(projects)}.",
                )
            check_right(person, kind, gare.station.config, gare.project(project).config)
            if (
                kind is not Kind.ROLLBACK
            ):  # a mistake elsewhere in the file keeps nobody from going back
                gare.station.check_freezes()

    def _present(self) -> Gare:
        if _stamp(files_of(self._read.station)) != self._stamp:
            # The station's own file before it is read, those of projects before they are: no change is missed.
            own = _stamp([self.gare.station.file])
            self._read = Gare(load_station(self.gare.station.root, leave_out_broken=True))
            self._stamp = own + _stamp(files_of(self._read.station)[1:])
        return self._read


def _stamp(files: Iterable[Path]) -> _Stamp:
    return tuple(_stamps(files))


def _stamps(files: Iterable[Path]) -> Iterator[tuple[str, int, int]]:
    for file in files:
        try:
            found = file.stat()
        except OSError:
            continue
        yield str(file), found.st_mtime_ns, found.st_size
