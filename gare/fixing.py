"""Looks where the lines of a project stand towards the fixes of its hotfixes, and writes it down, and what people say.

A line is a branch, or an open release that was planned without the fix. Reads repositories, changes only the ledger.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from glob import escape
from typing import NamedTuple

from gare.config.problems import listed, nearest
from gare.domain.fixes import Fix, FixState, fixes_of, is_release
from gare.domain.plan import Kind, Plan
from gare.domain.releases import Release, ReleaseState
from gare.errors import ConfigError, NotFound, Refused
from gare.planning.fixed_lines import FixedLines
from gare.wiring import Gare, Repository


class _Heads(NamedTuple):
    """The newest commits of the lines of a project. `wanted` need every fix, `others` were named once."""

    wanted: Mapping[str, str]
    others: Mapping[str, str]
    under_way: Mapping[str, str]

    def of(self, line: str) -> str:
        """Return a line's newest commit; empty when it is no line any more."""
        return next((place[line] for place in self if line in place), "")


def track(gare: Gare, release: Release, plan: Plan, *, actor: str = "gare") -> list[Fix]:
    """Look where every line that needs the fixes of a hotfix stands; return it."""
    return _look(gare, plan.project, fixes_of(release.id, plan), actor)


def look_again(gare: Gare, project: str, *, actor: str = "gare") -> list[Fix]:
    """Look where every line of a project stands now, those that came since too; return all its fixes."""
    _look(gare, project, gare.ledger.fixes.of(project), actor)
    return gare.ledger.fixes.of(project)


def waive(gare: Gare, hotfix: Release, line: str, *, person: str, reason: str) -> Sequence[Fix]:
    """Let a line go without the fixes of a hotfix, on a person's word."""
    if not reason.strip():
        raise ConfigError(
            "--reason is empty.",
            where=f"waiver of {hotfix.id} for {line}",
            hint="Write why the line goes without; it is kept in the record.",
        )
    _head_of(gare, hotfix, line)
    return gare.ledger.fixes.waive(hotfix.id, line, person=person, reason=reason.strip())


def unwaive(gare: Gare, hotfix: Release, line: str, *, person: str) -> Sequence[Fix]:
    """Take a waiver back, and look where the line stands."""
    gare.ledger.fixes.unwaive(hotfix.id, line, person=person)
    return _of_line(look_again(gare, hotfix.project), hotfix, line)


def tell_merged(
    gare: Gare, hotfix: Release, line: str, *, person: str, commit: str, comment: str
) -> Sequence[Fix]:
    """Note on a person's word that a commit is the fix of a hotfix in a line. The commit must stand there."""
    head, source = _head_of(gare, hotfix, line), _source(gare, hotfix.project)
    found = source.picks.find_commit(commit)
    if not source.traces.has(head, found):
        raise Refused(
            f"Commit {found[:12]} is not in {line}, which is at {head[:12]}.",
            where=hotfix.project,
            hint="Merge and push it first. Nothing was changed.",
        )
    if undone := source.traces.undone_by(head, found, ()):
        raise Refused(
            f"Commit {found[:12]} was reverted in {line} by {undone[:12]}.",
            where=hotfix.project,
            hint="Name the commit that brought it back. Nothing was changed.",
        )
    gare.ledger.fixes.tell_merged(
        hotfix.id, line, person=person, commit=found, comment=comment.strip() or "as another commit"
    )
    return _of_line(look_again(gare, hotfix.project), hotfix, line)


def let_go_of_ended(gare: Gare, project: str) -> None:
    """Let Git remove the commits of a project's hotfixes that have ended without being deployed."""
    picks = _source(gare, project).picks
    if not (held := picks.held()):
        return
    under_way = gare.ledger.releases.find(is_open=True, project=project, limit=1000)
    needed = {gare.plan(one.plan).commit for one in under_way if one.kind is Kind.HOTFIX}
    needed |= {one.commit for one in gare.ledger.fixes.branches(project) if not one.is_spent}
    for commit in held:
        if commit not in needed:
            picks.let_go(commit)


