"""Configuration -> trackers: who a project's tickets are read from, who is told, and which boards there are."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gare.config.connections import named_connection
from gare.config.loader import Station
from gare.config.models import ProjectConfig
from gare.connectors.gitlab_settings import GitLabTrackerSettings
from gare.connectors.jira_settings import JiraConnection, JiraTrackerSettings
from gare.connectors.registry import TrackerSettings, connector
from gare.domain.plan import Json
from gare.errors import ConfigError
from gare.hosting import Hosting
from gare.ports.tracker import Boards, ChangeTickets, TicketWriter, Tracker

if TYPE_CHECKING:
    from gare.connectors.gitlab import GitLab
    from gare.connectors.jira_foresight import JiraForesight


class Tracking:
    """The trackers of one station."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def reader(self, project: ProjectConfig, read: Callable[[str], str]) -> Tracker | None:
        """Return who a project's tickets are read from; `read` gives a file of the repository, None is no tracker."""
        settings = project.tickets.tracker
        if settings is None:
            return None
        made: Tracker = connector("tracker", settings.type)(
            settings, *self._about(project, settings, read)
        )
        return made

    def _about(
        self, project: ProjectConfig, settings: TrackerSettings, read: Callable[[str], str]
    ) -> tuple[object, ...]:
        """Return what a reader is made of besides its settings."""
        match settings:
            case JiraTrackerSettings():
                return self._site(settings)
            case GitLabTrackerSettings():
                return (self._hosted(project).site,)
            case _:
                return (read,)

    def _hosted(self, project: ProjectConfig) -> "GitLab":
        if (hosted := Hosting(self._station).of(project)) is not None:
            return hosted
        raise ConfigError(
            f"{project.name} takes its tickets from GitLab and names no GitLab project.",
            where=f"{project.name}, tickets: tracker",
            hint="Write `gitlab: {connection: NAME, project: group/name}`.",
        )

    def writer(self, planned: Json) -> TicketWriter:
        """Return who is told, by the tracker's settings as they were planned."""
        settings = JiraTrackerSettings.model_validate(planned)
        made: TicketWriter = connector("ticket writer", settings.type)(
            settings, *self._site(settings)
        )
        return made

    def foresight(self, planned: Json) -> "JiraForesight":
        """Return who is asked what will be refused, by the tracker's settings as they were planned."""
        settings = JiraTrackerSettings.model_validate(planned)
        made: JiraForesight = connector("foresight", settings.type)(settings, *self._site(settings))
        return made

    @staticmethod
    def name_of(tracker: TrackerSettings, version: str) -> str:
        """Return what a tracker calls a version."""
        return tracker.name(version) if isinstance(tracker, JiraTrackerSettings) else version

    def changes(self, planned: Json) -> ChangeTickets:
        """Return who keeps change tickets, by the tracker's settings as they were planned."""
        settings = JiraTrackerSettings.model_validate(planned)
        made: ChangeTickets = connector("ticket writer", settings.type)(
            settings, *self._site(settings)
        )
        return made

    def boards(self, project: ProjectConfig) -> Boards:
        """Return the boards of a project. Raises ConfigError when its tracker has none."""
        settings = project.tickets.tracker
        if not isinstance(settings, JiraTrackerSettings):
            raise ConfigError(
                f"The tracker of {project.name} has no boards.",
                where=f"{project.name}, tickets: tracker",
                hint="Sprints are read from Jira: write `tracker: {type: jira, …}`.",
            )
        made: Boards = connector("boards", settings.type)(settings, *self._site(settings))
        return made

    def _site(self, settings: JiraTrackerSettings) -> tuple[JiraConnection, Path]:
        """Return the connection that a tracker names, and the folder that its file secrets are relative to."""
        connection = named_connection(
            self._station.config,
            settings.connection,
            JiraConnection,
            "tickets: tracker: connection",
        )
        return connection, self._station.root
