"""Puts chosen commits on a released version with `git cherry-pick`.

Works in a throw-away clone: no working copy, branch or index of the project is touched, and a conflict leaves nothing.
"""

import fnmatch
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gare.connectors.git_command import Commands, run_git, translated
from gare.connectors.git_repository import Repository
from gare.connectors.git_traces import has, same
from gare.errors import Conflict, NotFound, Refused, Unavailable
from gare.ports.picker import Line, Pick, Picked, Wanted

KEPT = "refs/gare/hotfix/"
"""Under this name the commits of hotfixes stay in the repository until a tag has them."""
_CHUNK = 200
"""Branches that are fetched with one command."""
_ALONE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_LFS_SKIP_SMUDGE": "1"}
"""What the user has configured (signing, merge drivers, line ends) would make another commit of the same fix."""


class Picks:
    """The picks of one repository. Implements `Picker`."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def find_commit(self, name: str) -> str:
        """Return the full id of a commit; a remote that has newer ones is asked for them once."""
        if found := self._known(name):
            return found
        self._fetch()
        if found := self._known(name):
            return found
        raise NotFound(
            f"There is no commit {name}.",
            where=self._repository.name,
            hint="Push it, or correct its id (`git log`).",
        )

    def is_merge(self, commit: str) -> bool:
        """Tell whether a commit has more than one parent."""
        return len(self._repository.commands.run("log", "-1", "--format=%P", commit).split()) > 1

    def pick(self, base: Line, wanted: Sequence[Wanted], *, keep: bool) -> Picked:
        """Put commits on top of a line, one after the other."""
        scratch = self._repository.scratch
        with tempfile.TemporaryDirectory(prefix="pick-", dir=scratch) as folder:
            tree = self._clone(base.commit, Path(folder) / "tree")
            picks = tuple(_pick_one(tree, one, base.name) for one in wanted)
            made = tree.run("rev-parse", "HEAD")
            if keep and made != base.commit:
                quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=")
                self._repository.commands.run("fetch", *quiet, "--", str(tree.folder), "HEAD")
        return Picked(made, picks)

    def hold(self, commit: str) -> None:
        """Keep a picked commit by a reference that `git branch` and `git tag` do not show."""
        known = self._repository.known_commit(commit)
        self._repository.commands.run("update-ref", f"{KEPT}{known}", known)

    def held(self) -> list[str]:
        """Return the commits that are kept by such a reference."""
        words = ("for-each-ref", "--format=%(objectname)", KEPT)
        return self._repository.commands.run(*words).splitlines()

    def let_go(self, commit: str) -> None:
        """Remove the reference that keeps a picked commit."""
        self._repository.commands.run("update-ref", "-d", f"{KEPT}{commit}")

    def lines(self, patterns: Sequence[str]) -> dict[str, str]:
        """Return the matching branches as the remote has them now, else as they are known here."""
        found = {
            name: commit
            for name, commit in sorted(self._branches().items())
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
        }
        if any(not self._repository.commit(commit) for commit in found.values()):
            self._fetch()
        return found

    def look_branch(self, name: str, *, push: bool) -> str:
        """Return the commit of a branch where it would be pushed, else of the local one."""
        repository, reference = self._repository, f"refs/heads/{name}"
        if push and repository.remote:
            return repository.published(reference).get(reference, "")
        return repository.commit(reference)

    def write_branch(self, name: str, commit: str, *, push: bool, over: str = "") -> None:
        """Create the branch, on the remote when there is one to push to; move it from `over` and nowhere else."""
        repository, reference = self._repository, f"refs/heads/{name}"
        if push and repository.remote:
            repository.push(f"{commit}:{reference}", over=over)
            return
        if (found := repository.commit(reference)) not in ("", commit, over):
            raise Conflict(
                f"Branch {name} exists at {found[:7]}, not at {commit[:7]}.",
                where=repository.name,
                hint=f"Delete it if nobody needs it (`git branch -D {name}`).",
            )
        repository.commands.run("update-ref", reference, commit, found)

    def _branches(self) -> dict[str, str]:
        repository = self._repository
        if repository.remote:
            with suppress(Unavailable):
                found = repository.published("refs/heads/*")
                return {name.removeprefix("refs/heads/"): found[name] for name in found}
        branches: dict[str, str] = {}
        for place in ("refs/heads/", f"refs/remotes/{repository.remote}/"):
            words = ("for-each-ref", "--format=%(refname)%00%(objectname)", place)
            for row in repository.commands.run(*words).splitlines():
                name, commit = row.removeprefix(place).split("\0")
                branches[name] = commit
        return branches

    def _known(self, name: str) -> str:
        words = ("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
        done = self._repository.commands.attempt(*words)
        if "ambiguous" in done.complaints:
            raise Refused(
                f"More than one commit begins with {name}.",
                where=self._repository.name,
                hint="Write more of its id.",
            )
        # A branch may have such a name too.
        return done.text if not done.code and done.text.startswith(name.lower()) else ""

    def _fetch(self) -> None:
        """Bring what the remote's branches have and is not here, without touching a reference."""
        repository = self._repository
        repository.update_mirror()
        if not repository.address():
            return
        heads = repository.published("refs/heads/*")
        missing = [name for name, commit in heads.items() if not repository.commit(commit)]
        quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
        for start in range(0, len(missing), _CHUNK):
            some = missing[start : start + _CHUNK]
            repository.commands.over_network(
                "fetch", *quiet, "--refmap=", "--", repository.remote, *some
            )

    def _clone(self, base: str, folder: Path) -> Commands:
        """Make a clone that borrows the repository's objects, at `base`."""
        source = self._repository.commands.run(
            "rev-parse", "--path-format=absolute", "--git-common-dir"
        )
        options = ("--quiet", "--no-checkout", "--shared", "--template=", "--no-tags")
        made = run_git(["clone", *options, "--", source, str(folder)])
        if made.code:
            raise translated("clone", made, f"worktree {folder}")
        tree = Commands(folder, name=self._repository.name)
        tree.run("checkout", "--quiet", "--force", "--detach", base, env=_ALONE)
        return tree


