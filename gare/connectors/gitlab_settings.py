"""What station.yaml and gare.yaml say about GitLab."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from gare.connectors.connection import Connection
from gare.settings import Settings, Slug


class GitLabConnection(Connection):
    """A GitLab server, as named under `connections` of station.yaml."""

    type: Literal["gitlab"]


class GitLabProject(Settings):
    """Which GitLab project a project of the station is."""

    connection: Slug
    """Name of a connection of station.yaml."""
    project: Annotated[str, StringConstraints(pattern=r"^\d+$|^[^/\s]+(/[^/\s]+)+$")]
    """Path with its groups, such as `shop/web/teashop`, or the number."""


class GitLabTrackerSettings(Settings):
    """Tickets are the issues of the project's GitLab project."""

    type: Literal["gitlab"]
    reopened_label: str = ""
    """Label of issues that were closed and opened again; empty: GitLab is asked for none."""
    version_by: Literal["milestone"] = "milestone"
    """What says for which version an issue is planned: the title of its milestone."""
