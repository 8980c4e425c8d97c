"""Pack a folder so that the same files give the same bytes, and unpack archives that nobody has to trust.

Unpacking writes plain files first and links last, and no entry through a link. Entries that leave the folder, devices,
and more than the limits allow are refused.
"""

import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

from gare.errors import StepFailed

ARCHIVES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".zip")
_CHUNK = 1024 * 1024
_LINK_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may unpack to."""

    total_bytes: int = 8 * 1024**3
    entries: int = 200_000


@dataclass(frozen=True, slots=True)
class _Entry:
    """One file, folder or link of an archive, whatever its format."""

    name: PurePosixPath
    is_folder: bool = False
    is_executable: bool = False
    link: str = ""
    size: int = 0
    source: tarfile.TarInfo | zipfile.ZipInfo | None = None


def is_archive(name: str) -> bool:
    """Tell by its name whether `unpack` knows this file."""
    return name.lower().endswith(ARCHIVES)


def pack_folder(folder: Path, target: IO[bytes]) -> None:
    """Write the folder's content as tar.gz: sorted, without owners and times, so that equal files give equal bytes.

    Raises StepFailed for a link out of the folder and for what is no file, folder or link.
    """
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0, compresslevel=6) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).parts):
            info = _tar_info(folder, path)
            if info.isreg():
                with path.open("rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)


def _tar_info(folder: Path, path: Path) -> tarfile.TarInfo:
    status = path.lstat()
    info = tarfile.TarInfo(path.relative_to(folder).as_posix())
    if stat.S_ISLNK(status.st_mode):
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, os.readlink(path), 0o777
        if not path.resolve().is_relative_to(folder.resolve()):
            raise StepFailed(
                f"The link `{info.name}` points out of the folder: {info.linkname}.",
                where=str(folder),
                hint="Make the build copy the file instead of linking it.",
            )
    elif stat.S_ISDIR(status.st_mode):
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    elif stat.S_ISREG(status.st_mode):
        info.size, info.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
    else:
        raise StepFailed(
            f"`{info.name}` is neither a file, a folder nor a link.",
            where=str(folder),
            hint="Leave it out of the build.",
        )
    return info


def unpack(
    archive: Path, folder: Path, *, strip: int = 0, limits: Limits | None = None, name: str = ""
) -> list[str]:
    """Unpack into an existing folder and return the names of what was written, links last.

    `strip` leading parts of each name are dropped, as `tar --strip-components` does. `name` is what the archive is
    called when its file is not named so. Raises StepFailed for a damaged or dangerous archive, and when a file is
    already there.
    """
    where = name or archive.name
    try:
        with _opened(archive, where) as opened:
            entries = list(_checked(_entries(opened, where), strip, limits or Limits(), where))
            _check_links(entries, _links_in(folder), where)
            budget = (limits or Limits()).total_bytes
            for entry in entries:
                budget -= _write(opened, entry, folder, budget, where)
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        EOFError,
        gzip.BadGzipFile,
        zlib.error,
        lzma.LZMAError,
    ) as error:
        raise StepFailed(
            f"The archive is damaged: {error}.", where=where, hint="Build it again."
        ) from error
    return [str(entry.name) for entry in entries]


@contextmanager
def _opened(archive: Path, name: str) -> Iterator[tarfile.TarFile | zipfile.ZipFile]:
    if name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as zipped:
            yield zipped
    else:
        with tarfile.open(archive) as tar:
            yield tar


def _entries(opened: tarfile.TarFile | zipfile.ZipFile, where: str) -> Iterator[_Entry]:
    if isinstance(opened, zipfile.ZipFile):
        for info in opened.infolist():
            mode = info.external_attr >> 16
            if stat.S_ISLNK(mode):
                link = opened.read(info).decode() if info.file_size <= _LINK_LENGTH else "/"
                yield _Entry(PurePosixPath(info.filename), link=link)
            else:
                yield _Entry(
                    PurePosixPath(info.filename), info.is_dir(), bool(mode & 0o100), source=info
                )
        return
    for member in opened:
        name = PurePosixPath(member.name)
        if member.issym():
            yield _Entry(name, link=member.linkname)
        elif member.isdir() or member.isreg() or member.islnk():
            yield _Entry(
                name, member.isdir(), bool(member.mode & 0o100), size=member.size, source=member
            )
        else:
            raise _refused(f"`{name}` is neither a file, a folder nor a link", where)


def _checked(entries: Iterable[_Entry], strip: int, limits: Limits, where: str) -> Iterator[_Entry]:
    later: list[_Entry] = []
    total = 0
    for number, entry in enumerate(entries):
        total += entry.size  # as declared; what is really written is counted again
        if total > limits.total_bytes:
            raise _refused("it unpacks to more than the limit", where)
        if number >= limits.entries:
            raise _refused(f"it has more than {limits.entries} entries", where)
        if entry.name.is_absolute() or ".." in entry.name.parts or "\\" in str(entry.name):
            raise _refused(f"`{entry.name}` would be written outside the folder", where)
        parts = entry.name.parts[strip:]
        if not parts:
            continue
        named = replace(entry, name=PurePosixPath(*parts))
        if named.link:
            later.append(named)
        else:
            yield named
    yield from later


def _links_in(folder: Path) -> set[PurePosixPath]:
    """Find the links that an earlier archive brought."""
    return {
        PurePosixPath(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink()
    }


def _check_links(entries: Sequence[_Entry], there: set[PurePosixPath], where: str) -> None:
    """Refuse links that lead out, and every path through a link: then the spelling of a path is the path."""
    links = there | {entry.name for entry in entries if entry.link}
    if there and links != there:
        raise _refused("another archive of this release holds links, too; only one may", where)
    for entry in entries:
        if any(parent in links for parent in entry.name.parents):
            raise _refused(f"`{entry.name}` would be written through a link", where)
    for entry in entries:
        if not entry.link:
            continue
        if entry.link.startswith("/") or len(entry.link) > _LINK_LENGTH or "\\" in entry.link:
            raise _refused(f"the link `{entry.name}` points out of the folder", where)
        at = list(entry.name.parent.parts)
        for part in PurePosixPath(entry.link).parts:
            if PurePosixPath(*at) in links:
                raise _refused(f"the link `{entry.name}` leads through another link", where)
            if part != "..":
                at.append(part)
            elif at:
                at.pop()
            else:
                raise _refused(f"the link `{entry.name}` points out of the folder", where)


def _write(
    opened: tarfile.TarFile | zipfile.ZipFile, entry: _Entry, folder: Path, budget: int, where: str
) -> int:
    """Write one entry and return its size."""
    path = folder / entry.name
    try:
        if entry.is_folder:
            path.mkdir(parents=True, exist_ok=True)
            return 0
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.link:
            path.symlink_to(entry.link)
            return 0
        return _write_file(opened, entry, path, budget, where)
    except (FileExistsError, NotADirectoryError) as error:
        raise StepFailed(
            f"`{entry.name}` is there twice, with nothing to tell which one is meant.",
            where=where,
            hint="Pack each file once; two archives of one release must not hold the same file.",
        ) from error


def _write_file(
    opened: tarfile.TarFile | zipfile.ZipFile, entry: _Entry, path: Path, budget: int, where: str
) -> int:
    source: IO[bytes] | None = None
    if isinstance(opened, zipfile.ZipFile) and isinstance(entry.source, zipfile.ZipInfo):
        if entry.source.flag_bits & 1:
            raise _refused("it is encrypted", where)
        source = opened.open(entry.source)
    elif isinstance(opened, tarfile.TarFile) and isinstance(entry.source, tarfile.TarInfo):
        try:
            source = opened.extractfile(
                entry.source
            )  # a hard link gives the file it names, inside the archive
        except KeyError:
            source = None
    if source is None:
        raise _refused(f"`{entry.name}` links to a file that the archive does not hold", where)
    size, mode = 0, 0o755 if entry.is_executable else 0o644
    with source, open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as target:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > budget:
                raise _refused("it unpacks to more than the limit", where)
            target.write(chunk)
    return size


def _refused(why: str, where: str) -> StepFailed:
    return StepFailed(
        f"The archive was not unpacked: {why}.",
        where=where,
        hint="Look at how it is built before trusting it.",
    )
