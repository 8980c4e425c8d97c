"""What a Jira may be configured as. Part of gare.connectors.jira; imported by every command."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints

from gare.connectors.connection import Connection
from gare.settings import Settings, Slug

_CLOUD_HOSTS = (".atlassian.net", ".jira.com", "api.atlassian.com")

ProjectKey = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]+$")]
"""A Jira project's key, such as `SHOP`."""


def _version_name(value: str) -> str:
    if value.count("{version}") != 1:
        raise ValueError("write `{version}` once, such as `shop {version}`")
    return value


class JiraConnection(Connection):
    """A Jira, as named under `connections` of station.yaml."""

    type: Literal["jira"]
    user: str = ""
    """Mail address of the token's account (Cloud); without it the token is a personal access token (Data Center)."""
    deployment: Literal["auto", "cloud", "data-center"] = "auto"
    """`auto` takes Atlassian's own hosts as Cloud (REST v3) and all others as Data Center (REST v2)."""

    @property
    def is_cloud(self) -> bool:
        """Whether it is Jira Cloud."""
        if self.deployment == "auto":
            return (urlsplit(self.url).hostname or "").endswith(_CLOUD_HOSTS)
        return self.deployment == "cloud"


class JiraTrackerSettings(Settings):
    """Tickets in Jira."""

    type: Literal["jira"]
    connection: Slug
    """Name of the Jira among the `connections` of station.yaml."""
    project: ProjectKey
    """The project that has the versions."""
    also: tuple[ProjectKey, ...] = ()
    """Further projects whose tickets commits name."""
    version: Annotated[str, AfterValidator(_version_name)] = "{version}"
    """What a version is called in Jira, such as `shop {version}`."""

    @property
    def projects(self) -> tuple[str, ...]:
        """Return every project whose tickets are known."""
        return (self.project, *self.also)

    def name(self, version: str) -> str:
        """Return what a version is called in Jira."""
        return self.version.replace("{version}", version)

    def names(self, version: str) -> list[str]:
        """Return the versions whose tickets belong to `version`; those of 1.4.0 belong to 1.4.0-rc.1 too."""
        from semver import Version  # only where Jira is asked

        # What a train calls its version, such as "Train 2026-11-28", is one name.
        final = (
            str(Version.parse(version).finalize_version()) if Version.is_valid(version) else version
        )
        return list(dict.fromkeys((self.name(version), self.name(final))))
