"""Connections: what is wrong with those of a station, and the one that a project names when it is used.

Files may have changed since the plan.
"""

from collections.abc import Iterator
from typing import TypeVar

from gare.config.document import Document
from gare.config.models import StationConfig
from gare.config.problems import Problem, listed, nearest
from gare.connectors.connection import Connection
from gare.errors import ConfigError

Kind = TypeVar("Kind", bound=Connection)


def named_connection(station: StationConfig, name: str, kind: type[Kind], where: str) -> Kind:
    """Return a connection of station.yaml. Raises ConfigError when there is none of that name and kind."""
    every = station.connections
    known = {own: one for own, one in every.items() if isinstance(one, kind)}
    if found := known.get(name):
        return found
    wanted = kind.model_fields["type"].default
    what = (
        f"The connection {name!r} is of type {every[name].type}, not {wanted}."
        if name in every
        else f"The station has no connection {name!r}."
    )
    raise ConfigError(
        what,
        where=where,
        hint=f"{nearest(name, known)}Those of type {wanted} are {listed(known)}."
        if known
        else f"Write it under `connections` of station.yaml: `{{type: {wanted}, url: …, token: $NAME}}`.",
    )


def connection_problems(document: Document, station: StationConfig) -> Iterator[Problem]:
    """Find files of certificate authorities that are not there."""
    for name, one in station.connections.items():
        if one.ca_file and not (file := document.file.parent / one.ca_file).is_file():
            yield document.problem(
                ("connections", name, "ca_file"),
                f"there is no file {file}.",
                "Correct the path; it starts from the folder of this file.",
            )
