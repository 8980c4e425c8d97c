"""Finds commits again in lines of history: themselves, as an equal patch, and whether a line has taken them back."""

import re
from collections.abc import Collection, Iterator

from gare.connectors.git_command import Commands
from gare.connectors.git_repository import Repository

_REVERTED = re.compile(
    r"This reverts (?:commit (?P<commit>[0-9a-f]{7,64})(?:, reversing\s+changes made to (?P<kept>[0-9a-f]{7,64}))?"
    r"|merge request \S*?!(?P<number>[0-9]+))"
)
"""What `git revert` writes, and GitLab's button for a merge request."""


def has(git: Commands, line: str, commit: str) -> bool:
    """Tell whether a line's history has a commit; one that is not in the repository is in no line."""
    return bool(commit) and not git.attempt("merge-base", "--is-ancestor", commit, line).code


def same(git: Commands, line: str, commit: str) -> list[str]:
    """Return the commits that only the line has and that make the same change, the newest first."""
    words = ("rev-list", "--cherry-mark", "--left-only", "--no-merges", f"{line}...{commit}")
    marked = git.attempt(*words, "--not", f"{commit}^@").text.splitlines()
    return [one.removeprefix("=") for one in marked if one.startswith("=")]


class Traces:
    """The traces of commits in one repository. Implements `Tracer`."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def has(self, line: str, commit: str) -> bool:
        """Tell whether a line has a commit."""
        return has(self._repository.commands, line, commit)

    def same(self, line: str, commit: str) -> list[str]:
        """Return the commits of a line that make the same change as one that it does not have."""
        return same(self._repository.commands, line, commit)

    def undone_by(self, line: str, commit: str, known_as: Collection[str]) -> str:
        """Return the commit that took it back later in the line and stands itself; empty when there is none."""
        undone: list[tuple[str, str]] = []
        wanted = {commit, *known_as}
        for revert, message in self._reverts(commit, line):
            # The newest come first: what took this one back is known already.
            if any(self._takes(one, {revert}) for one in undone):
                continue
            found = list(self._targets(revert, message))
            if any(self._takes(one, wanted) for one in found):
                return revert
            undone += found
        return ""

    def _reverts(self, since: str, line: str) -> Iterator[tuple[str, str]]:
        words = ("log", "-z", "--topo-order", "--format=%H%n%B", "--grep=^This reverts ")
        for entry in self._repository.commands.run(*words, f"{since}..{line}").split("\0"):
            commit, _, message = entry.partition("\n")
            if commit:
                yield commit, message

    def _targets(self, revert: str, message: str) -> Iterator[tuple[str, str]]:
        """Yield what a commit says to revert; of a merge also the side that it kept."""
        for said in _REVERTED.finditer(message):
            named = said["commit"] or self._merge_of(said["number"], revert)
            if named and (target := self._repository.commit(named)):
                yield target, self._repository.commit(said["kept"] or f"{target}^1")

    def _merge_of(self, number: str, before: str) -> str:
        """Return the commit by which GitLab merged a merge request, as its message says."""
        words = ("log", "-1", "--merges", "--format=%H", "--extended-regexp")
        return self._repository.commands.run(
            *words, f"--grep=See merge request .*!{number}$", before
        )

    def _takes(self, reverted: tuple[str, str], wanted: Collection[str]) -> bool:
        """Tell whether one of these commits goes with what was reverted: it is it, or was merged by it."""
        target, kept = reverted
        if target in wanted:
            return True
        parents = self._repository.commands.run("log", "-1", "--format=%P", target).split()
        return len(parents) > 1 and any(
            self.has(target, one) and not self.has(kept, one) for one in wanted
        )
