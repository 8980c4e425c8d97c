"""The station as its files say at each request: who is there, which projects, who may what."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import RLock

from gare.config.loader import files_of, load_station
from gare.config.rights import check_right
from gare.domain.approvals import Voter
from gare.domain.plan import Kind
from gare.gateway.bodies import unknown_project
from gare.wiring import Gare


class Desk:
    """What every request needs. Ledger and engine are opened once; files that have changed are read again."""

    def __init__(self, gare: Gare) -> None:
        self.gare = gare
        """For ledger and engine."""
        self._lock = RLock()
        self._read, self._stamp = gare, _stamp(files_of(gare.station))

    def person(self, token: str) -> Voter:
        """Return whose token this is. Raises AuthenticationFailed; ConfigError when the station's file is wrong."""
        name = self.gare.ledger.tokens.who(token)
        with self._lock:
            return self._present().voter(name)

    def check_start(self, person: Voter, kind: Kind, project: str) -> None:
        """Raise Unacceptable for a project that is not there, PermissionDenied for one that is not the person's."""
        with self._lock:  # projects are read when they are first asked for
            gare = self._present()
            projects = gare.station.projects
            if project not in projects and not projects.problems:
                raise unknown_project(project, list(projects))
            check_right(person, kind, gare.station.config, gare.project(project).config)

    def _present(self) -> Gare:
        if _stamp(files_of(self._read.station)) != self._stamp:
            self._read = Gare(load_station(self.gare.station.root, leave_out_broken=True))
            self._stamp = _stamp(files_of(self._read.station))
        return self._read


def _stamp(files: Iterable[Path]) -> tuple[tuple[str, int, int], ...]:
    return tuple(_stamps(files))


def _stamps(files: Iterable[Path]) -> Iterator[tuple[str, int, int]]:
    for file in files:
        try:
            found = file.stat()
        except OSError:
            continue
        yield str(file), found.st_mtime_ns, found.st_size
