"""Finds the connection that a project names, at the moment when it is used: files may have changed since the plan."""

from typing import TypeVar

from gare.config.models import StationConfig
from gare.config.problems import listed, nearest
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
