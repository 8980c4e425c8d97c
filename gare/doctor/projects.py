"""Looks at each project: its repository, and the tools, variables and secrets that its commands need."""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from gare.config.loader import Project
from gare.doctor.check import Check, Site, fail, failed, ok, warn
from gare.errors import ConfigError, GareError
from gare.secrets import is_reference, resolve
from gare.settings import Settings

_COMMAND_FIELDS = frozenset({"command", "commands", "start", "stop", "restart"})


def projects(site: Site) -> Iterator[Check]:
    """See each project's repository, and the tools and variables that its commands need."""
    for project in site.station.projects.values() if site.station else ():
        yield _repository(site, project)
        yield from _tools(project)
        yield from _variables(project)


def _repository(site: Site, project: Project) -> Check:
    from gare.wiring import Gare

    assert site.station is not None  # noqa: S101 -- there are no projects without one
    name, source = project.config.name, project.config.source
    if getattr(source, "url", ""):
        return ok(f"{name}: repository is remote; `gare plan {name}` reads it")
    try:
        warnings = (
            Gare(site.station).source_of(project.config, project.base).check(allow_dirty=True)
        )
    except GareError as error:
        return failed(error, f"{name}: ")
    if warnings:
        return warn(f"{name}: {' '.join(warnings)}", "See `gare plan` for what it means.")
    return ok(f"{name}: repository {source.path}")


def _tools(project: Project) -> Iterator[Check]:
    """Look for the programs of a project's commands where these will run: not on Gare's own path."""
    from gare.connectors.process import allowed_env

    path = allowed_env()["PATH"]
    programs = {command[0] for command in _commands(project.config)}
    # One with a folder in its name comes with the checkout, or is made by an earlier command.
    named = sorted(program for program in programs if not re.search(r"[/\\]", program))
    missing = [program for program in named if shutil.which(program, path=path) is None]
    name = project.config.name
    if missing:
        yield fail(
            f"{name}: not on PATH: {', '.join(missing)}",
            "Install them, or correct the commands in gare.yaml.",
        )
    elif named:
        yield ok(f"{name}: tools {', '.join(named)}")


def _variables(project: Project) -> Iterator[Check]:
    name = project.config.name
    unset = [variable for variable in project.config.env if variable not in os.environ]
    if unset:
        yield warn(
            f"{name}: not set here: {', '.join(unset)}",
            "Set them where `gare up` is started, or take them out of `env`.",
        )
    for reference in sorted({text for text in _texts(project.config) if is_reference(text)}):
        try:
            resolve(reference, base=project.base)
        except ConfigError as error:
            yield warn(f"{name}: {error.what}", error.hint)


def _commands(settings: Settings) -> Iterator[Sequence[str]]:
    """Yield every command of a section, plugins' sections included: they keep to the names of the fields."""
    for name, value in settings:
        if name in _COMMAND_FIELDS and value:
            is_list = not isinstance(value[0], str)
            yield from value if is_list else [value]
        for section in _sections(value):
            yield from _commands(section)


def _texts(settings: Settings) -> Iterator[str]:
    for name, value in settings:
        # A repository's address may begin with file: and is no secret.
        if isinstance(value, str) and not (name in ("path", "url") and value.startswith("file:")):
            yield value
        for section in _sections(value):
            yield from _texts(section)


def _sections(value: Any) -> Iterator[Settings]:
    if isinstance(value, Settings):
        yield value
    elif isinstance(value, dict):
        yield from (item for item in value.values() if isinstance(item, Settings))
    elif isinstance(value, tuple):
        yield from (item for item in value if isinstance(item, Settings))
