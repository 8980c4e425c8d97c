"""Looks at the connections to Jira: reached, token good, rights, statuses and types that the configuration asks for."""

from collections.abc import Iterator

from gare.config.loader import Project
from gare.config.tickets import TicketRule
from gare.connectors.jira_settings import JiraTrackerSettings
from gare.doctor.check import Check, Site, failed, ok, warn
from gare.errors import GareError


def trackers(site: Site) -> Iterator[Check]:
    """Ask Jira about each project whose tickets live there; changes nothing."""
    for project in site.station.projects.values() if site.station else ():
        if isinstance(project.config.tickets.tracker, JiraTrackerSettings):
            yield from _project(site, project, project.config.tickets.tracker)


def _project(site: Site, project: Project, tracker: JiraTrackerSettings) -> Iterator[Check]:
    from gare.planning.preflight import rights_for
    from gare.tracking import Tracking

    assert site.station is not None  # noqa: S101 -- there are no projects without one
    name, rule = project.config.name, project.config.tickets
    told = rule.on_release.model_dump() if rule.on_release else None
    kept = rule.change.model_dump() if rule.change else None
    try:
        there = Tracking(site.station).foresight(tracker.model_dump(mode="json"))
        who, lacking = there.account(), there.lacking(rights_for(told, kept))
        unknown = {name: there.unknown_status(name) for name in _statuses(rule)}
        refused = there.refused_change(rule.change.project, rule.change.type) if rule.change else ""
    except GareError as error:
        yield failed(error, f"{name}: ")
        return
    yield ok(f"{name}: {there.place}, as {who}")
    if lacking:
        yield warn(
            f"{name}: {who} lacks {', '.join(lacking)} in {there.place}",
            "Ask an administrator of the Jira project for them.",
        )
    for said in filter(None, unknown.values()):
        yield warn(f"{name}: {there.place} has {said}", "Correct the name under `tickets`.")
    if refused:
        yield warn(f"{name}: change tickets: {refused}", "Correct `change` under `tickets`.")


def _statuses(rule: TicketRule) -> list[str]:
    """Return the statuses of the tracker's own project that tickets are taken to."""
    told = [rule.on_release.transition] if rule.on_release else []
    is_here = rule.change is not None and not rule.change.project
    kept = rule.change.phases.values() if rule.change and is_here else ()
    return list(dict.fromkeys(filter(None, (*told, *kept))))
