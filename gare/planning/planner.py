"""Makes the plan of a release: reads history and tickets, decides the version, lays out the steps. Changes nothing."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gare.config.models import ProjectConfig, StationConfig
from gare.connectors.git_settings import BAD_REFERENCE
from gare.domain.commits import Change, compile_pattern, planned, read_changes
from gare.domain.commits import ticket_keys as keys_in
from gare.domain.counts import counted
from gare.domain.fixes import Fix, FixBranch
from gare.domain.merges import brought_in, tell
from gare.domain.notes import render
from gare.domain.plan import Plan, PlannedTicket
from gare.domain.scope import MATCHED, match, ticket_keys
from gare.domain.standing import RolledBack
from gare.domain.versions import Next, next_version, pick_previous, released, step_over
from gare.errors import ConfigError, NothingToRelease, Refused
from gare.planning.dag import environments, plan_steps
from gare.planning.fixed_lines import FixedLines, refuse_lost
from gare.planning.older import OLDER_THAN, older_than, refuse_older, told_older
from gare.planning.preflight import Ahead, Foresee
from gare.planning.returning import returning, with_way_forward
from gare.ports.merge_requests import MergeRequests
from gare.ports.source import Head, History, Source
from gare.ports.tracker import Tracker
from gare.requests import ReleaseRequest

TrackerAt = Callable[[str], Tracker | None]
"""Gives the project's tracker as of a commit."""


@dataclass(frozen=True, slots=True)
class Span:
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
    fixes: Sequence[Fix] = ()
    """What hotfixes have fixed, in every line."""
    live: str = ""
    """The version last verified good in the project's last environment."""
    branches: Sequence[FixBranch] = ()
    """Branches that hotfixes have made."""
    rolled_back: Sequence[RolledBack] = ()
    """Versions that were rolled back somewhere and have not come again."""

    @property
    def hotfixes(self) -> Mapping[str, str]:
        """Return the versions that hotfixes took, each with its release."""
        return {fix.version: fix.release for fix in self.fixes}


def make_plan(
    project: ProjectConfig,
    station: StationConfig,
    source: Source,
    tracker_at: TrackerAt,
    request: ReleaseRequest,
    earlier: Earlier | None = None,
    merge_requests: MergeRequests | None = None,
    known_as: Collection[str] = (),
    foresee: Foresee | None = None,
) -> Plan:
    """Return everything the release will do. The same inputs give an equal plan.

    `known_as` are the ids of the release that is planned, for which a fix may be waived: itself, its train. `foresee`
    says what others will refuse; it is told in the plan's warnings. Raises Refused when there is nothing to release or
    the version cannot be, ConfigError and ConnectorError with what to do.
    """
    warnings = source.check(allow_dirty=request.allow_dirty)
    earlier = earlier or Earlier()
    try:
        span = read_span(project, source, request, earlier)
    except NothingToRelease as nothing:
        raise with_way_forward(nothing, project.name, earlier.rolled_back) from None
    version, tag = span.next.version, f"{project.source.tag_prefix}{span.next.version}"
    if not request.allow_older:
        refuse_older(
            version,
            earlier.live,
            what="it",
            environment="".join(environments(project, station)[-1:]),
            instead="Release from the branch that has what runs there (leave `--ref` out), or a higher `--version`.",
        )
    tracker = tracker_at(span.head.commit)
    if tracker is not None and merge_requests is not None:
        span = _with_merges(span, project, source, merge_requests)
    read = read_tickets(tracker, span.changes, span.planned_for)
    check_tag(source, project, tag)
    refuse_lost(
        FixedLines(source, earlier.fixes, merge_requests),
        earlier.fixes,
        span.head,
        since=span.since_version,
        version=version,
        known_as=known_as,
    )
    steps, approvals = plan_steps(project, station, version=version, tag=tag, tickets=read.tickets)
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
        tickets=read.tickets,
        notes=read.notes(version, span.changes),
        steps=steps,
        approvals=approvals,
        environments=tuple(environments(project, station)),
        env=project.env,
        warnings=(
            *warnings,
            *told_older(version, earlier.live),
            *returning(source, project, span.head.commit, earlier.rolled_back),
            *_stepped_over(span, earlier),
            *read.warnings,
            *(foresee(Ahead(span.head.branch, steps, read.examples)) if foresee else ()),
        ),
        authors=authors_of(span.changes),
        details={OLDER_THAN: newer} if (newer := older_than(version, earlier.live)) else {},
    )


