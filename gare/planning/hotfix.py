"""Makes the plan of a hotfix: chosen commits on the last released version, a patch version, a short list of skips.

Writes nothing but the commit that is going to be released, which nobody sees until the hotfix publishes it.

`Plan.details` of a hotfix: `base` (version, tag, commit, line, from), `picks` (commit, made, patch, subject),
`left_out` (commit, subject), `skipped` (step, later), `ticket`, `merge_requests`, `lines`, `older_than` (what the last
environment runs, when it is newer and a person has allowed that).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gare.config.models import ProjectConfig, StationConfig, StepType
from gare.domain.commits import Change, planned, read_changes
from gare.domain.counts import counted
from gare.domain.fixes import branch_of
from gare.domain.plan import Json, Kind, Plan
from gare.domain.versions import (
    Released,
    is_prerelease,
    next_patch,
    pick_previous,
    released,
)
from gare.errors import LosesFix, Refused
from gare.planning.dag import environments, plan_steps
from gare.planning.fixed_lines import FixedLines, refuse_lost
from gare.planning.hotfix_lines import check_branch, lacking, lines_of
from gare.planning.hotfix_picks import Chosen, choose, left_out, put_on
from gare.planning.hotfix_steps import shortened, with_branch
from gare.planning.older import OLDER_THAN, older_than, refuse_older, told_older
from gare.planning.planner import Earlier, TrackerAt, authors_of, check_tag, read_tickets
from gare.planning.preflight import Ahead, Foresee
from gare.planning.returning import returning
from gare.ports.merge_requests import MergeRequests
from gare.ports.picker import Line, Picked
from gare.ports.source import Head, Source
from gare.requests import HotfixRequest


class _Base(NamedTuple):
    """What the fixes are put on. `line` is what a person named: a branch, or the tag of an older version."""

    line: str
    is_branch: bool
    commit: str
    last: Released

    @property
    def onto(self) -> Line:
        return Line(self.line or self.last.tag, self.commit)


@dataclass(frozen=True, slots=True)
class _Draft:
    """What has been decided on the way to the plan. `lacking` are the lines without one of the fixes."""

    base: _Base
    version: str
    live: str
    chosen: Chosen
    picked: Picked
    changes: Sequence[Change]
    lines: Sequence[str]
    lacking: Sequence[str]
    proposed: Sequence[str]
    told: Sequence[str]

    @property
    def older_than(self) -> str:
        return older_than(self.version, self.live)

    @property
    def branch(self) -> str:
        return branch_of(self.version)


def make_hotfix(
    project: ProjectConfig,
    station: StationConfig,
    source: Source,
    tracker_at: TrackerAt,
    request: HotfixRequest,
    earlier: Earlier,
    merge_requests: MergeRequests | None = None,
    foresee: Foresee | None = None,
) -> Plan:
    """Return everything the hotfix will do. The same inputs give an equal plan, and the same commit.

    `merge_requests` are those of the project, None when it has no GitLab. Raises Refused when there is no released
    version, no fix that is not in it, or one that does not fit; ConfigError and ConnectorError with what to do.
    """
    # A hotfix is made aside: what lies about in the working copy is no part of it.
    warnings = source.check(allow_dirty=True)
    draft = _draft(project, station, source, request, earlier, merge_requests)
    version, changes = draft.version, draft.changes
    tag = f"{project.source.tag_prefix}{version}"
    short = shortened(project, station)
    read = read_tickets(tracker_at(draft.picked.commit), changes, version)
    steps, approvals = plan_steps(short, station, version=version, tag=tag, tickets=read.tickets)
    steps = with_branch(steps, project, draft.branch, draft.lines, draft.proposed)
    deployed = {step.environment for step in steps if step.type == StepType.DEPLOY}
    last = draft.base.last
    return Plan(
        project=project.name,
        title=project.title or project.name,
        version=version,
        previous_version=last.version,
        previous_tag=last.tag,
        previous_commit=last.commit,
        tag=tag,
        branch=draft.branch,
        commit=draft.picked.commit,
        bump="patch",
        source=project.source.model_dump(mode="json") | {"branch": draft.branch},
        commits=tuple(planned(change) for change in changes),
        tickets=read.tickets,
        notes=read.notes(version, changes),
        steps=steps,
        approvals=approvals,
        environments=tuple(name for name in environments(project, station) if name in deployed),
        env=project.env,
        warnings=(
            *warnings,
            *_told(project, draft),
            *returning(source, project, draft.picked.commit, earlier.rolled_back),
            *read.warnings,
            *(foresee(Ahead(draft.branch, steps, read.examples)) if foresee else ()),
        ),
        authors=authors_of(changes),
        kind=Kind.HOTFIX,
        details=_details(project, request, draft),
    )


def _draft(
    project: ProjectConfig,
    station: StationConfig,
    source: Source,
    request: HotfixRequest,
    earlier: Earlier,
    merge_requests: MergeRequests | None,
) -> _Draft:
    """Decide what is fixed, by which commits, under which version; and which lines need it."""
    base = _base(project, source, request.line)
    taken = released(source.tags(), project.source.tag_prefix)
    version = next_patch(base.last.version, {tag.version for tag in taken} | set(earlier.deployed))
    check_tag(source, project, f"{project.source.tag_prefix}{version}")
    if not request.allow_older:
        refuse_older(
            version,
            earlier.live,
            what=f"a hotfix of {base.onto.name}",
            environment="".join(environments(project, station)[-1:]),
            instead="Fix what runs there: leave `--line` out, or name its tag.",
        )
    chosen = choose(source.picks, request, merge_requests)
    _refuse_lost(source, base, chosen, earlier, version, merge_requests)
    picked = put_on(source.picks, base.onto, chosen.wanted, project.name)
    changes = _changes(project, source, base, picked, request.ticket)
    branch, commit = branch_of(version), picked.commit
    told = check_branch(source, project, branch, commit, earlier.branches)
    lines = lines_of(source, project, {base.line: base.commit} if base.is_branch else {})
    lack = lacking(source, project.name, version, picked.picks, lines)
    # The branch can be merged into what goes on from where it begins; into an older line it would bring too much.
    # What is pushed nowhere cannot be proposed.
    hosted = project.gitlab and project.publish.push
    proposed = [one for one in lack if hosted and source.is_ancestor(base.commit, lines[one])]
    live = earlier.live
    return _Draft(base, version, live, chosen, picked, changes, list(lines), lack, proposed, told)


def _base(project: ProjectConfig, source: Source, line: str) -> _Base:
    """Return the last released version, or the head of a maintenance line and the last version in it."""
    prefix = project.source.tag_prefix
    if line:
        head = source.head(line)
        last = pick_previous(source.tags(reachable_from=head.commit), prefix).final
        if last is not None:
            return _Base(line, head.branch == line, head.commit, last)
    else:
        finals = [tag for tag in released(source.tags(), prefix) if not is_prerelease(tag.version)]
        if finals:
            return _Base("", False, finals[0].commit, finals[0])
    where = f"line {line}" if line else project.name
    raise Refused(
        f"{where} has no released version, so there is nothing to put a fix on.",
        where=project.name,
        hint=f"Release it: `gare release {project.name}`. (Tags not here? `git fetch --tags`.)",
    )


def _refuse_lost(
    source: Source,
    base: _Base,
    chosen: Chosen,
    earlier: Earlier,
    version: str,
    merge_requests: MergeRequests | None,
) -> None:
    """Raise LosesFix when the line, or the version, lacks an earlier fix that this hotfix does not bring."""
    brought = {one.commit for one in chosen.wanted}
    others = [fix for fix in earlier.fixes if brought.isdisjoint((fix.commit, fix.made))]
    lines = FixedLines(source, earlier.fixes, merge_requests)
    head = Head(base.onto.name, base.commit)
    try:
        refuse_lost(lines, others, head, since=base.last.version, version=version)
    except LosesFix as lost:
        other = f" Or: {lost.hint}" if base.is_branch else ""
        hint = f"Name that commit as well: then this hotfix brings it along.{other}"
        raise LosesFix(lost.what, where=lost.where, hint=hint) from None


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


def _told(project: ProjectConfig, draft: _Draft) -> list[str]:
    """Return all that a person should know before saying yes."""
    base, told = draft.base, [*draft.chosen.told, *left_out(draft.picked, draft.base.onto)]
    told += told_older(draft.version, draft.live)
    if not draft.older_than and draft.live and not base.line and draft.live != base.last.version:
        told.append(
            f"{draft.live} is what was last verified good, not {base.last.version}: to fix that one, "
            "name its tag as `--line`"
        )
    more = len(draft.changes) - sum(bool(pick.made) for pick in draft.picked.picks)
    if base.line and more > 0:
        told.append(
            f"{counted(more, 'commit')} of {base.line} since {base.last.tag} "
            f"{'is' if more == 1 else 'are'} released with it"
        )
    told += draft.told
    if by_hand := [line for line in draft.lacking if line not in draft.proposed]:
        told.append(f"to be brought by hand into {', '.join(by_hand)} (`gare fixes`)")
    told += [f"skips {one.step}; to check later: {one.later}" for one in project.hotfix.skip]
    return told


def _details(project: ProjectConfig, request: HotfixRequest, draft: _Draft) -> Json:
    """Return what only the plan of a hotfix has."""
    base, picks = draft.base, draft.picked.picks
    return {
        "base": {**base.last._asdict(), "line": base.line, "from": base.commit},
        "picks": [
            {"commit": one.commit, "made": one.made, "patch": one.patch, "subject": one.subject}
            for one in picks
            if one.made
        ],
        "left_out": [
            {"commit": one.commit, "subject": one.subject} for one in picks if not one.made
        ],
        "skipped": [skip.model_dump() for skip in project.hotfix.skip],
        "ticket": request.ticket,
        "merge_requests": list(request.merge_requests),
        "lines": list(draft.lines),
        OLDER_THAN: draft.older_than,
    }
