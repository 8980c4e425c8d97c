"""Looks at the connections to Jira: reached, token good, rights that the configuration asks for. Changes nothing."""

from collections.abc import Iterator

from gare.config.loader import Project
from gare.config.tickets import TicketRule
from gare.connectors.jira_settings import JiraTrackerSettings
from gare.doctor.check import Check, Site, failed, ok, warn
from gare.errors import GareError


def trackers(site: Site) -> Iterator[Check]:
    """Ask Jira about each project whose tickets live there."""
    for project in site.station.projects.values() if site.station else ():
        if isinstance(project.config.tickets.tracker, JiraTrackerSettings):
            yield from _project(site, project, project.config.tickets.tracker)


def _project(site: Site, project: Project, tracker: JiraTrackerSettings) -> Iterator[Check]:
    from gare.tracking import Tracking

    assert site.station is not None  # noqa: S101 -- there are no projects without one
    name = project.config.name
    try:
        writer = Tracking(site.station).writer(tracker.model_dump(mode="json"))
        who, lacking = writer.account(), writer.lacking(_rights(project.config.tickets))
    except GareError as error:
        yield failed(error, f"{name}: ")
        return
    yield ok(f"{name}: {writer.place}, as {who}")
    if lacking:
        yield warn(
            f"{name}: {who} lacks {', '.join(lacking)} in {writer.place}",
            "Ask an administrator of the Jira project for them.",
        )


def _rights(rule: TicketRule) -> list[str]:
    """Return the rights that are needed for what is configured."""
    told, change = rule.on_release, rule.change
    needed = {
        "BROWSE_PROJECTS": True,
        "ADMINISTER_PROJECTS": told and told.version,
        "EDIT_ISSUES": told and (told.version or told.link),
        "TRANSITION_ISSUES": change or (told and told.transition),
        "ADD_COMMENTS": told and told.comment,
        "CREATE_ISSUES": change and change.project in ("", getattr(rule.tracker, "project", "")),
    }
    return [right for right, is_needed in needed.items() if is_needed]
