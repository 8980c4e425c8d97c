"""Whether a line has a fix: the one place where that is decided, for `gare fixes`, for plans, for the release gate."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache

from gare.domain.fixes import Fix, FixState, at_stake, branch_of, is_release
from gare.errors import LosesFix, NotFound, Refused
from gare.ports.merge_requests import MergeRequest, MergeRequests
from gare.ports.picker import Line, Wanted
from gare.ports.source import Head, Source

_TRIED = (FixState.MISSING, FixState.CONFLICT)


class FixedLines:
    """Tells where lines stand towards fixes.

    A line has a fix when it has a commit at which the fix was seen before, the fix itself, an equal patch, or what
    GitLab merged of the hotfix's branch, and nothing later reverts that; or when the fix would change nothing in it.
    """

    def __init__(
        self, source: Source, known: Iterable[Fix] = (), hosted: MergeRequests | None = None
    ) -> None:
        """`known` is all that is known of the fixes, in any line; `hosted` is None when there is no GitLab."""
        self._source, self._hosted = source, hosted
        self._places: dict[tuple[str, str], dict[str, None]] = {}
        for fix in known:
            if fix.state is FixState.MERGED and fix.seen:
                self._places.setdefault((fix.release, fix.commit), {})[fix.seen] = None
        self._request = cache(self._find_request)

    def look(self, fix: Fix, head: str) -> Fix:
        """Return where the fix's line stands whose newest commit is `head`. Waiving is not its business."""
        if fix.seen == head and fix.state in _TRIED:
            return self._proposed(fix, head) or fix
        seen, undone = self._find(fix, head)
        is_known = (fix.state, fix.seen) == (FixState.MERGED, seen)
        if seen and is_known and fix.detail:
            return fix
        if seen:
            # A row of an older Gare does not say how: it is told now.
            return replace(fix, state=FixState.MERGED, detail=self._how(fix, head, seen), seen=seen)
        if told := self._merged(fix, head, undone):
            return told
        tried = self._try(fix, head, f"reverted by {undone[:12]}" if undone else "")
        if tried.state is FixState.MERGED:
            return tried
        return self._proposed(tried, head) or tried

    def _find(self, fix: Fix, head: str) -> tuple[str, str]:
        """Return the commit of the line that has the fix, or empty and the commit that took it out again."""
        undone = ""
        for commit in self._carriers(fix, head):
            if not (undone := self._undone_by(fix, head, commit)):
                return commit, ""
        return "", undone

    def _carriers(self, fix: Fix, head: str) -> Iterator[str]:
        """Yield the commits of a line that have the fix."""
        traces = self._source.traces
        known = dict.fromkeys(
            (*self._places.get((fix.release, fix.commit), ()), fix.commit, fix.made)
        )
        yield from (commit for commit in known if traces.has(head, commit))
        for commit in (fix.commit, fix.made):
            yield from traces.same(head, commit)

    def _how(self, fix: Fix, head: str, seen: str) -> str:
        """Say as which commit a line has a fix; nothing where it has the fix itself."""
        if seen in (fix.commit, fix.made):
            return ""
        traces = self._source.traces
        equal = any(seen in traces.same(head, commit) for commit in (fix.commit, fix.made))
        how = f"as {seen[:12]}, an equal patch" if equal else f"seen at {seen[:12]}"
        request = self._request(fix.version, fix.line)
        if request is not None and request.state == "opened":
            # GitLab closes it by itself only where the branch's own commits were merged.
            return f"{how}; nobody needs {request.url} any more: close it"
        return how

    def _undone_by(self, fix: Fix, head: str, commit: str) -> str:
        return self._source.traces.undone_by(head, commit, (fix.commit, fix.made))

    def _try(self, fix: Fix, head: str, detail: str) -> Fix:
        """Put the fix on the line aside: it may have the same another way, or be in its way."""
        picks, fix = self._source.picks, replace(fix, detail="", seen=head)
        try:
            made = picks.find_commit(fix.made)
            picked = picks.pick(Line(fix.line, head), [Wanted(made)], keep=False)
        except (Refused, NotFound) as error:
            return replace(fix, state=FixState.CONFLICT, detail=error.what)
        if not picked.picks[0].made:
            return replace(fix, state=FixState.MERGED, detail="it would change nothing there")
        return replace(fix, state=FixState.MISSING, detail=detail)

    def _find_request(self, version: str, line: str) -> MergeRequest | None:
        if self._hosted is None or is_release(line):
            return None
        return self._hosted.find(branch_of(version), line)

    def _proposed(self, fix: Fix, head: str) -> Fix | None:
        """Return the fix as proposed by an open merge request, with what stands in its way besides."""
        request = self._request(fix.version, fix.line)
        if request is None or request.state != "opened":
            return None
        return replace(
            fix, state=FixState.PROPOSED, detail=_joined(request.url, fix.detail), seen=head
        )

    def _merged(self, fix: Fix, head: str, undone: str) -> Fix | None:
        """Return the fix as merged when GitLab says so of its merge request, and the line has that at `head`.

        Where GitLab names no commit, its word is good for the line as it is published, until that is reverted.
        """
        request = self._request(fix.version, fix.line)
        if request is None or request.state != "merged":
            return None
        traces, named = self._source.traces, (request.merged_commit, request.commit)
        seen = next((one for one in named if traces.has(head, one)), "")
        if not (seen or request.merged_commit or undone):
            seen = head if self._source.picks.look_branch(fix.line, push=True) == head else ""
        if not seen or self._undone_by(fix, head, seen):
            return None
        return replace(fix, state=FixState.MERGED, detail=request.url, seen=seen)


def refuse_lost(
    lines: FixedLines,
    fixes: Sequence[Fix],
    head: Head,
    *,
    since: str,
    version: str,
    known_as: Collection[str] = (),
) -> None:
    """Raise LosesFix when a version that follows `since` would not have the fix of a hotfix in between.

    `known_as` are other lines that the release is, such as its own id.
    """
    known = {fix.key: fix for fix in fixes}
    stake = at_stake(fixes, lines={head.branch, *known_as}, since=since, version=version)
    found = [lines.look(_in_line(fix, head.branch, known), head.commit) for fix in stake]
    lost = [fix for fix in found if fix.state is not FixState.MERGED]
    if not lost:
        return
    first = lost[0].release
    names = ", ".join(_named(fix) for fix in lost)
    raise LosesFix(
        f"{version} would lose {names}: it is not in {head.branch} at {head.commit[:12]}.",
        where=f"hotfix {first}",
        hint=f"Merge it into {head.branch}; is it there as another commit, say so with `gare fixes merged {first} "
        f"{head.branch} --commit …`; or answer for it with `gare fixes waive {first} {head.branch} --reason …`.",
    )


def _in_line(fix: Fix, line: str, known: dict[tuple[str, str, str], Fix]) -> Fix:
    new = replace(fix, line=line, state=FixState.MISSING, detail="", seen="")
    return known.get(new.key, new)


def _joined(*details: str) -> str:
    return "; ".join(filter(None, details))


def _named(fix: Fix) -> str:
    told = [one for one in fix.detail.split("; ") if one.startswith("reverted by")]
    reverted = f", {told[0]}" if told else ""
    return f"{fix.name} of {fix.version}{reverted}"
