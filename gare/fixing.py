"""Looks where the lines of a project stand towards the fixes of its hotfixes, and writes it down.

A line is a branch, or an open release that was planned without the fix. Reads repositories, changes only the ledger.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gare.domain.fixes import Fix, FixState, fixes_of
from gare.domain.plan import Kind, Plan
from gare.domain.releases import Release, ReleaseState
from gare.errors import Refused
from gare.planning.hotfix import branch_of
from gare.ports.merge_requests import MergeRequests
from gare.ports.picker import Line, Wanted
from gare.wiring import Gare, Repository

_RELEASE = re.compile(r"R-[1-9][0-9]*")


def track(gare: Gare, release: Release, plan: Plan, *, actor: str = "gare") -> list[Fix]:
    """Look where every line that needs the fixes of a hotfix stands; return it."""
    return _look(gare, plan.project, fixes_of(release.id, plan), actor)


def look_again(gare: Gare, project: str, *, actor: str = "gare") -> list[Fix]:
    """Look where every line of a project stands now, those that came since too; return all its fixes."""
    _look(gare, project, gare.ledger.fixes.of(project), actor)
    return gare.ledger.fixes.of(project)


def _look(gare: Gare, project: str, known: Sequence[Fix], actor: str) -> list[Fix]:
    if not known:
        return []
    config = gare.project(project).config
    source = gare.source_of(config, gare.project(project).base)
    head = source.head()
    heads = {head.branch: head.commit} | source.picks.lines([head.branch, *config.hotfix.lines])
    under_way = _under_way(gare, project)
    hosted = gare.hosting.merge_requests(config)
    found = []
    for fix in _in_every_line(known, [*heads, *under_way]):
        if fix.state is FixState.WAIVED:
            found.append(fix)
        elif fix.line in under_way:
            judged = _judged(source, None, fix, under_way[fix.line])
            # A release that was planned with the fix is no line that needs it.
            if judged.state is not FixState.MERGED or fix in known:
                found.append(judged)
        elif fix.line in heads:
            found.append(_judged(source, hosted, fix, heads[fix.line]))
        else:
            found.append(_gone(gare, fix))
    gare.ledger.fixes.note(found, actor=actor)
    return found


def _under_way(gare: Gare, project: str) -> dict[str, str]:
    """Return the commits of the project's open releases, and of those that board a train but have not left."""
    found: dict[str, str] = {}
    for release in gare.ledger.releases.find(is_open=True, limit=1000):
        if release.kind is Kind.RELEASE and release.project == project:
            found[release.id] = gare.plan(release.plan).commit
        elif release.kind is Kind.TRAIN:
            left = {member.project for member in gare.ledger.releases.members(release.id)}
            for one in gare.plan(release.plan).details["members"]:
                if one["project"] == project and project not in left:
                    found[release.id] = str(one["commit"])
    return found


def _in_every_line(known: Sequence[Fix], lines: Iterable[str]) -> Iterable[Fix]:
    """Return each fix in each line: those written down, and those that came since."""
    rows = {fix.key: fix for fix in known}
    every = {(fix.release, fix.commit): fix for fix in known}
    for line in lines:
        for fix in every.values():
            new = replace(fix, line=line, state=FixState.MISSING, detail="")
            rows.setdefault(new.key, new)
    return rows.values()


def _gone(gare: Gare, fix: Fix) -> Fix:
    """Say what became of a line that is none any more: a branch, or a release that was one as long as it was open."""
    if not _RELEASE.fullmatch(fix.line):
        return replace(fix, detail="the branch is gone")
    release = gare.ledger.releases.get(fix.line)
    if not release.is_closed:
        return replace(fix, state=FixState.ENDED, detail="it has left")
    state = FixState.MERGED if fix.state is FixState.MERGED else FixState.ENDED
    is_out = release.state is ReleaseState.RELEASED
    detail = f"{release.version} is released" if is_out else f"the release is {release.state}"
    return replace(fix, state=state, detail=detail)


def _proposed(hosted: MergeRequests | None, fix: Fix) -> Fix | None:
    """Return how the merge request of the hotfix into a line stands; None when there is none."""
    found = hosted.find(branch_of(fix.version), fix.line) if hosted else None
    if found is None:
        return None
    state = FixState.MERGED if found.state == "merged" else FixState.PROPOSED
    return replace(fix, state=state, detail=found.url)


def _judged(source: Repository, hosted: MergeRequests | None, fix: Fix, head: str) -> Fix:
    """Look for a fix in a line; where it is not, for a merge request; then try whether it fits."""
    if source.has_fix(head, fix.commit, fix.made):
        return replace(fix, state=FixState.MERGED, detail="")
    if (proposed := _proposed(hosted, fix)) is not None:
        return proposed
    try:
        source.picks.pick(Line(fix.line, head), [Wanted(fix.made)], keep=False)
    except Refused as refusal:
        return replace(fix, state=FixState.CONFLICT, detail=refusal.what)
    return replace(fix, state=FixState.MISSING, detail="")