def read_span(
    project: ProjectConfig, source: History, request: ReleaseRequest, earlier: Earlier
) -> Span:
    """Return what would be released now. Raises Refused when that is nothing, or the version cannot be."""
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
        # A version that a hotfix took meanwhile is stepped over; only one that was asked for is refused.
        taken=[
            tag
            for tag in released(source.tags(), settings.tag_prefix)
            if request.version or tag.version not in earlier.hotfixes
        ],
    )
    used = {**earlier.hotfixes, **earlier.deployed}
    chosen = step_over(wanted, used, is_given=bool(request.version))
    return Span(
        head,
        since,
        start.tag if start else "",
        start.version if start else "",
        changes,
        chosen,
        wanted.version,
    )


def _with_merges(
    span: Span, project: ProjectConfig, source: History, merge_requests: MergeRequests
) -> Span:
    """Let commits have the tickets that the merge requests name which brought them."""
    pattern = compile_pattern(project.tickets.pattern)
    merged = merge_requests.merged(span.head.branch, _begin(span.changes))
    told = {
        one.merged_commit or one.commit: keys_in(f"{one.title}\n{one.description}", pattern)
        for one in merged
    }
    forwarded = {one.commit for one in merged if not one.merged_commit}
    commits = list(source.commits(span.since, span.head.commit, project.source.paths))
    return replace(span, changes=tell(span.changes, brought_in(commits, told, forwarded)))


def _stepped_over(span: Span, earlier: Earlier) -> list[str]:
    if span.planned_for == span.next.version:
        return []
    by = {**earlier.hotfixes, **earlier.deployed}.get(span.planned_for, "an earlier release")
    return [
        f"{span.planned_for} was deployed by {by} and is not used again: this is {span.next.version}"
    ]


@dataclass(frozen=True, slots=True)
class Scoped:
    """The tickets of a plan, what is to be said of them, and one with code for each status (its tracker's word)."""

    tickets: tuple[PlannedTicket, ...] = ()
    warnings: tuple[str, ...] = ()
    examples: Mapping[str, str] = field(default_factory=dict)

    def notes(self, version: str, changes: Sequence[Change]) -> str:
        """Return the notes of a version, with the titles of the tickets that have code in it."""
        known = {one.key: one.title for one in self.tickets if one.commits and one.title}
        return render(version, changes, titles=known)


def read_tickets(tracker: Tracker | None, changes: Sequence[Change], planned_for: str) -> Scoped:
    """Match commits and tickets both ways; what does not match is said in the plan's warnings."""
    if tracker is None:
        return Scoped()
    found = tracker.tickets(ticket_keys(changes), planned_for, _begin(changes))
    scope = match(changes, found)
    warnings = [
        f"{ticket.key} {ticket.verdict}" + (f": {ticket.title}" if ticket.title else "")
        for ticket in scope.tickets
        if ticket.verdict != MATCHED
    ]
    if scope.untracked:
        count = len(scope.untracked)
        warnings.append(f"{counted(count, 'commit')} name{'s' if count == 1 else ''} no ticket")
    matched = {ticket.key for ticket in scope.tickets if ticket.verdict == MATCHED}
    examples = {one.said: one.key for one in reversed(found) if one.said and one.key in matched}
    return Scoped(scope.tickets, tuple(warnings), examples)


def authors_of(changes: Iterable[Change]) -> tuple[str, ...]:
    """Return who has made the changes, for the rules that let no author vote."""
    return tuple(sorted({change.author_email.lower() for change in changes}))


def _begin(changes: Iterable[Change]) -> datetime | None:
    """Return when the oldest change was made: tickets taken up again since then were reopened."""
    dates = [datetime.fromisoformat(change.date) for change in changes]
    return min(dates, default=None)


def check_tag(source: Source, project: ProjectConfig, tag: str) -> None:
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
