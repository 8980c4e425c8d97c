"""Makes the plan of a release: reads history and tickets, decides the version, lays out the steps. Changes nothing."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from gare.config.models import ProjectConfig, StationConfig
from gare.connectors.git_settings import BAD_REFERENCE
from gare.domain.commits import Change, planned, read_changes
from gare.domain.notes import render
from gare.domain.plan import Plan, PlannedTicket
from gare.domain.scope import match, ticket_keys
from gare.domain.versions import Next, next_version, pick_previous, released, step_over
from gare.errors import ConfigError, Refused
from gare.planning.dag import environments, plan_steps
from gare.ports.source import Head, Source
from gare.ports.tracker import Tracker
from gare.requests import ReleaseRequest

TrackerAt = Callable[[str], Tracker | None]
"""Gives the project's tracker as of a commit."""


@dataclass(frozen=True, slots=True)
class _Range:
    """What is going to be released: the commits between the last release and the head."""

    head: Head
    since: str
    since_tag: str
    since_version: str
    changes: list[Change]
    next: Next
    planned_for: str
    """The version that tickets are planned for: that of the commits, also when it was stepped over."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier releases of the project did, as the ledger has it.

    `own_commits` were made by them (the changelog's) and are no part of a release; `deployed` gives the release by
    version: what has run somewhere under a version keeps it, also when it was rolled back and never published.
    """

    own_commits: Collection[str] = frozenset()
    deployed: Mapping[str, str] = field(default_factory=dict)


def make_plan(
    project: ProjectConfig,
    station: StationConfig,
    source: Source,
    tracker_at: TrackerAt,
    request: ReleaseRequest,
    earlier: Earlier | None = None,
) -> Plan:
    """Return everything the release will do. The same inputs give an equal plan.

    Raises Refused when there is nothing to release or the version cannot be, ConfigError and ConnectorError
    with what to do.
    """
    warnings = source.check(allow_dirty=request.allow_dirty)
    span = _range(project, source, request, earlier or Earlier())
    version, tag = span.next.version, f"{project.source.tag_prefix}{span.next.version}"
    tickets, scope_warnings = _tickets(project, tracker_at, span)
    _check_tag(source, project, tag)
    steps, approvals = plan_steps(project, station, version=version, tag=tag)
    titles = {ticket.key: ticket.title for ticket in tickets if ticket.commits and ticket.title}
    return Plan(
        project=project.name,
        title=project.title or project.name,
        version=version,
        previous_version=span.since_version,
        previous_tag=span.since_tag,
        previous_commit=span.since,
        tag=tag,
        branch=span.head.branch,
        commit=span.head.commit,
        bump=span.next.bump,
        # Published where it was planned from, whatever is checked out by then.
        source=project.source.model_dump(mode="json") | {"branch": span.head.branch},
        commits=tuple(planned(change) for change in span.changes),
        tickets=tickets,
        notes=render(version, span.changes, titles=titles),
        steps=steps,
        approvals=approvals,
        environments=tuple(environments(project, station)),
        env=project.env,
        warnings=(*warnings, *_stepped_over(span, earlier or Earlier()), *scope_warnings),
        authors=tuple(sorted({change.author_email.lower() for change in span.changes})),
    )


def _range(
    project: ProjectConfig, source: Source, request: ReleaseRequest, earlier: Earlier
) -> _Range:
    settings = project.source
    head = source.head(request.ref)
    previous = pick_previous(source.tags(reachable_from=head.commit), settings.tag_prefix)
    start = previous.start(request.prerelease or ("pre" if "-" in request.version else ""))
    since = start.commit if start else ""
    changes = read_changes(
        source.commits(since, head.commit, settings.paths),
        project.tickets.pattern,
        earlier.own_commits,
    )
    wanted = next_version(
        previous,
        changes,
        project.version,
        override=request.version,
        prerelease=request.prerelease,
        taken=released(source.tags(), settings.tag_prefix),
    )
    chosen = step_over(wanted, earlier.deployed, is_given=bool(request.version))
    return _Range(
        head,
        since,
        start.tag if start else "",
        start.version if start else "",
        changes,
        chosen,
        wanted.version,
    )


def _stepped_over(span: _Range, earlier: Earlier) -> list[str]:
    if span.planned_for == span.next.version:
        return []
    by = earlier.deployed.get(span.planned_for, "an earlier release")
    return [
        f"{span.planned_for} was deployed by {by} and is not used again: this is {span.next.version}"
    ]


def _tickets(
    project: ProjectConfig, tracker_at: TrackerAt, span: _Range
) -> tuple[tuple[PlannedTicket, ...], list[str]]:
    """Match commits and tickets both ways; what does not match is said in the plan's warnings."""
    tracker = tracker_at(span.head.commit)
    if tracker is None:
        return (), []
    found = tracker.tickets(ticket_keys(span.changes), span.planned_for)
    scope = match(span.changes, found)
    warnings = [
        f"{ticket.key} {ticket.verdict}" + (f": {ticket.title}" if ticket.title else "")
        for ticket in scope.tickets
        if ticket.verdict != "matched"
    ]
    if scope.untracked:
        warnings.append(f"{len(scope.untracked)} commit(s) name no ticket")
    return scope.tickets, warnings


def _check_tag(source: Source, project: ProjectConfig, tag: str) -> None:
    """Ask now what would only be met at the end: a name that no tag can have, a published tag not fetched here."""
    if project.publish.tag and BAD_REFERENCE.search(tag):
        raise ConfigError(
            f"{tag!r} cannot be the name of a tag.",
            where=project.name,
            hint="Correct `source: tag_prefix`, or choose another version.",
        )
    if project.publish.tag and project.publish.push and (commit := source.remote_tag(tag)):
        raise Refused(
            f"Tag {tag} exists already where it is published, at {commit[:12]}.",
            where=project.name,
            hint="Fetch the tags (`git fetch --tags`) and plan again, or choose another version.",
        )
