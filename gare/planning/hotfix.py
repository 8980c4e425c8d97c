"""Makes the plan of a hotfix: chosen commits on the last released version, a patch version, a short list of skips.

Writes nothing but the commit that is going to be released, which nobody sees until the hotfix publishes it.

`Plan.details` of a hotfix: `base` (version, tag, commit, line), `picks` (commit, made, patch, subject), `left_out`
(commit, subject: what the line had already), `skipped` (step, later), `ticket`, `merge_requests`, `lines`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gare.config.models import ProjectConfig, StationConfig, StepType
from gare.domain.commits import Change, planned, read_changes
from gare.domain.notes import render
from gare.domain.plan import Kind, Plan
from gare.domain.versions import Released, is_prerelease, next_patch, pick_previous, released
from gare.errors import ConfigError, Refused
from gare.planning.dag import environments, plan_steps
from gare.planning.hotfix_steps import shortened, with_branch
from gare.planning.planner import Earlier, TrackerAt, check_tag, read_tickets, refuse_lost
from gare.ports.merge_requests import MergeRequests
from gare.ports.picker import Line, Picked, Picker, Wanted
from gare.ports.source import Head, Source
from gare.requests import HotfixRequest


class _Base(NamedTuple):
    """What the fixes are put on. `line` is the maintenance branch, or empty for a released version."""

    line: str
    commit: str
    last: Released


def make_hotfix(
    project: ProjectConfig,
    station: StationConfig,
    source: Source,
    picker: Picker,
    tracker_at: TrackerAt,
    request: HotfixRequest,
    earlier: Earlier,
    merge_requests: MergeRequests | None = None,
) -> Plan:
    """Return everything the hotfix will do. The same inputs give an equal plan, and the same commit.

    `merge_requests` are those of the project, None when it has no GitLab. Raises Refused when there is no released
    version, no fix that is not in it, or one that does not fit; ConfigError and ConnectorError with what to do.
    """
    # A hotfix is made aside: what lies about in the working copy is no part of it.
    warnings = source.check(allow_dirty=True)
    base = _base(project, source, request.line)
    wanted = _all_wanted(picker, request, merge_requests)
    taken = released(source.tags(), project.source.tag_prefix)
    version = next_patch(base.last.version, {tag.version for tag in taken} | set(earlier.deployed))
    tag, branch = f"{project.source.tag_prefix}{version}", branch_of(version)
    check_tag(source, project, tag)
    _refuse_lost(source, base, wanted, earlier, version)
    picked = _pick(picker, base, wanted, project.name)
    changes = _changes(project, source, base, picked, request.ticket)
    short = shortened(project, station)
    tickets, scope_warnings = read_tickets(tracker_at(picked.commit), changes, version)
    steps, approvals = plan_steps(short, station, version=version, tag=tag, tickets=tickets)
    lines = _lines(source, picker, project)
    lacking = _without(source, picked, lines)
    # The branch can be merged into what goes on from where it begins; into an older line it would bring too much.
    proposed = [
        line for line in lacking if project.gitlab and source.is_ancestor(base.commit, lines[line])
    ]
    titles = {ticket.key: ticket.title for ticket in tickets if ticket.commits and ticket.title}
    deployed = {step.environment for step in steps if step.type == StepType.DEPLOY}
    return Plan(
        project=project.name,
        title=project.title or project.name,
        version=version,
        previous_version=base.last.version,
        previous_tag=base.last.tag,
        previous_commit=base.last.commit,
        tag=tag,
        branch=branch,
        commit=picked.commit,
        bump="patch",
        source=project.source.model_dump(mode="json") | {"branch": branch},
        commits=tuple(planned(change) for change in changes),
        tickets=tickets,
        notes=render(version, changes, titles=titles),
        steps=with_branch(steps, project, branch, lines, proposed),
        approvals=approvals,
        environments=tuple(name for name in environments(project, station) if name in deployed),
        env=project.env,
        warnings=(
            *warnings,
            *_told(base, picked, changes, earlier.live),
            *_by_hand(lacking, proposed),
            *(f"skips {one.step}; to check later: {one.later}" for one in project.hotfix.skip),
            *scope_warnings,
        ),
        authors=tuple(sorted({change.author_email.lower() for change in changes})),
        kind=Kind.HOTFIX,
        details={
            "base": {**base.last._asdict(), "line": base.line, "from": base.commit},
            "picks": [pick._asdict() for pick in picked.picks if pick.made],
            "left_out": [
                {"commit": pick.commit, "subject": pick.subject}
                for pick in picked.picks
                if not pick.made
            ],
            "skipped": [skip.model_dump() for skip in project.hotfix.skip],
            "ticket": request.ticket,
            "merge_requests": list(request.merge_requests),
            "lines": list(lines),
        },
    )


def branch_of(version: str) -> str:
    """Return the branch of a hotfix."""
    return f"hotfix/{version}"


def _base(project: ProjectConfig, source: Source, line: str) -> _Base:
    """Return the last released version, or the head of a maintenance line and the last version in it."""
    prefix = project.source.tag_prefix
    if line:
        head = source.head(line)
        last = pick_previous(source.tags(reachable_from=head.commit), prefix).final
        if last is not None:
            return _Base(line, head.commit, last)
    else:
        finals = [tag for tag in released(source.tags(), prefix) if not is_prerelease(tag.version)]
        if finals:
            return _Base("", finals[0].commit, finals[0])
    where = f"line {line}" if line else project.name
    raise Refused(
        f"{where} has no released version, so there is nothing to put a fix on.",
        where=project.name,
        hint=f"Release it: `gare release {project.name}`. (Tags not here? `git fetch --tags`.)",
    )


def _all_wanted(
    picker: Picker, request: HotfixRequest, merge_requests: MergeRequests | None
) -> list[Wanted]:
    """Return the fixes in the order in which they are put on: the commits, then those of merge requests."""
    wanted = [
        *_wanted(picker, request),
        *(
            one
            for number in request.merge_requests
            for one in _merged(picker, request, number, merge_requests)
        ),
    ]
    if not wanted:
        raise Refused(
            "A hotfix needs at least one fix.",
            where=request.project,
            hint="Name a commit (`--commit SHA`) or a merge request (`--mr 12`).",
        )
    return list(dict.fromkeys(wanted))


def _refuse_lost(
    source: Source, base: _Base, wanted: Sequence[Wanted], earlier: Earlier, version: str
) -> None:
    """Raise LosesFix when a maintenance line lacks an earlier fix that this hotfix does not bring."""
    brought = {one.commit for one in wanted}
    others = [fix for fix in earlier.fixes if brought.isdisjoint((fix.commit, fix.made))]
    head = Head(base.line, base.commit)
    refuse_lost(source, others, head, since=base.last.version, version=version)


def _pick(picker: Picker, base: _Base, wanted: Sequence[Wanted], project: str) -> Picked:
    onto = Line(base.line or base.last.tag, base.commit)
    picked = picker.pick(onto, wanted, keep=True)
    if not any(pick.made for pick in picked.picks):
        named = ", ".join(f"{pick.commit[:12]} ({pick.subject})" for pick in picked.picks)
        raise Refused(
            f"{onto.name} has it already: {named}.",
            where=project,
            hint="Nothing is left to fix there; name the commits that are missing.",
        )
    return picked


def _wanted(picker: Picker, request: HotfixRequest) -> list[Wanted]:
    """Return the commits that were named, each merge with the parent that was named for it."""
    parents = {picker.find_commit(name): number for name, number in request.parents.items()}
    commits = [picker.find_commit(name) for name in request.commits]
    if strangers := [commit[:12] for commit in parents if commit not in commits]:
        raise Refused(
            f"A parent was named for {', '.join(strangers)}, which is none of the fixes.",
            where=request.project,
            hint="Leave it out, or name the commit as well.",
        )
    return [Wanted(commit, parents.get(commit, 0)) for commit in commits]


def _merged(
    picker: Picker, request: HotfixRequest, number: int, merge_requests: MergeRequests | None
) -> list[Wanted]:
    """Return what a merge request brings: the commit that merged it, or its own ones as long as it is open."""
    if merge_requests is None:
        raise ConfigError(
            f"{request.project} names no GitLab project, so merge request !{number} cannot be looked up.",
            where="gare.yaml: gitlab",
            hint="Write `gitlab: {connection: NAME, project: group/name}`, or name the commits.",
        )
    found = merge_requests.get(number)
    if found.state == "closed":
        raise Refused(
            f"Merge request !{number} ({found.title}) was closed without being merged.",
            where=found.url,
            hint="Name another one, or the commits.",
        )
    if not found.merged_commit:
        return [Wanted(picker.find_commit(name)) for name in merge_requests.commits(number)]
    commit = picker.find_commit(found.merged_commit)
    # The first parent of what GitLab merges is the branch that it was merged into.
    return [Wanted(commit, int(picker.is_merge(commit)))]


def _changes(
    project: ProjectConfig, source: Source, base: _Base, picked: Picked, ticket: str
) -> list[Change]:
    """Return all that is released: the fixes, and what a maintenance line has besides."""
    since, paths = base.last.commit, project.source.paths
    changes = read_changes(source.commits(since, picked.commit, paths), project.tickets.pattern)
    made = {pick.made for pick in picked.picks if pick.made}
    if not any(change.sha in made for change in changes):
        raise Refused(
            "None of the fixes changes what belongs to this project.",
            where=f"{project.name}: source: paths",
            hint="Name commits that change one of its paths.",
        )
    return [_of_ticket(change, ticket) if change.sha in made else change for change in changes]


def _of_ticket(change: Change, ticket: str) -> Change:
    """Return a fix as one of the ticket that was named for it, whatever its commit says."""
    tickets = dict.fromkeys((*change.tickets, ticket)) if ticket else change.tickets
    return change._replace(tickets=tuple(tickets))


def _told(base: _Base, picked: Picked, changes: Sequence[Change], live: str) -> list[str]:
    """Return what a person should know of the picks."""
    told = [
        f"{pick.commit[:12]} ({pick.subject}) is left out: {base.line or base.last.tag} has it already"
        for pick in picked.picks
        if not pick.made
    ]
    if live and not base.line and live != base.last.version:
        told.append(
            f"{live} is what was last verified good, not {base.last.version}: to fix that one, name its tag as `--line`"
        )
    more = len(changes) - sum(bool(pick.made) for pick in picked.picks)
    if base.line and more > 0:
        told.append(f"{more} commit(s) of {base.line} since {base.last.tag} are released with it")
    return told


def _lines(source: Source, picker: Picker, project: ProjectConfig) -> Mapping[str, str]:
    """Return the lines that need the fix: the project's branch, and its maintenance lines."""
    head = source.head()
    return {head.branch: head.commit} | picker.lines([head.branch, *project.hotfix.lines])


def _by_hand(lacking: Sequence[str], proposed: Sequence[str]) -> list[str]:
    """Say which lines a person must bring the fix into."""
    left = [line for line in lacking if line not in proposed]
    return [f"to be brought by hand into {', '.join(left)} (`gare fixes`)"] if left else []


def _without(source: Source, picked: Picked, lines: Mapping[str, str]) -> list[str]:
    """Return the lines that lack one of the fixes."""
    pairs = [(pick.commit, pick.made) for pick in picked.picks if pick.made]
    return [
        line
        for line, head in lines.items()
        if not all(source.has_fix(head, commit, made) for commit, made in pairs)
    ]
