"""A simulated GitLab (REST API v4): one class, put together from the parts in this folder."""

from gare.sandbox.gitlab.issues import IssueRoutes
from gare.sandbox.gitlab.merge_requests import MergeRequestRoutes
from gare.sandbox.gitlab.pipelines import PipelineRoutes
from gare.sandbox.gitlab.releases import ReleaseRoutes


class GitLab(PipelineRoutes, ReleaseRoutes, MergeRequestRoutes, IssueRoutes):
    """One GitLab server: pipelines and environments, source and releases, merge requests, issues."""
