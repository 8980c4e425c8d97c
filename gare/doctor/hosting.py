"""Looks at the connections to GitLab: reached, token good until when, role in each project, tags that may be made."""

from collections.abc import Iterator
from datetime import UTC, datetime

from gare.config.loader import Project
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
    name = project.config.name
    try:
        hosted = Hosting(site.station).of(project.config)
        assert hosted is not None  # noqa: S101 -- asked by the caller
        account = hosted.site.account
        refused = hosted.refs.refused_tag(f"{project.config.source.tag_prefix}0.0.0")
    except GareError as error:
        yield failed(error, f"{name}: ")
        return
    yield ok(f"{name}: {hosted.site.where}, as {account.user} with the role {account.role}")
    if account.expires_on and (account.expires_on - datetime.now(UTC).date()).days < _SOON_DAYS:
        yield warn(
            f"{name}: the GitLab token ends on {account.expires_on}", "Make a new one before then."
        )
    if refused and project.config.publish.tag:
        yield warn(f"{name}: {refused}", "Ask a maintainer of the GitLab project for the right.")
