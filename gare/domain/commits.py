"""What a commit says: conventional commits 1.0.0, reverts and ticket keys. Pure text, no Git here.

`Commit` and `Change` are NamedTuples, not dataclasses: the history reader makes tens of thousands of them in a
process of its own, where importing `dataclasses` alone would cost more than reading a release's range.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from gare.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from gare.domain.plan import PlannedCommit

TRAILER = "Gare-Release"
"""Trailer of the commits that Gare itself makes (the changelog's)."""

TICKET_PATTERN = r"\b[A-Z][A-Z0-9]+-\d+\b"

# Standards whose names look like ticket keys. A pattern that spells one out gets it all the same.
_NOT_TICKETS = frozenset(
    ("AES", "CVE", "CWE", "HTTP", "ISO", "MD", "RFC", "RSA", "SHA", "TLS", "UTF")
)

_SUBJECT = re.compile(r"([A-Za-z][A-Za-z-]*)(?:\(([^()]*)\))?(!)?: +(\S.*)")
_BREAKING = re.compile(r"^BREAKING[ -]CHANGE(?:: | #)", re.MULTILINE)
_END_OF_FOOTER = re.compile(r"\n(?:\s*\n|[A-Za-z][\w-]*(?:: | #)|BREAKING CHANGE(?:: | #))|\Z")
_GIT_REVERT = re.compile(r'Revert "(.+)"$')
_REVERTED = re.compile(
    r"\b(?:[Tt]his reverts commit|Refs?:|Reverts?:?) +((?:[0-9a-f]{7,64}[ ,]*)+)"
)
# The same language as TICKET_PATTERN, but it starts with a set of characters, for which `re` scans four times faster.
_TICKETS = re.compile(r"[A-Z](?<!\w.)[A-Z0-9]+-\d+\b")
_NUMBERS = re.compile(r"([0-9]+)")
_OWN = re.compile(rf"^{TRAILER}: \S", re.MULTILINE)


class Commit(NamedTuple):
    """A commit as Git keeps it. `date` is ISO 8601 UTC of the committer, `message` the whole text."""

    sha: str
    parents: tuple[str, ...]
    author_name: str
    author_email: str
    date: str
    message: str


class Change(NamedTuple):
    """What one commit means for a release.

    `kind` is the conventional type in lower case, `revert`, `merge` or `other`; `subject` is the description
    without its prefix. `breaking` says what breaks when the commit says it, `reverts` names the commits undone
    (possibly abbreviated).
    """

    sha: str
    subject: str
    kind: str
    scope: str
    is_breaking: bool
    tickets: tuple[str, ...]
    author_name: str
    author_email: str
    date: str
    is_merge: bool
    breaking: str
    reverts: tuple[str, ...]


def is_own(commit: Commit) -> bool:
    """Tell whether Gare made this commit (it carries the trailer), so that it is no part of a release."""
    return _OWN.search(commit.message) is not None


def parse(commit: Commit, pattern: re.Pattern[str]) -> Change:
    """Read a commit's message. What is not conventional is kind `other`, or `merge`."""
    sha, parents, author_name, author_email, date, message = commit
    first, _, body = message.lstrip().partition("\n")
    is_merge = len(parents) > 1
    kind, scope, is_breaking, subject = "merge" if is_merge else "other", "", False, first.rstrip()
    if found := _SUBJECT.match(subject):
        kind, scope, bang, subject = found.groups("")
        kind, scope, is_breaking = kind.lower(), scope.strip(), bang == "!"
    elif found := _GIT_REVERT.match(subject):
        kind, subject = "revert", found[1]
    breaking, reverts = "", ()
    # The substring test keeps a regular expression away from the many messages without such text.
    if "BREAKING" in body and (found := _BREAKING.search(body)):
        is_breaking, breaking = True, _footer(body, found.end())
    if kind == "revert":
        reverts = tuple(re.findall(r"[0-9a-f]{7,}", " ".join(_REVERTED.findall(body))))
    return Change(
        sha, subject or "(no message)", kind, scope, is_breaking, ticket_keys(message, pattern),
        author_name, author_email, date, is_merge, breaking, reverts,
    )  # fmt: skip


def ticket_keys(message: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
    """Return the keys named anywhere in a message, each once, in order of appearance.

    The whole match counts, also when the pattern has groups. Names of standards such as UTF-8 are no keys
    unless the pattern spells the name out.
    """
    # findall is the fastest, but returns groups where there are some.
    found = (
        [m[0] for m in pattern.finditer(message)] if pattern.groups else pattern.findall(message)
    )
    if not found:
        return ()
    for key in found:
        if key.partition("-")[0] in _NOT_TICKETS:
            found = [key for key in found if not _is_standard(key, pattern.pattern)]
            break
    return tuple(dict.fromkeys(found))


def by_number(key: str) -> tuple[str | int, ...]:
    """Return what sorts ticket keys as people count them: #2 before #10."""
    parts = _NUMBERS.split(key)
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts))


def read_changes(
    commits: Iterable[Commit], pattern: str = TICKET_PATTERN, own: Collection[str] = ()
) -> list[Change]:
    """Parse the commits of a release's range in their order, leaving Gare's own out.

    `own` are the ids of commits that the ledger says Gare made; the trailer alone hides nothing, anybody can write it.
    Raises ConfigError when the ticket pattern is no regular expression.
    """
    compiled = compile_pattern(pattern)
    return [
        parse(commit, compiled) for commit in commits if not (commit.sha in own and is_own(commit))
    ]


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile the pattern of ticket keys. Raises ConfigError when it is no regular expression."""
    if pattern == TICKET_PATTERN:
        return _TICKETS
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"The ticket pattern {pattern!r} is no regular expression: {error}.",
            where="tickets: pattern",
            hint=f"Write one such as {TICKET_PATTERN!r}.",
        ) from error


def standing(changes: Sequence[Change]) -> list[Change]:
    """Leave out commits undone in the same range, and the reverts that undid them.

    Takes and returns newest first; a revert that was itself reverted undoes nothing. A revert of something
    released earlier stays, because users will notice it.
    """
    if not any(change.reverts for change in changes):
        return list(changes)
    by_prefix = {change.sha[:7]: change.sha for change in changes}
    undone: set[str] = set()
    left = []
    for change in changes:
        if change.sha in undone:
            continue
        inside = [
            sha for name in change.reverts if (sha := by_prefix.get(name[:7], "")).startswith(name)
        ]
        undone.update(inside)
        if not inside or len(inside) < len(change.reverts):
            left.append(change)
    return left


def planned(change: Change) -> PlannedCommit:
    """Return the change as the plan keeps it."""
    from gare.domain.plan import PlannedCommit  # dataclasses: see the module's docstring

    return PlannedCommit(*change[:10])


def _is_standard(key: str, pattern: str) -> bool:
    name = key.partition("-")[0]
    return name in _NOT_TICKETS and name not in pattern


def _footer(body: str, start: int) -> str:
    """Return a footer's value on one line: up to an empty line, the next footer or the end."""
    end = _END_OF_FOOTER.search(body, start)
    return " ".join(body[start : end.start() if end else len(body)].split())
