"""Looks at the machine: Python, packages, git."""

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import gare
from gare.doctor.check import Check, Site, fail, ok

OUR_PACKAGES = ("gare", "flows", "tasks", "deployments")
MIN_GIT = (2, 25)
"""The first whose options are as Gare uses them (`--end-of-options` came with 2.24)."""


def python(site: Site) -> Iterator[Check]:
    """Look at the interpreter."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield ok(f"Python {version}")


def requirements(site: Site) -> Iterator[Check]:
    """Compare what is installed with what Gare asks for; the engine's pins matter most."""
    from packaging.requirements import Requirement

    wrong = []
    for text in metadata.requires("gare") or []:
        wanted = Requirement(text)
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{wanted.name} is missing")
            continue
        if not wanted.specifier.contains(version, prereleases=True):
            wrong.append(f"{wanted.name} {version} is not {wanted.specifier}")
    if wrong:
        yield fail(
            f"Packages differ from what Gare needs: {', '.join(wrong)}",
            "Install Gare again from requirements.lock, in an environment of its own.",
        )
    else:
        engine = ", ".join(f"{name} {metadata.version(name)}" for name in ("prefect", "fastapi"))
        yield ok(f"Packages as Gare needs them ({engine})")


def packages(site: Site) -> Iterator[Check]:
    """See that `tasks` and its like are ours and not another distribution's of the same name."""
    home = Path(gare.__file__).resolve().parent.parent
    places = {name: _place(name) for name in OUR_PACKAGES}
    foreign = [
        f"`{name}` is {place or 'missing'}"
        for name, place in places.items()
        if place is None or place.parent != home
    ]
    if foreign:
        yield fail(
            f"Not Gare's own: {', '.join(foreign)}",
            "Install Gare in an environment of its own, and take that folder off PYTHONPATH.",
        )
    else:
        yield ok(f"Packages {', '.join(OUR_PACKAGES)} are Gare's own, in {home}")


def git(site: Site) -> Iterator[Check]:
    """Look for git and its version."""
    path = shutil.which("git")
    if path is None:
        yield fail("git is not on PATH", "Install git.")
        return
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    numbers = re.search(r"(\d+)\.(\d+)", said)
    version = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    if version < MIN_GIT:
        yield fail(f"git is too old: {said.strip()}", f"Install git {_dotted(MIN_GIT)} or newer.")
    else:
        yield ok(said.strip())


def _place(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).resolve().parent if spec and spec.origin else None


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
