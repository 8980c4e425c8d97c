"""The files of target `directory`: versions side by side, a link to the live one, and what is shared.

Moves files only and starts nothing. Every change is one rename, made after what it needs is on disk, so that a crash
at any point leaves the state before or after; repeated, it leads to the same end. Writes nothing outside its folder.
"""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gare.archives import is_archive, unpack
from gare.domain.digest import digest
from gare.errors import (
    ConfigError,
    Conflict,
    GareError,
    NotFound,
    PermissionDenied,
    StepFailed,
    UnexpectedReply,
)
from gare.files import copy_hashed, hash_file, locked, sync_folder, write_atomic
from gare.ports.target import Say, Shipment

MARKER = ".gare-release.json"
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_LOCK_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Layout:
    """How the folder is kept: see DirectorySettings."""

    keep: int = 5
    shared: tuple[str, ...] = ()
    unpack: bool = True
    strip: int = 0


@dataclass(frozen=True, slots=True)
class _State:
    """What the target remembers between two changes.

    It is written before the link is switched: `previous` holds once `live` is really live, `earlier` until then.
    """

    live: str = ""
    previous: str = ""
    earlier: str = ""
    settled: str = ""
    receipt: Mapping[str, str] | None = None


class ReleaseFolder:
    """A folder with versions of one project."""

    def __init__(self, root: Path, layout: Layout) -> None:
        self._root, self._layout = root, layout
        self._releases, self._current = root / "releases", root / "current"

    @property
    def place(self) -> str:
        """Name the target for people."""
        return f"directory {self._root}"

    def live(self) -> str:
        """Return the version that `current` points to; empty when none. Raises Conflict when `current` is not ours."""
        try:
            with self._speaking("read which version is live"):
                link = os.readlink(self._current) if os.path.lexists(self._current) else ""
        except StepFailed as error:
            raise self._foreign("is no link") from error
        if not link:
            return ""
        folder, version = os.path.split(link.rstrip("/"))
        if folder not in ("releases", str(self._releases)) or not _VERSION.fullmatch(version):
            raise self._foreign(f"points to {link}")
        return version

    def previous(self) -> str:
        """Return the version that was live before the last switch; empty when none or unknown."""
        state = self._state()
        return state.previous if self.live() == state.live else state.earlier

    def versions(self) -> Sequence[str]:
        """Return the whole versions, the newest first."""
        found = [
            ((folder / MARKER).stat().st_mtime_ns, folder.name)
            for folder in (self._releases.iterdir() if self._releases.is_dir() else ())
            if _VERSION.fullmatch(folder.name) and (folder / MARKER).is_file()
        ]
        return [name for _, name in sorted(found, reverse=True)]

    def look(
        self, version: str, files: Mapping[str, Path] | None = None
    ) -> Mapping[str, str] | None:
        """Return the receipt when the last change was to this version and is complete."""
        with self._speaking(f"look for {version}"):
            folder = self.folder(version)
            if files is not None and folder.exists():
                self._compare(folder, _digests(files))
            state = self._state()
            if (
                state.receipt is None
                or state.settled != version
                or self.live() != version
                or not folder.is_dir()
            ):
                return None
            return state.receipt

    def hold(self, say: Say) -> AbstractContextManager[None]:
        """Keep other processes from changing the folder meanwhile."""
        with self._speaking("lock"):
            return locked(self._own("lock"), wait_s=_LOCK_WAIT_S, what=self.place, say=say)

    def bring_in(self, shipment: Shipment, say: Say) -> None:
        """Put the version beside the others: built under another name, renamed when it is whole."""
        folder = self.folder(shipment.version)
        with self._speaking(f"bring in {shipment.version}"):
            digests = _digests(shipment.files)
            if folder.exists():
                self._compare(folder, digests)
                say(f"{shipment.version} is already in {folder}, with the same content")
                return
            if not shipment.files:
                raise StepFailed(
                    f"Release {shipment.release} has no artifact to deploy.",
                    where=self.place,
                    hint="Name what the build makes under `build: artifacts:`.",
                )
            partial = self._releases / f".{shipment.version}.partial"
            _remove(partial)
            partial.mkdir(parents=True)
            for name, file in sorted(shipment.files.items()):
                self._add(name, file, partial, say)
            write_atomic(
                partial / MARKER,
                json.dumps(_marker(shipment, digests), indent=2, sort_keys=True) + "\n",
            )
            _sync_tree(partial)
            os.rename(partial, folder)
            sync_folder(self._releases)

    def link_shared(self, version: str, say: Say) -> None:
        """Link the shared paths into the version; one met for the first time starts with the version's own content."""
        folder = self.folder(version)
        with self._speaking(f"link shared paths into {version}"):
            for name in self._layout.shared:
                self._link(folder, PurePosixPath(name), say)

    def switch(self, version: str, say: Say) -> None:
        """Point `current` to the version (empty: remove it) in one rename; remember what was live before."""
        with self._speaking(f"switch to {version or 'nothing'}"):
            before = self.live()
            if before == version:
                return
            if version and version not in self.versions():
                raise NotFound(
                    f"Version {version} is not there; there are: {', '.join(self.versions()) or 'none'}.",
                    where=self.place,
                    hint="Deploy it again as a release.",
                )
            self._remember(_State(live=version, previous=before, earlier=self.previous()))
            if version:
                temporary = self._root / ".current.new"
                temporary.unlink(missing_ok=True)
                temporary.symlink_to(f"releases/{version}", target_is_directory=True)
                os.replace(temporary, self._current)
            else:
                self._current.unlink()
            sync_folder(self._root)
            say(f"current -> {version or 'nothing'} (was {before or 'nothing'})")

    def settle(self, version: str, receipt: Mapping[str, str]) -> None:
        """Remember that the change to this version is complete."""
        with self._speaking("note the end of the change"):
            previous = self.previous()
            self._remember(
                _State(version, previous, previous, settled=version, receipt=dict(receipt))
            )

    def prune(self, good: Iterable[str], say: Say) -> Sequence[str]:
        """Remove all but the newest versions, never the live, the previous or a `good` one."""
        with self._speaking("remove old versions"):
            for pattern in ("releases/.*.partial", "releases/.*.trash", ".gare/.*.tmp"):
                for leftover in self._root.glob(pattern):
                    _remove(leftover)
            protected = {self.live(), self.previous(), *good}
            gone = [
                version
                for version in self.versions()[self._layout.keep :]
                if version not in protected
            ]
            for version in gone:
                # Renamed first: a half removed version must not look like one to go back to.
                trash = self._releases / f".{version}.trash"
                os.rename(self.folder(version), trash)
                _remove(trash)
                self.output(version).unlink(missing_ok=True)
                say(f"removed old version {version}")
            return gone

    def output(self, version: str) -> Path:
        """Return the file that a version's service prints to."""
        return self._root / "logs" / f"{version or 'none'}.log"

    def folder(self, version: str) -> Path:
        """Return the folder of a version. Raises ConfigError for what cannot be a folder's name."""
        if not _VERSION.fullmatch(version):
            raise ConfigError(
                f"Version {version!r} cannot be a folder's name.",
                where=self.place,
                hint="Use letters, digits and . _ + - in versions; the first is a letter or a digit.",
            )
        return self._releases / version

    def facts(self, version: str) -> dict[str, Any]:
        """Return what the version's marker says: project, version, environment, release, commit, files."""
        return self._marker_of(self.folder(version))

    def _own(self, name: str) -> Path:
        folder = self._root / ".gare"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def _state(self) -> _State:
        path = self._root / ".gare" / "state.json"
        try:
            return _State(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return _State()
        except (ValueError, TypeError) as error:
            raise UnexpectedReply(
                f"The state of the target cannot be read: {error}.",
                where=str(path),
                hint="Remove this file; the next deployment runs its steps anew.",
            ) from error

    def _remember(self, state: _State) -> None:
        text = json.dumps(asdict(state), indent=2, sort_keys=True) + "\n"
        write_atomic(self._own("state.json"), text)

    def _marker_of(self, folder: Path) -> dict[str, Any]:
        try:
            marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            marker = None
        if not isinstance(marker, dict):
            raise Conflict(
                f"{folder.name} is there, but Gare did not bring it in (it has no {MARKER}).",
                where=str(folder),
                hint="Move the folder away, or release another version.",
            )
        return marker

    def _compare(self, folder: Path, digests: Mapping[str, str]) -> None:
        there, wanted = digest(self._marker_of(folder).get("files", {})), digest(digests)
        if there != wanted:
            raise Conflict(
                f"Version {folder.name} is there with other content: {there}, and {wanted} is wanted.",
                where=str(folder),
                hint="A version never changes: release a new one.",
            )

    def _add(self, name: str, file: Path, folder: Path, say: Say) -> None:
        pure = PurePosixPath(name)
        if (
            not pure.parts
            or pure.is_absolute()
            or ".." in pure.parts
            or "\\" in name
            or pure.parts[0] == MARKER
        ):
            raise ConfigError(f"An artifact cannot be called `{name}` here.", where=self.place)
        if self._layout.unpack and is_archive(name):
            names = unpack(file, folder, strip=self._layout.strip, name=name)
            say(f"unpacked {name}: {len(names)} entries")
            return
        path = folder / pure
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o755 if os.access(file, os.X_OK) else 0o644
        try:
            with (
                file.open("rb") as source,
                open(path, "xb", opener=lambda p, flags: os.open(p, flags, mode)) as target,
            ):
                copy_hashed(source, target)
        except FileExistsError as error:
            raise StepFailed(
                f"`{name}` is there twice.", where=self.place, hint="Name each file once."
            ) from error
        say(f"copied {name}")

    def _link(self, folder: Path, name: PurePosixPath, say: Say) -> None:
        kept, link = self._root / "shared" / name, folder / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.parent.resolve().is_relative_to(folder.resolve()):
            raise Conflict(
                f"Shared path {name} lies behind a link.",
                where=str(folder),
                hint="Share an outer path.",
            )
        target = os.path.relpath(kept, link.parent)
        if not os.path.lexists(kept):
            self._seed(kept, link, name)
        if link.is_symlink() and os.readlink(link) == target:
            return
        _remove(link)
        link.symlink_to(target)
        say(f"shared {name}")

    @staticmethod
    def _seed(kept: Path, link: Path, name: PurePosixPath) -> None:
        """Make the shared path: the version's own, or an empty folder; a name with a dot waits for its file."""
        new = kept.with_name(f".{kept.name}.new")
        _remove(new)
        if link.is_dir() and not link.is_symlink():
            shutil.copytree(link, new, symlinks=True)
        elif link.is_file() and not link.is_symlink():
            shutil.copy2(link, new)
        elif "." not in name.name:
            new.mkdir()
        if os.path.lexists(new):
            os.rename(new, kept)

    def _foreign(self, why: str) -> Conflict:
        return Conflict(
            f"`current` {why}: this folder is not kept by Gare.",
            where=str(self._current),
            hint="Move it away, or give the target another `path`.",
        )

    @contextmanager
    def _speaking(self, doing: str) -> Iterator[None]:
        """Say what the operating system refuses in our words."""
        try:
            yield
        except GareError:
            raise
        except OSError as error:
            what = f"Cannot {doing}: {error.strerror or error}."
            where = str(error.filename or self._root)
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                hint = "Give the worker's user the right to write there."
                raise PermissionDenied(what, where=where, hint=hint) from error
            hint = (
                "Make room on the disk." if error.errno == errno.ENOSPC else "Look at the folder."
            )
            raise StepFailed(what, where=where, hint=hint) from error


def _digests(files: Mapping[str, Path]) -> dict[str, str]:
    return {name: f"sha256:{hash_file(path)}" for name, path in sorted(files.items())}


def _marker(shipment: Shipment, digests: Mapping[str, str]) -> dict[str, Any]:
    return {
        "format": 1,
        "project": shipment.project,
        "version": shipment.version,
        "environment": shipment.environment,
        "release": shipment.release,
        "commit": shipment.commit,
        "files": dict(digests),
    }


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync_tree(folder: Path) -> None:
    """Flush everything to disk before the rename says that it is whole."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if not path.is_symlink():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        sync_folder(Path(parent))
