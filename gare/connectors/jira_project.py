"""What every connector to one project of a Jira begins with: its settings, and the site as one user."""

from pathlib import Path

from gare.connectors.jira_settings import JiraConnection, JiraTrackerSettings
from gare.connectors.jira_site import Site


class JiraProject:
    """One project of a Jira."""

    def __init__(
        self, settings: JiraTrackerSettings, connection: JiraConnection, base: Path
    ) -> None:
        """Take the settings, the connection they name, and the folder that file secrets are relative to."""
        self._settings, self._site = (
            settings,
            Site(connection, base, settings.project, name=settings.connection),
        )

    @property
    def place(self) -> str:
        """Name the tracker and the project in it."""
        return f"Jira {self._settings.project}"
