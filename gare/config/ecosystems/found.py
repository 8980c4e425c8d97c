"""What a detector answers with, and the careful readers that detectors share: detection never fails."""

import configparser
import json
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MAX_BYTES = 1024 * 1024

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ecosystem:
    """How a project of some language is built and tested. Empty commands or reports: not found."""

    kind: str
    because: str
    """The file that told."""
    name: str = ""
    build: tuple[Words, ...] = ()
    artifacts: tuple[str, ...] = ()
    test: tuple[Words, ...] = ()
    junit: tuple[str, ...] = ()
    coverage: tuple[str, ...] = ()
    strip: int = 0
    """Leading folders inside the artifact that are no part of what is deployed."""
    notes: tuple[str, ...] = ()
    """What a person should know, one sentence each."""


def read(file: Path) -> str:
    """Return a file's text, empty when it is absent, too large or unreadable: detection never fails."""
    try:
        with file.open("rb") as stream:
            return stream.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def read_json(file: Path) -> dict[str, Any]:
    """Return a JSON file's object, empty when it is none."""
    try:
        value = json.loads(read(file))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def read_toml(file: Path) -> dict[str, Any]:
    """Return a TOML file's table, empty when it cannot be read."""
    try:
        return tomllib.loads(read(file))
    except tomllib.TOMLDecodeError:
        return {}


def read_ini(file: Path) -> dict[str, Any]:
    """Return the sections of an INI file, empty when it cannot be read."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(read(file))
    except configparser.Error:
        return {}
    return {section: dict(parser[section]) for section in parser.sections()}


def section(value: Any, *keys: str) -> dict[str, Any]:
    """Follow keys into nested mappings; empty where they lead nowhere."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text_of(value: Any) -> str:
    """Return a value that should be a text, empty when it is something else."""
    return value if isinstance(value, str) else ""


def first(pattern: str, text: str) -> str:
    """Return the first group of the first match, or an empty text."""
    found = re.search(pattern, text)
    return found[1] if found else ""


def interpreter() -> str:
    """Return what Python is called here."""
    return "python" if os.name == "nt" else "python3"


def archive(folder: Path, name: str, *more: str) -> Words:
    """Return a command that packs what is at the top of the checkout, without tests and hidden files."""
    left_out = {
        "tests",
        "test",
        "docs",
        "dist",
        "build",
        "reports",
        "node_modules",
        "vendor",
        "__pycache__",
        "venv",
    }
    names = sorted(
        path.name
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.name not in left_out
    )
    own = [
        entry
        for entry in names
        if entry not in ("gare.yaml", "station.yaml", name) and not entry.startswith("-")
    ]
    return (interpreter(), "-m", "tarfile", "-c", name, *own, *more)