def _of_line(fixes: Iterable[Fix], hotfix: Release, line: str) -> list[Fix]:
    return [fix for fix in fixes if (fix.release, fix.line) == (hotfix.id, line)]


def check_hotfix(release: Release) -> None:
    """Raise Refused for a release that is no hotfix."""
    if release.kind is not Kind.HOTFIX:
        raise Refused(
            f"{release.id} is a {release.kind} of {release.project}, no hotfix.",
            where=release.id,
            hint="`gare fixes` lists the hotfixes. Nothing was changed.",
        )


def _head_of(gare: Gare, hotfix: Release, line: str) -> str:
    """Return the newest commit of a line. Raises Refused, with the nearest name, for what is none."""
    source = _source(gare, hotfix.project)
    lines = source.picks.lines(["*"]) | _under_way(gare, hotfix.project)
    head = lines.get(line) or _local(source, line)
    if not head:
        raise Refused(
            f"There is no line `{line}`.",
            where=hotfix.project,
            hint=f"{nearest(line, lines)}Lines are its branches, and its open releases: {listed(lines)}.",
        )
    return head


def _local(source: Repository, branch: str) -> str:
    """Return the newest commit of a branch that is here and not pushed; empty when there is none."""
    try:
        head = source.head(branch)
    except NotFound:
        return ""
    return head.commit if head.branch == branch else ""


def _source(gare: Gare, project: str) -> Repository:
    found = gare.project(project)
    return gare.source_of(found.config, found.base)


def _look(gare: Gare, project: str, fixes: Sequence[Fix], actor: str) -> list[Fix]:
    if not fixes:
        return []
    source, config = _source(gare, project), gare.project(project).config
    heads = _heads(gare, source, project, {fix.line for fix in fixes})
    known = gare.ledger.fixes.of(project) or fixes
    lines = FixedLines(source, known, gare.hosting.merge_requests(config))
    found = []
    for fix in _in_every_line(fixes, [*heads.wanted, *heads.under_way]):
        head = heads.of(fix.line)
        if fix.state is FixState.WAIVED:
            found.append(fix)
        elif not head:
            found.append(_gone(gare, fix))
        else:
            judged = lines.look(fix, head)
            # A release that was planned with the fix is no line that needs it.
            if judged.state is not FixState.MERGED or fix in fixes or not is_release(fix.line):
                found.append(judged)
    gare.ledger.fixes.note(found, actor=actor)
    return found


def _heads(gare: Gare, source: Repository, project: str, named: Iterable[str]) -> _Heads:
    head, patterns = source.head(), gare.project(project).config.hotfix.lines
    wanted = {head.branch: head.commit} | source.picks.lines([head.branch, *patterns])
    left = [line for line in named if line not in wanted and not is_release(line)]
    others = source.picks.lines([escape(line) for line in left]) if left else {}
    others |= {line: _local(source, line) for line in left if line not in others}
    return _Heads(wanted, others, _under_way(gare, project))


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
            new = replace(fix, line=line, state=FixState.MISSING, detail="", seen="")
            rows.setdefault(new.key, new)
    return rows.values()


def _gone(gare: Gare, fix: Fix) -> Fix:
    """Say what became of a line that is none any more: a branch, or a release that was one as long as it was open."""
    if not is_release(fix.line):
        is_merged = fix.state is FixState.MERGED
        return fix if is_merged else replace(fix, state=FixState.ENDED, detail="the branch is gone")
    release = gare.ledger.releases.get(fix.line)
    if not release.is_closed:
        return replace(fix, state=FixState.ENDED, detail="it has left")
    state = FixState.MERGED if fix.state is FixState.MERGED else FixState.ENDED
    is_out = release.state is ReleaseState.RELEASED
    detail = f"{release.version} is released" if is_out else f"the release is {release.state}"
    return replace(fix, state=state, detail=detail)
