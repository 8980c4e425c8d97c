"""The throw-away station's folder: its repository, its files, and what of the real systems it is given.

source/ remote.git/     the project's repository and where it pushes to
station.yaml projects/  the configuration
environments/           where it deploys to
announcements/          what would be sent
"""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gare.config.connections import named_connection
from gare.config.loader import Project
from gare.connectors.gitlab_settings import GitLabTrackerSettings
from gare.connectors.jira_settings import JiraConnection, JiraTrackerSettings
from gare.connectors.jira_site import Site
from gare.domain.plan import Plan
from gare.rehearsal.gitlab import read_gitlab
from gare.rehearsal.jira import read_jira
from gare.rehearsal.reading import Reading
from gare.rehearsal.repository import clone
from gare.rehearsal.stand_in import StandIn, stand_in, stand_in_station
from gare.settings import Settings
from gare.wiring import Gare


@dataclass(frozen=True)
class Backstage:
    """The folder of one rehearsal. `gare` is the real station: it is asked, and never told anything."""

    gare: Gare
    project: Project
    plan: Plan
    folder: Path

    @property
    def remote(self) -> Path:
        """Return the bare repository that takes the pushes."""
        return self.folder / "remote.git"

    def read(self) -> dict[str, Reading]:
        """Clone the repository and read the project's real systems, by the names of their connections."""
        source = self.gare.source(self.plan)
        clone(source, self.plan, self.folder / "source", self.remote)
        return dict(self._readings())

    def _readings(self) -> Iterator[tuple[str, Reading]]:
        config = self.project.config
        tracker = config.tickets.tracker
        if config.gitlab and (hosted := self.gare.hosting.of(config)):
            issues = tracker if isinstance(tracker, GitLabTrackerSettings) else None
            name = config.gitlab.connection
            token = self._token(name)
            yield (
                name,
                read_gitlab(
                    hosted.site, self.plan, token=token, remote=self.remote, tracker=issues
                ),
            )
        if isinstance(tracker, JiraTrackerSettings):
            yield tracker.connection, self._read_jira(tracker)

    def _read_jira(self, tracker: JiraTrackerSettings) -> Reading:
        station, config = self.gare.station, self.project.config
        connection = named_connection(
            station.config, tracker.connection, JiraConnection, "tickets: tracker: connection"
        )
        change = config.tickets.change
        projects = [*tracker.projects, *([change.project] if change and change.project else [])]
        keys = [ticket.key for ticket in self.plan.tickets]
        site = Site(connection, station.root, tracker.project, name=tracker.connection)
        return read_jira(site, connection, projects, keys, token=self._token(tracker.connection))

    def _token(self, name: str) -> str:
        """Make the token that the sandbox takes for a connection, in a file."""
        token = f"rehearsal-{secrets.token_hex(12)}"
        (self.folder / f"{name}.token").write_text(f"{token}\n", encoding="utf-8")
        return token

    def write(self, readings: Mapping[str, Reading], url: str) -> StandIn:
        """Write the station's files, connected to the sandbox at this address."""
        gitlab = self.project.config.gitlab
        known = readings[gitlab.connection].seed["projects"] if gitlab else {}
        stood_in = stand_in(self.project.config, self.plan.branch, next(iter(known), ""))
        station = stand_in_station(
            self.gare.station.config,
            {name: f"{url}/{name}" for name in readings},
            {name: f"file:{name}.token" for name in readings},
        )
        _write(self.folder / "station.yaml", station)
        (self.folder / "projects").mkdir()
        _write(self.folder / "projects" / f"{self.plan.project}.yaml", stood_in.config)
        return stood_in


def _write(file: Path, settings: Settings) -> None:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(settings.model_dump(mode="json", exclude_unset=True), stream)
