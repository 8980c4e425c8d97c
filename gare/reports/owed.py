"""What hotfixes owe after their end, and who: lines without a fix, checks in the place of what was skipped. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

from gare.domain.fixes import Fix, FixState, is_release
from gare.domain.releases import Release
from gare.ledger.later import LaterCheck


@dataclass(frozen=True, slots=True)
class Owed:
    """One thing that a hotfix owes. `owner` asked for it, `do` is what settles it."""

    kind: Literal["fix", "later"]
    release: str
    what: str
    owner: str
    do: str
    since: datetime | None

    def __str__(self) -> str:
        """Tell it in a line."""
        return f"{self.kind}: {self.what} ({self.owner}: {self.do})"

    def as_json(self) -> dict[str, Any]:
        """Spell it as plain JSON."""
        return {
            "kind": self.kind,
            "what": self.what,
            "owner": self.owner,
            "do": self.do,
            "since": self.since.isoformat() if self.since else None,
        }


def owed(
    checks: Iterable[LaterCheck], fixes: Iterable[Fix], releases: Mapping[str, Release]
) -> list[Owed]:
    """Return what is owed, by release: the checks that are open, then the lines, as they were when last looked at.

    `releases` are those of the fixes and checks, and those that are lines without a fix themselves. One that is under
    way brings its fixes back at its end; a line that was a release and has ended is none any more.
    """
    found = [_check(check, releases[check.release]) for check in checks if not check.done_by]
    lacking = [
        fix
        for fix in fixes
        if not fix.state.is_settled
        and releases[fix.release].is_closed
        and not (is_release(fix.line) and releases[fix.line].is_closed)
    ]
    lacking.sort(key=_line)
    found += [_lack(list(some), releases) for _, some in groupby(lacking, key=_line)]
    return sorted(found, key=lambda one: int(one.release.removeprefix("R-")))


def _line(fix: Fix) -> tuple[str, str]:
    return fix.release, fix.line


def _owner(release: Release) -> str:
    return release.requested_by or "whoever started it"


def _check(check: LaterCheck, release: Release) -> Owed:
    what = f"{check.release} skipped {check.step}: {check.what}"
    do = f"gare done {check.release} {check.step}"
    return Owed("later", check.release, what, _owner(release), do, check.since)


def _lack(fixes: list[Fix], releases: Mapping[str, Release]) -> Owed:
    """Tell one line of a hotfix with all that it lacks."""
    first = fixes[0]
    names = ", ".join(fix.name for fix in fixes)
    details = list(dict.fromkeys(fix.detail for fix in fixes if fix.detail))
    why = f"; {'; '.join(details)}" if details else ""
    what = f"{first.line} lacks {names} of {first.project} {first.version}{why}"
    since = max((fix.changed_at for fix in fixes if fix.changed_at), default=None)
    owner = _owner(releases[first.release])
    return Owed("fix", first.release, what, owner, _settle(first), since)


def _settle(fix: Fix) -> str:
    answer = f"gare fixes waive {fix.release} {fix.line} --reason …"
    if fix.state is FixState.PROPOSED:
        fit = "make its branch fit, then " if "does not fit" in fix.detail else ""
        return f"{fit}merge it, or {answer}"
    if fix.state is FixState.CONFLICT:
        return f"make it fit there, then gare fixes merged {fix.release} {fix.line} --commit …; or {answer}"
    return f"bring it there, or {answer}"
