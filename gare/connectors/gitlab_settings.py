"""What station.yaml and gare.yaml say about GitLab."""

from typing import Annotated, Literal

from pydantic import AfterValidator, StringConstraints

from gare.connectors.connection import Connection
from gare.settings import Settings, Slug


def _with_version(value: str) -> str:
    if value.count("{version}") != 1 or set("{}") & set(value.replace("{version}", "")):
        raise ValueError("write `{version}` once, such as `Shop {version}`")
    return value


class GitLabConnection(Connection):
    """A GitLab server, as named under `connections` of station.yaml."""

    type: Literal["gitlab"]


class GitLabProject(Settings):
    """Which GitLab project a project of the station is."""

    connection: Slug
    """Name of a connection of station.yaml."""
    project: Annotated[str, StringConstraints(pattern=r"^\d+$|^[^/\s]+(/[^/\s]+)+$")]
    """Path with its groups, such as `shop/web/teashop`, or the number."""
    freeze_periods: bool = False
    """Whether GitLab's deploy freezes close the environments here too; closed while GitLab cannot be asked."""


class GitLabTrackerSettings(Settings):
    """Tickets are the issues of the project's GitLab project."""

    type: Literal["gitlab"]
    prefix: str = "#"
    """What stands before the number of an issue in notes and gates."""
    milestone: Annotated[str, AfterValidator(_with_version)] = "{version}"
    """Title of the milestone whose issues are planned for a version, such as `Shop {version}`."""
    doing_label: str = "doing"
    """Label of open issues that somebody works on."""
    reopened_label: str = ""
    """Label of issues that were done and are not any more; without it nobody can tell."""
