"""Which connectors exist, by port and type name. One line to add one.

The settings models are imported here (they are light); the connector class is imported when used, so a
missing extra is met only by whoever configured it.
"""

from importlib import import_module
from typing import Annotated, Any

from pydantic import Field

from gare.connectors.directory import DirectorySettings
from gare.connectors.git import GitSettings
from gare.connectors.gitlab_settings import GitLabConnection, GitLabTrackerSettings
from gare.connectors.jira_settings import JiraConnection, JiraTrackerSettings
from gare.connectors.notify import FileNoteSettings, MailSettings, WebhookSettings
from gare.connectors.tracker_file import FileTrackerSettings

SourceSettings = GitSettings
ConnectionSettings = Annotated[GitLabConnection | JiraConnection, Field(discriminator="type")]
TrackerSettings = Annotated[
    FileTrackerSettings | GitLabTrackerSettings | JiraTrackerSettings, Field(discriminator="type")
]
TargetSettings = DirectorySettings
AnnounceSettings = Annotated[
    FileNoteSettings | MailSettings | WebhookSettings, Field(discriminator="type")
]

CONNECTORS: dict[tuple[str, str], str] = {
    ("source", "git"): "gare.connectors.git:Git",
    ("hosting", "gitlab"): "gare.connectors.gitlab:GitLab",
    ("tracker", "file"): "gare.connectors.tracker_file:FileTracker",
    ("tracker", "gitlab"): "gare.connectors.gitlab_issues:GitLabIssues",
    ("tracker", "jira"): "gare.connectors.jira:Jira",
    ("ticket writer", "jira"): "gare.connectors.jira_release:JiraRelease",
    ("foresight", "jira"): "gare.connectors.jira_foresight:JiraForesight",
    ("boards", "jira"): "gare.connectors.jira_boards:JiraBoards",
    ("target", "directory"): "gare.connectors.directory:Directory",
    ("announce", "file"): "gare.connectors.notify:FileNote",
    ("announce", "mail"): "gare.connectors.notify:Mail",
    ("announce", "webhook"): "gare.connectors.notify:Webhook",
}


def is_written(tracker: TrackerSettings | None) -> bool:
    """Tell whether releases can write into a tracker."""
    return tracker is not None and ("ticket writer", tracker.type) in CONNECTORS


def connector(port: str, kind: str) -> Any:
    """Import the connector class for `kind` at `port`."""
    module, _, name = CONNECTORS[port, kind].partition(":")
    return getattr(import_module(module), name)
