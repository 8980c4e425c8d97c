"""GitLab: every port that one project of it serves. The parts live in gitlab_*.py beside this file.

The rights that the token needs, and what each error means: docs/how-to/gitlab.md.
"""

from functools import cached_property
from pathlib import Path

from gare.connectors.gitlab_access import GitLabAccess
from gare.connectors.gitlab_ci import GitLabCi
from gare.connectors.gitlab_environments import GitLabEnvironments, GitLabFreezes
from gare.connectors.gitlab_merge_requests import GitLabMergeRequests
from gare.connectors.gitlab_publish import GitLabPackages, GitLabReleases
from gare.connectors.gitlab_settings import GitLabConnection, GitLabProject
from gare.connectors.gitlab_site import GitLabSite
from gare.connectors.http_policy import HttpPolicy


class GitLab:
    """One GitLab project."""

    def __init__(
        self,
        connection: GitLabConnection,
        project: GitLabProject,
        base: Path,
        policy: HttpPolicy | None = None,
    ) -> None:
        """Take the connection, the project, and the folder that secret files are relative to."""
        self.site = GitLabSite(connection, project, base, policy)

    @cached_property
    def ci(self) -> GitLabCi:
        """Return its pipelines."""
        return GitLabCi(self.site)

    @cached_property
    def merge_requests(self) -> GitLabMergeRequests:
        """Return its merge requests."""
        return GitLabMergeRequests(self.site)

    @cached_property
    def release_page(self) -> GitLabReleases:
        """Return its releases."""
        return GitLabReleases(self.site)

    @cached_property
    def environments(self) -> GitLabEnvironments:
        """Return its environments and deployments."""
        return GitLabEnvironments(self.site)

    @cached_property
    def packages(self) -> GitLabPackages:
        """Return its generic package registry."""
        return GitLabPackages(self.site)

    @cached_property
    def freezes(self) -> GitLabFreezes:
        """Return its freeze periods."""
        return GitLabFreezes(self.site)

    @property
    def access(self) -> GitLabAccess:
        """Return what the token may do there, asked anew: roles and protections change."""
        return GitLabAccess(self.site)