def _pick_one(tree: Commands, wanted: Wanted, base: str) -> Pick:
    commit, parent = wanted
    subject, at, parents = tree.run("log", "-1", "--format=%s%n%cI%n%P", commit).split("\n")
    name = f"{commit[:12]} ({subject})"
    _check_parent(name, len(parents.split()), parent, tree.name)
    before = tree.run("rev-parse", "HEAD")
    words = ("cherry-pick", "-x", "--allow-empty", "--keep-redundant-commits")
    mainline = ("-m", str(parent)) if parent else ()
    done = tree.attempt(*words, *mainline, commit, env=_ALONE | _committer(at))
    if done.code and not (has(tree, before, commit) or same(tree, before, commit)):
        raise _conflict(tree, name, base) or translated("cherry-pick", done, tree.name)
    if done.code or not tree.attempt("diff", "--quiet", before, "HEAD").code:
        # The line has it already: as it is, or as another commit with the same outcome.
        tree.run("reset", "--quiet", "--hard", before, env=_ALONE)
        is_empty = not tree.attempt("diff", "--quiet", f"{commit}^{parent or 1}", commit).code
        return Pick(commit, "", "", subject, is_empty)
    made = tree.run("rev-parse", "HEAD")
    return Pick(commit, made, _patch_id(tree, made), subject)


def _conflict(tree: Commands, name: str, base: str) -> Refused | None:
    files = tree.run("diff", "--name-only", "--diff-filter=U", "-z").split("\0")[:-1]
    if not files:
        return None
    return Refused(
        f"Commit {name} does not fit on {base}: conflict in {', '.join(files)}.",
        where=tree.name,
        hint=f"Make it fit on a branch from {base}, commit it there, and name that commit.",
    )


def _check_parent(name: str, parents: int, parent: int, where: str) -> None:
    if parents > 1 and not parent:
        raise Refused(
            f"Commit {name} is a merge: which of its {parents} sides is the fix cannot be told.",
            where=where,
            hint=f"Name its mainline parent, usually 1 (`--parent {name[:12]}=1`), or the commits that it merged.",
        )
    if parent and (parents < 2 or parent > parents):
        count = "no merge" if parents < 2 else f"a merge of {parents}"
        raise Refused(
            f"Commit {name} is {count}: it has no mainline parent {parent}.",
            where=where,
            hint="Leave the parent out." if parents < 2 else "Name one of its parents.",
        )


def _committer(at: str) -> dict[str, str]:
    """Return who makes the commit, and when: always the same for the same fix."""
    return {
        "GIT_COMMITTER_NAME": "Gare",
        "GIT_COMMITTER_EMAIL": "gare@localhost",
        "GIT_COMMITTER_DATE": at,
    }


def _patch_id(git: Commands, commit: str) -> str:
    patch = git.attempt("diff-tree", "-p", "--root", "--full-index", commit).output
    return git.attempt("patch-id", "--stable", stdin=patch).text.partition(" ")[0]
