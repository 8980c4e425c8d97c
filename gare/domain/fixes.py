"""What a hotfix has fixed, and where each line that needs it stands. Pure."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gare.domain.plan import Plan
from gare.domain.versions import is_between

_RELEASE = re.compile(r"R-[1-9][0-9]*")


class FixState(StrEnum):
    """Where a line stands towards a fix."""

    MERGED = "merged"
    PROPOSED = "merge request"
    MISSING = "missing"
    CONFLICT = "conflict"
    WAIVED = "waived"
    ENDED = "ended"

    @property
    def is_settled(self) -> bool:
        """Whether nobody has to do anything about it."""
        return self in (FixState.MERGED, FixState.WAIVED, FixState.ENDED)


@dataclass(frozen=True, slots=True)
class Fix:
    """One fix of a hotfix in one line: a branch, or a release that was planned without it (`R-5`).

    `commit` is what was picked, `made` what the hotfix has of it. `detail` is an address, a conflict, a reason. `seen`
    is the commit of the line at which it stood so: the one that has the fix; of a line without it, its newest one.
    """

    release: str
    project: str
    version: str
    commit: str
    made: str
    subject: str
    line: str
    state: FixState
    detail: str = ""
    changed_by: str = ""
    changed_at: datetime | None = None
    seen: str = ""

    @property
    def name(self) -> str:
        """Name the fix for people."""
        return f"{self.commit[:12]} ({self.subject})"

    @property
    def key(self) -> tuple[str, str, str]:
        """Tell which row it is."""
        return (self.release, self.commit, self.line)


@dataclass(frozen=True, slots=True)
class FixBranch:
    """A branch that a hotfix has made. It is spent when its hotfix has ended and was deployed nowhere."""

    name: str
    commit: str
    release: str
    is_spent: bool


def fixes_of(release_id: str, plan: Plan) -> list[Fix]:
    """Return what a hotfix fixes, in every line that its plan names; missing as long as nobody has looked."""
    return [
        Fix(
            release_id,
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


def at_stake(
    fixes: Iterable[Fix], *, lines: Collection[str], since: str, version: str
) -> list[Fix]:
    """Return the fixes that a release could lose: of hotfixes between its last version and its own.

    `lines` are all that it is known as: its branch, itself, its train. A hotfix of a version behind `since` was looked
    for when `since` was planned; `since` may be a hotfix itself, which was merged and reverted. Whoever waived a fix
    for one of the lines has answered for it.
    """
    every = list(fixes)
    waived = {
        (fix.release, fix.commit)
        for fix in every
        if fix.line in lines and fix.state is FixState.WAIVED
    }
    found = {
        (fix.release, fix.commit): fix
        for fix in every
        if (fix.release, fix.commit) not in waived
        and (fix.version == since or is_between(fix.version, since, version))
    }
    return list(found.values())


def branch_of(version: str) -> str:
    """Return the branch of a hotfix."""
    return f"hotfix/{version}"


def is_release(line: str) -> bool:
    """Tell whether a line is a release that was planned without a fix, rather than a branch."""
    return _RELEASE.fullmatch(line) is not None
