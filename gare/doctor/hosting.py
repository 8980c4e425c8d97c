"""Looks at the connections to GitLab: reached, token good until when, its scope and role, tags that may be made."""

from collections.abc import Iterator
from datetime import UTC, datetime

from gare.config.loader import Project
from gare.config.models import ProjectConfig, StepType
from gare.doctor.check import Check, Site, failed, ok, warn
from gare.errors import GareError

_SOON_DAYS = 30


def hosting(site: Site) -> Iterator[Check]:
    """Ask GitLab about each project that names it; changes nothing."""
    for project in site.station.projects.values() if site.station else ():
        if project.config.gitlab is not None:
            yield from _project(site, project)


def _project(site: Site, project: Project) -> Iterator[Check]:
    from gare.hosting import Hosting

    assert site.station is not None  # noqa: S101 -- there are no projects without one
    name, config = project.config.name, project.config
    try:
        hosted = Hosting(site.station).of(config)
        assert hosted is not None  # noqa: S101 -- asked by the caller
        access, writes = hosted.access, _writes(config)
        found, lacking = f"{name}: {access.place}, as {access.who()}", access.lacking()
        refused = "" if lacking else access.refused_tag(f"{config.source.tag_prefix}0.0.0")
        ends = access.ends_on()
    except GareError as error:
        yield failed(error, f"{name}: ")
        return
    yield ok(found)
    if lacking and writes:
        yield warn(
            f"{name}: {lacking}; planning works, {', '.join(writes)} will be refused",
            "Make a token with the scope `api`, of a user with the role Developer or more.",
        )
    if ends and (ends - datetime.now(UTC).date()).days < _SOON_DAYS:
        yield warn(f"{name}: the GitLab token ends on {ends}", "Make a new one before then.")
    if refused and config.publish.tag:
        yield warn(f"{name}: {refused}", "Ask a maintainer of the GitLab project for the right.")


def _writes(config: ProjectConfig) -> list[str]:
    """Return what of a configuration writes into GitLab."""
    published = ("gitlab_release", "gitlab_packages")
    return [
        *(step.id for step in config.steps if step.type == StepType.PIPELINE),
        *(key for key in published if getattr(config.publish, key)),
        *(
            f"gitlab_environment of {name}"
            for name, one in config.environments.items()
            if one.gitlab_environment
        ),
    ]
