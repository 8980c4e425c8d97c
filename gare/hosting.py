"""Configuration -> where a project is hosted: its GitLab project, found by the connection that gare.yaml names."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from gare.config.connections import named_connection
from gare.config.loader import Station
from gare.config.models import ProjectConfig
from gare.connectors.gitlab_settings import GitLabConnection, GitLabProject
from gare.connectors.registry import connector
from gare.domain.plan import Json
from gare.ports.freezes import FreezeSource
from gare.ports.merge_requests import MergeRequests

if TYPE_CHECKING:
    from gare.connectors.gitlab import GitLab


class Hosting:
    """The hosted projects of one station."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def of(self, project: ProjectConfig) -> "GitLab | None":
        """Return the GitLab project that a project is; None when it names none."""
        return self._open(project.gitlab) if project.gitlab else None

    def at(self, planned: Json) -> "GitLab":
        """Return the GitLab project of a step, as it was planned."""
        return self._open(GitLabProject.model_validate(planned))

    def merge_requests(self, project: ProjectConfig) -> MergeRequests | None:
        """Return the merge requests of a project; None when it names no GitLab."""
        hosted = self.of(project)
        return hosted.merge_requests if hosted else None

    def freeze_sources(self, project: ProjectConfig) -> Sequence[FreezeSource]:
        """Return where others keep freeze periods that count for a project."""
        hosted = self.of(project) if project.gitlab and project.gitlab.freeze_periods else None
        return [hosted.freezes] if hosted else []

    def _open(self, settings: GitLabProject) -> "GitLab":
        connection = named_connection(
            self._station.config,
            settings.connection,
            GitLabConnection,
            "gare.yaml, gitlab: connection",
        )
        return _opened(connection, settings, self._station.root)


@lru_cache(maxsize=32)
def _opened(connection: GitLabConnection, settings: GitLabProject, base: Path) -> "GitLab":
    """Keep a project's client: its connections to the server stay open from step to step."""
    made: GitLab = connector("hosting", connection.type)(connection, settings, base)
    return made
