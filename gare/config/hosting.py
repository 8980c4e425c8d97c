"""What gare.yaml says about GitLab fits together: the connection is there, and whatever needs GitLab has it."""

from collections.abc import Iterator

from gare.config.document import Document
from gare.config.models import ProjectConfig, StationConfig, StepType
from gare.config.problems import KeyPath, Problem, listed, nearest
from gare.connectors.gitlab_settings import GitLabConnection, GitLabTrackerSettings

_WRITE = "Write `gitlab: {connection: NAME, project: group/name}`, or take this out."


def hosting_problems(
    document: Document, project: ProjectConfig, station: StationConfig
) -> Iterator[Problem]:
    """Find what is wrong with GitLab's part in a project."""
    if project.gitlab is None:
        for path in _needing(project):
            yield document.problem(path, "this project names no GitLab project.", _WRITE)
    else:
        yield from _connection(document, project.gitlab.connection, station)
    if project.publish.gitlab_release and not project.publish.tag:
        yield document.problem(
            ("publish", "gitlab_release"),
            "a release in GitLab has a tag.",
            "Write `tag: true` beside it, or take this out.",
        )
    for key in ("gitlab_packages", "links"):
        if getattr(project.publish, key) and not project.publish.gitlab_release:
            yield document.problem(
                ("publish", key),
                "there is no release in GitLab to link from.",
                "Write `gitlab_release: true` beside it.",
            )


def _needing(project: ProjectConfig) -> Iterator[KeyPath]:
    """Yield the keys that mean nothing without a GitLab project."""
    if project.publish.gitlab_release:
        yield ("publish", "gitlab_release")
    if isinstance(project.tickets.tracker, GitLabTrackerSettings):
        yield ("tickets", "tracker", "type")
    for name, environment in project.environments.items():
        if environment.gitlab_environment:
            yield ("environments", name, "gitlab_environment")
    for place, step in enumerate(project.steps):
        if step.type == StepType.PIPELINE:
            yield ("steps", place, "type")


def _connection(document: Document, name: str, station: StationConfig) -> Iterator[Problem]:
    if isinstance(station.connections.get(name), GitLabConnection):
        return
    known = [
        known for known, one in station.connections.items() if isinstance(one, GitLabConnection)
    ]
    is_other = name in station.connections
    yield document.problem(
        ("gitlab", "connection"),
        "this connection is no GitLab." if is_other else "station.yaml has no such connection.",
        f"{nearest(name, known)}GitLabs are {listed(known)}."
        if known
        else "Add it there under `connections`: `{type: gitlab, url: https://…, token: $NAME}`.",
    )
