"""Which commits a merge brought into a line: what a merge request says is said of them all. Pure."""

from collections.abc import Collection, Mapping, Sequence

from gare.domain.commits import Change, Commit

Keys = Mapping[str, Sequence[str]]


def tell(changes: Sequence[Change], brought: Keys) -> list[Change]:
    """Return the changes with the tickets of the merge requests that brought them, after their own."""
    return [
        change._replace(
            tickets=tuple(dict.fromkeys((*change.tickets, *brought.get(change.sha, ()))))
        )
        for change in changes
    ]


def brought_in(
    commits: Sequence[Commit], told: Keys, forwarded: Collection[str] = ()
) -> dict[str, Sequence[str]]:
    """Return the tickets of each commit that a merge of `told` (by its commit) brought in, the merge included.

    `commits` are newest first; the first is the head of the line. A commit belongs to the oldest merge that has it.
    `forwarded` are heads to which the line was fast-forwarded: they brought the commits down to the merge before.
    """
    known = {commit.sha: commit for commit in commits}
    line = _line(commits, known)
    taken, found = set(line), dict[str, Sequence[str]]()
    for place in reversed(range(len(line))):
        merge = line[place]
        inside = _inside(known, merge, taken)
        if merge in forwarded:
            inside += _straight(known, line[place + 1 :], told)
        if tickets := told.get(merge):
            found |= dict.fromkeys((merge, *inside), tickets)
    return found


def _straight(known: Mapping[str, Commit], line: Sequence[str], told: Keys) -> list[str]:
    """Return the commits of a line down to what another merge has brought."""
    inside = list[str]()
    for sha in line:
        if sha in told or len(known[sha].parents) > 1:
            break
        inside.append(sha)
    return inside


def _line(commits: Sequence[Commit], known: Mapping[str, Commit]) -> list[str]:
    """Return the first parents from the head down, as far as they are known."""
    line, here = [], commits[0].sha if commits else ""
    while here in known:
        line.append(here)
        here = next(iter(known[here].parents), "")
    return line


def _inside(known: Mapping[str, Commit], merge: str, taken: set[str]) -> list[str]:
    """Take and return what is behind the other parents of a merge."""
    inside, left = [], list(known[merge].parents[1:])
    while left:
        here = left.pop()
        if here in known and here not in taken:
            taken.add(here)
            inside.append(here)
            left += known[here].parents
    return inside
