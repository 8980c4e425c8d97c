"""Looks where the lines of a project stand towards the fixes of its hotfixes, and writes it down.

A line is a branch, or an open release that was planned without the fix. Reads repositories, changes only the ledger.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gare.domain.fixes import Fix, FixState
from gare.domain.plan import Kind, Plan
from gare.domain.releases import Release, ReleaseState
from gare.errors import Refused
from gare.ports.picker import Line, Wanted
from gare.wiring import Gare, Repository


def track(gare: Gare, release: Release, plan: Plan, *, actor: str = "gare") -> list[Fix]:
    """Begin to track what a hotfix has fixed, in every line that needs it; return where they stand."""
    fixes = [
        Fix(
            release.id,
            plan.project,
            plan.version,
            pick["commit"],
            pick["made"],
            pick["subject"],
            line,
            FixState.MISSING,
        )
        for pick in plan.details["picks"]
        for line in plan.details["lines"]
    ]
    return _look(gare, plan.project, fixes, actor)


def look_again(gare: Gare, project: str, *, actor: str = "gare") -> list[Fix]:
    """Look where every line of a project stands now, those that came since too; return all its fixes."""
    _look(gare, project, gare.ledger.fixes.of(project), actor)
    return gare.ledger.fixes.of(project)


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of a project as they are now: branches by name, releases by id, each with its newest commit."""

    heads: Mapping[str, str]
    releases: Mapping[str, Release]


def _look(gare: Gare, project: str, known: Sequence[Fix], actor: str) -> list[Fix]:
    if not known:
        return []
    config = gare.project(project)
    source = gare.source_of(config.config, config.base)
    lines = _lines(gare, project, source, config.config.hotfix.lines)
    found = [_judged(source, fix, lines) for fix in _in_every_line(known, lines)]
    gare.ledger.fixes.note(found, actor=actor)
    return found


def _lines(gare: Gare, project: str, source: Repository, patterns: Sequence[str]) -> _Lines:
    head = source.head()
    heads = {head.branch: head.commit, **source.picks.lines(patterns)}
    releases = {
        release.id: release
        for release in gare.ledger.releases.find(project=project, limit=200)
        if release.kind is Kind.RELEASE
    }
    for release in releases.values():
        if not release.is_closed:
            heads[release.id] = gare.plan(release.plan).commit
    return _Lines(heads, releases)


def _in_every_line(known: Sequence[Fix], lines: _Lines) -> Iterable[Fix]:
    """Yield each fix in each line: those written down, and those that came since."""
    rows = {fix.key: fix for fix in known}
    every = {(fix.release, fix.commit): fix for fix in known}
    for fix in every.values():
        for line in lines.heads:
            key = (fix.release, fix.commit, line)
            rows.setdefault(key, replace(fix, line=line, state=FixState.MISSING, detail=""))
    return rows.values()


def _judged(source: Repository, fix: Fix, lines: _Lines) -> Fix:
    if fix.state is FixState.WAIVED:
        return fix
    if (release := lines.releases.get(fix.line)) is not None and release.is_closed:
        state = FixState.MERGED if fix.state is FixState.MERGED else FixState.ENDED
        return replace(fix, state=state, detail=_end(release))
    if not (head := lines.heads.get(fix.line)):
        return replace(fix, detail="the branch is gone")
    if len(source.lacks(head, [fix.commit, fix.made])) < 2:
        return replace(fix, state=FixState.MERGED, detail="")
    return _tried(source, fix, head)


def _tried(source: Repository, fix: Fix, head: str) -> Fix:
    """Try the fix on a line that does not have its patch."""
    try:
        picked = source.picks.pick(Line(fix.line, head), [Wanted(fix.made)], keep=False)
    except Refused as refusal:
        return replace(fix, state=FixState.CONFLICT, detail=refusal.what)
    if not picked.picks[0].made:
        return replace(fix, state=FixState.MERGED, detail="by another change")
    return replace(fix, state=FixState.MISSING, detail="")


def _end(release: Release) -> str:
    if release.state is ReleaseState.RELEASED:
        return f"{release.version} is released"
    return f"the release is {release.state}"
