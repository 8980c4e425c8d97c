"""What a build made, kept by content: found in the checkout, copied into the store, checked when read.

The store is `sha256/ab/abcd…`: files are whole or absent, never changed, and equal content is kept once.
"""

import glob
import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO

from gare.archives import pack_folder
from gare.domain.artifacts import Artifact, kind_of
from gare.errors import ConfigError, NotFound, StepFailed, UnexpectedReply
from gare.files import copy_hashed, hash_file, sync_folder, temporary_name

_WILD = re.compile(r"[*?\[]")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LISTED = 20


def collect(
    checkout: Path, patterns: Iterable[str], store: Path, *, key: str = "build: artifacts"
) -> tuple[Artifact, ...]:
    """Keep every file that the patterns match, sorted by name; a matched folder is kept as one tar.gz.

    The name is the path below the pattern's fixed part: `dist/*.whl` gives `shop-1.0.whl`. With `**` only files match.
    `key` is where the patterns stand in gare.yaml. Raises ConfigError for a pattern that leaves the checkout,
    StepFailed when one matches nothing or something outside, or when two files get one name.
    """
    found: dict[str, Path] = {}
    for pattern in patterns:
        for name, path in _matches(checkout, pattern, key):
            if found.setdefault(name, path) != path:
                both = f"{_inside(checkout, found[name])} and {_inside(checkout, path)}"
                raise StepFailed(
                    f"Two artifacts are called `{name}`: {both}.",
                    where=f"{key}: {pattern}",
                    hint="Use one pattern from an outer folder, such as `out/**`: folders then stay in the names.",
                )
    return tuple(keep(path, name, store) for name, path in sorted(found.items()))


def remove(checkout: Path, patterns: Iterable[str]) -> None:
    """Remove the files that the patterns match, so that what is found there later is new."""
    for pattern in patterns:
        for path in _hits(checkout, pattern):
            if path.is_file() or path.is_symlink():
                path.unlink()


def keep(path: Path, name: str, store: Path) -> Artifact:
    """Put one file (or a folder, packed) into the store under this name."""
    target = store / "sha256"
    target.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(target / "new")
    mode = 0o555 if path.is_file() and os.access(path, os.X_OK) else 0o444
    try:
        with open(temporary, "x+b", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
            sha256, size = _fill(path, file)
        _settle(temporary, target / sha256[:2] / sha256, mode)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    return Artifact(name, size, sha256, kind_of(name))


def artifact_path(store: Path, sha256: str) -> Path:
    """Return where an artifact is kept, after checking its content.

    Raises NotFound when it is not in the store, UnexpectedReply when it was changed there.
    """
    wanted = sha256.removeprefix("sha256:")
    path = store / "sha256" / wanted[:2] / wanted
    if not _DIGEST.fullmatch(wanted) or not path.is_file():
        raise NotFound(
            f"Artifact {wanted[:12]} is not in the store.",
            where=str(store),
            hint="Build the release again.",
        )
    if (there := hash_file(path)) != wanted:
        raise UnexpectedReply(
            f"Artifact {wanted[:12]} was changed in the store: its content is now {there}.",
            where=str(path),
            hint="Remove the file and build the release again; find out who wrote there.",
        )
    return path


def open_artifact(store: Path, sha256: str) -> IO[bytes]:
    """Open an artifact for reading after checking its content; raises like `artifact_path`."""
    return artifact_path(store, sha256).open("rb")


def _matches(checkout: Path, pattern: str, key: str) -> list[tuple[str, Path]]:
    pure = PurePosixPath(pattern)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\\" in pattern:
        raise ConfigError(
            f"`{pattern}` does not stay inside the checkout.",
            where=key,
            hint="Write a path relative to the repository, such as `dist/*.whl`.",
        )
    fixed = _fixed_part(pure)
    hits = _hits(checkout, pattern)
    if not hits:
        step = key.partition(":")[0]
        raise StepFailed(
            f"The {step} made nothing that matches `{pattern}`.",
            where=f"{key}; {_listing(checkout, fixed)}",
            hint=f"Correct the pattern, or make the {step} command write there.",
        )
    return [_named(checkout, fixed, hit) for hit in hits]


def _hits(checkout: Path, pattern: str) -> list[Path]:
    hits = [
        checkout / hit
        for hit in glob.glob(pattern, root_dir=checkout, recursive=True, include_hidden=True)
    ]
    hits = [hit for hit in hits if ".git" not in hit.relative_to(checkout).parts]
    return [hit for hit in hits if not hit.is_dir()] if "**" in pattern else hits


def _fixed_part(pattern: PurePosixPath) -> PurePosixPath:
    """Return the folders of a pattern before its first wildcard, without its last part."""
    fixed = []
    for part in pattern.parts[:-1]:
        if _WILD.search(part):
            break
        fixed.append(part)
    return PurePosixPath(*fixed)


def _named(checkout: Path, fixed: PurePosixPath, path: Path) -> tuple[str, Path]:
    if not path.resolve().is_relative_to(checkout.resolve()):
        raise StepFailed(
            f"`{_inside(checkout, path)}` is a link out of the checkout.",
            where="build: artifacts",
            hint="Make the build copy the file instead of linking it.",
        )
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise StepFailed(
            f"`{_inside(checkout, path)}` is neither a file nor a folder.", where="build: artifacts"
        )
    name = path.relative_to(checkout / fixed).as_posix()
    return (f"{name}.tar.gz" if stat.S_ISDIR(mode) else name), path


def _inside(checkout: Path, path: Path) -> str:
    return path.relative_to(checkout).as_posix()


def _listing(checkout: Path, fixed: PurePosixPath) -> str:
    """Say what is where the pattern looks, or in the nearest folder that exists."""
    folder = checkout / fixed
    while not folder.is_dir():
        folder = folder.parent
    names = sorted(
        path.name + "/" * path.is_dir() for path in folder.iterdir() if path.name != ".git"
    )
    shown = ", ".join(names[:_LISTED]) + (
        f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    )
    place = f"`{_inside(checkout, folder)}/`" if folder != checkout else "the checkout"
    return f"in {place} there is {shown or 'nothing'}"


def _fill(path: Path, target: IO[bytes]) -> tuple[str, int]:
    if path.is_dir():
        pack_folder(path, target)
        target.flush()
        os.fsync(target.fileno())
        return hash_file(Path(target.name)), target.tell()
    with path.open("rb") as source:
        return copy_hashed(source, target)


def _settle(temporary: Path, path: Path, mode: int) -> None:
    """Move a finished file to its place; an equal one that is there already stays (and learns to be run)."""
    os.chmod(temporary, mode)
    path.parent.mkdir(exist_ok=True)
    if path.is_file() and hash_file(path) == path.name:
        os.chmod(path, path.stat().st_mode | mode)
        return
    os.replace(temporary, path)
    sync_folder(path.parent)
