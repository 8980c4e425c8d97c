"""Git as the source of a project: read its history, check commits out, publish tags and files.

Reads change nothing that a person sees: no lock, no index refresh, no reference. At most objects that nothing
refers to are fetched. Writes touch exactly the one tag or branch they name.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from gare.connectors.git_command import Commands, redacted, run_git, translated
from gare.connectors.git_history import log, looks_like_version
from gare.connectors.git_picks import Picks
from gare.connectors.git_repository import COMMIT, Repository
from gare.connectors.git_settings import BAD_REFERENCE, GitSettings, inside_repository
from gare.connectors.git_traces import Traces
from gare.domain.commits import Commit
from gare.errors import ConfigError, Conflict, ConnectorError, NotFound, Refused, Unavailable
from gare.ports.source import Head, Tag

__all__ = ["Git", "GitSettings"]

_LOG = logging.getLogger("gare.git")
_RELEASE = re.compile(r"^Gare-Release: .+$", re.MULTILINE)
_ATTEMPTS = 3


class Git:
    """One repository. Implements `Source` and `TagWriter`."""

    def __init__(self, settings: GitSettings, base: Path, state: Path) -> None:
        """Remember where things are; nothing is opened yet. `settings.path` is relative to `base`."""
        self._settings = settings
        self._repository = Repository(
            (base / settings.path).resolve(), settings.url, settings.remote, state
        )
        self.picks = Picks(self._repository)
        self.traces = Traces(self._repository)

    # Reads

    def check(self, *, allow_dirty: bool = False) -> list[str]:
        """Refuse what cannot be planned, each with what to do; return warnings.

        Untracked files are no reason. Raises ConfigError (no repository, branch or remote), Refused (no commit,
        shallow, detached, dirty).
        """
        repository = self._repository
        repository.update_mirror()
        git = repository.commands
        if not git.run("rev-list", "--all", "--max-count=1"):
            hint = "Commit something, then plan again."
            raise Refused("The repository has no commit yet.", where=git.name, hint=hint)
        if git.run("rev-parse", "--is-shallow-repository") == "true":
            raise Refused(
                "The repository is a shallow clone: its history is cut off.",
                where=git.name,
                hint="Run `git fetch --unshallow --tags` there (in CI: fetch depth 0).",
            )
        head = self.head()
        self._check_remote()
        if not allow_dirty:
            self._check_clean(head.branch)
        return self._compare_with_remote(head) if repository.remote else []

    def head(self, ref: str = "") -> Head:
        """Return the branch and commit to release. `ref` is a branch, a tag or a full commit id.

        For a tag or an id the branch is the configured one. Raises ConfigError when the configured branch is
        missing, Refused when there is none because HEAD is detached, NotFound for an unknown `ref`.
        """
        repository = self._repository
        if not ref:
            branch = self._branch()
            if commit := repository.branch_commit(branch):
                return Head(branch, commit)
            raise ConfigError(
                f"Branch {branch} does not exist.",
                where=f"source: branch, {repository.name}",
                hint="Correct its name, or fetch it.",
            )
        if not BAD_REFERENCE.search(ref):
            if commit := repository.branch_commit(ref):
                return Head(ref, commit)
            names = (f"refs/tags/{ref}", *((ref,) if COMMIT.fullmatch(ref) else ()))
            for name in names:
                if commit := repository.commit(name):
                    return Head(self._branch(), commit)
        raise NotFound(
            f"{ref!r} is no branch, tag or full commit id.",
            where=repository.name,
            hint="Fetch it, or correct the name (`git branch --all`, `git tag`).",
        )

    def tags(self, reachable_from: str = "") -> list[Tag]:
        """Return the tags under the configured prefix, or only those in the history of a commit."""
        repository = self._repository
        fields = "%(refname)%00%(objecttype)%00%(objectname)%00%(*objecttype)%00%(*objectname)"
        words = ["for-each-ref", f"--format={fields}", f"refs/tags/{self._settings.tag_prefix}*"]
        if reachable_from:
            words.insert(1, f"--merged={repository.known_commit(reachable_from)}")
        found = []
        for line in repository.commands.run(*words).splitlines():
            name, kind, commit, inner_kind, inner = line.split("\0")
            if kind == "tag":
                kind, commit = inner_kind, inner
            if kind == "tag":  # a tag of a tag
                kind, commit = "commit", repository.commit(name)
            if kind == "commit" and commit:
                found.append(Tag(name.removeprefix("refs/tags/"), commit))
        return found

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Tell whether `newer` contains `older` (a commit contains itself)."""
        commits = [self._repository.known_commit(commit) for commit in (older, newer)]
        done = self._repository.commands.attempt("merge-base", "--is-ancestor", *commits)
        if done.code > 1:
            raise translated("merge-base", done, self._repository.name)
        return done.code == 0

    def commits(self, since: str, until: str, paths: Iterable[str] = ()) -> Iterator[Commit]:
        """Yield commits in `since..until`, newest first; without `paths` those of the settings count."""
        repository = self._repository
        older = repository.known_commit(since) if since else ""
        newer = repository.known_commit(until)
        chosen = tuple(inside_repository(path) for path in paths) or self._settings.paths
        return log(str(repository.commands.folder), older, newer, chosen)

    def read_file(self, commit: str, path: str) -> str:
        """Return the text of a file at a commit. Raises NotFound."""
        text = self._repository.text(self._repository.known_commit(commit), _path(path))
        if text is None:
            raise NotFound(
                f"There is no file {path} at commit {commit[:7]}.",
                where=self._repository.name,
                hint="Commit it, or correct its name in the configuration.",
            )
        return text

    def checkout(self, commit: str, folder: Path) -> None:
        """Put a clean clone at `commit` into `folder`, with all tags: version tools of build systems ask for them.

        It borrows the repository's objects and leaves nothing behind there. Git LFS files stay pointers.
        Submodules are filled in where they can be reached.
        """
        repository = self._repository
        wanted = repository.known_commit(commit)
        source = repository.commands.run("rev-parse", "--path-format=absolute", "--git-common-dir")
        options = ("--quiet", "--no-checkout", "--shared", "--template=")
        made = run_git(["clone", *options, "--", source, str(folder)])
        if made.code:
            raise translated("clone", made, f"checkout {folder}")
        clone = Commands(folder, name=f"checkout {folder}")
        clone.run(
            "checkout", "--quiet", "--force", "--detach", wanted, env={"GIT_LFS_SKIP_SMUDGE": "1"}
        )
        self._point_at_remote(clone, wanted)

    def _point_at_remote(self, clone: Commands, commit: str) -> None:
        """Give a checkout the real remote: submodules and build tools ask for it, and ours is none of theirs."""
        address = self._repository.address()
        clone.run("remote", "remove", "origin")
        if address:
            clone.run("remote", "add", "origin", address)
        if (clone.folder / ".gitmodules").is_file():
            try:
                clone.over_network("submodule", "--quiet", "update", "--init", "--recursive")
            except ConnectorError as error:
                _LOG.warning("Submodules of %s are left out: %s", commit[:7], error)
        if redacted(address) != address:  # the build need not know the password
            clone.run("remote", "set-url", "origin", redacted(address))

    def remote_tag(self, name: str) -> str:
        """Return the commit that tag `name` points to where it is published; empty when absent."""
        return self._repository.published_tag(name)[1]

    # Writes

    def look_tag(self, name: str) -> tuple[str, str]:
        """Return (commit, message) of the published tag; ("", "") when absent, no message when not annotated."""
        tag, commit = self._repository.published_tag(name)
        if not commit or tag == commit:
            return commit, ""
        if self._repository.remote:
            self._repository.fetch_object(tag, f"refs/tags/{name}")
        return commit, self._message(tag)

    def write_tag(self, name: str, commit: str, message: str, *, push: bool) -> str:
        """Create the annotated tag, push it, and return the tag object's id.

        A tag that is here already, at this commit and for this release, is pushed as it is. The user's identity
        is used, or `Gare <gare@localhost>`; it is signed when the user's `tag.gpgSign` says so. Raises Conflict
        when the tag exists and differs.
        """
        repository, reference = self._repository, f"refs/tags/{name}"
        if BAD_REFERENCE.search(name):
            hint = "Correct `source: tag_prefix`."
            raise ConfigError(f"{name!r} cannot be the name of a tag.", hint=hint)
        wanted = repository.known_commit(commit)
        if repository.commit(reference):
            self._check_same_tag(name, wanted, message)
        else:
            words = ("tag", "-a", "--cleanup=verbatim", "-F", "-", "--", name, wanted)
            repository.commands.run(*words, stdin=message, env=repository.identity())
        if push and repository.remote:
            repository.push(f"{reference}:{reference}")
        return repository.commands.run("rev-parse", "--verify", reference)

    def _check_same_tag(self, name: str, commit: str, message: str) -> None:
        """Take over a tag that an interrupted attempt left here; refuse any other."""
        repository, reference = self._repository, f"refs/tags/{name}"
        found = repository.commit(reference)
        tag = repository.commands.run("rev-parse", "--verify", reference)
        difference = ""
        if found != commit:
            difference = f"points to {found[:7]}, not to {commit[:7]}"
        elif tag == found:
            difference = "is not annotated"
        elif _RELEASE.findall(self._message(tag)) != _RELEASE.findall(message):
            difference = "was not made for this release"
        if difference:
            raise Conflict(
                f"Tag {name} exists and {difference}.",
                where=repository.name,
                hint=f"Delete it if it was never published (`git tag -d {name}`), or release another version.",
            )

    def _message(self, tag: str) -> str:
        return self._repository.commands.run("cat-file", "tag", tag).partition("\n\n")[2]

    def look_file(self, path: str) -> str:
        """Return the text of `path` at the head of the published branch; empty when absent."""
        repository, branch = self._repository, self._branch()
        tip = (
            repository.published_tip(branch)
            if repository.remote
            else repository.branch_commit(branch)
        )
        return (repository.text(tip, _path(path)) or "") if tip else ""

    def write_file(self, path: str, text: str, message: str, *, push: bool) -> str:
        """Commit `text` as `path` on top of the branch; return the commit (the tip when nothing would change).

        With `push` and a remote, the commit goes to the remote branch only: the user's own branch and files are
        left alone until they pull. Otherwise the local branch moves; where it is checked out, as a fast-forward
        that brings the file along and refuses to overwrite changes. Raises Conflict when somebody else changed
        the file meanwhile.
        """
        repository, branch, spelled = self._repository, self._branch(), _path(path)
        if not (push and repository.remote):
            tip = repository.branch_commit(branch)
            if not tip or repository.text(tip, spelled) == text:
                return tip
            commit = repository.commit_on(tip, spelled, text, message)
            repository.move_branch(branch, tip, commit)
            return commit
        for _ in range(_ATTEMPTS):
            tip = self._tip_to_push_on(branch)
            before = repository.text(tip, spelled)
            if before == text:
                return tip
            commit = repository.commit_on(tip, spelled, text, message)
            try:
                repository.push(f"{commit}:refs/heads/{branch}")
            except Conflict:
                # Somebody else pushed. Only when this file is as it was may the same text go on top.
                if repository.text(self._tip_to_push_on(branch), spelled) != before:
                    raise
            else:
                return commit
        raise Unavailable(
            f"{branch} on {repository.remote} kept moving while {spelled} was pushed.",
            where=repository.name,
            hint="Try again.",
        )

    def _tip_to_push_on(self, branch: str) -> str:
        if tip := self._repository.published_tip(branch):
            return tip
        raise NotFound(
            f"Branch {branch} is not on {self._repository.remote}.",
            where=self._repository.name,
            hint=f"Push it first (`git push {self._repository.remote} {branch}`).",
        )

    # Checks

    def _branch(self) -> str:
        if branch := self._settings.branch or self._repository.checked_out_branch():
            return branch
        raise Refused(
            "HEAD is detached: no branch is checked out to release from.",
            where=self._repository.name,
            hint="Check a branch out, or write `branch:` under `source:`.",
        )

    def _check_remote(self) -> None:
        remote = self._repository.remote
        if remote and not self._repository.address():
            raise ConfigError(
                f"There is no Git remote {remote}.",
                where=f"source: remote, {self._repository.name}",
                hint=f'Add it (`git remote add {remote} ADDRESS`), or write `remote: ""` to release locally only.',
            )

    def _check_clean(self, branch: str) -> None:
        git = self._repository.commands
        if git.is_bare or self._repository.checked_out_branch() != branch:
            return
        options = ("--porcelain=v1", "-z", "--untracked-files=no", "--no-renames")
        changed = git.run("status", *options, "--ignore-submodules=dirty")
        names = [entry[3:] for entry in changed.split("\0") if entry]
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise Refused(
                f"Tracked files have changes that are in no commit: {', '.join(names[:3])}{more}.",
                where=git.name,
                hint="Commit or stash them, or pass `--allow-dirty` to release without them.",
            )

    def _compare_with_remote(self, head: Head) -> list[str]:
        """Say where the remote has more or less than is planned; a remote that cannot be asked is said too."""
        repository, remote = self._repository, self._repository.remote
        reference, prefix = f"refs/heads/{head.branch}", f"refs/tags/{self._settings.tag_prefix}"
        try:
            found = repository.published(reference, f"{prefix}*")
        except ConnectorError as error:
            return [
                f"Remote {remote} could not be asked, so nothing was compared with it: {error.what}"
            ]
        warnings = []
        tip = found.get(reference, "")
        if not tip:
            warnings.append(f"Branch {head.branch} is not on {remote} yet.")
        elif not repository.commit(tip):
            warnings.append(
                f"{head.branch} on {remote} has newer commits ({tip[:7]}) that are not here: `git pull`."
            )
        elif not self.is_ancestor(head.commit, tip):
            warnings.append(
                f"Commit {head.commit[:7]} of {head.branch} is not on {remote} yet: `git push`."
            )
        elif tip != head.commit:
            warnings.append(
                f"{head.branch} on {remote} is at {tip[:7]}, this one at {head.commit[:7]}: `git pull`."
            )
        here = {f"refs/tags/{tag.name}" for tag in self.tags()}
        missing = sorted(
            name.removeprefix("refs/tags/")
            for name in found
            if name not in here
            and not name.endswith("^{}")
            and looks_like_version(name.removeprefix(prefix))
        )
        if missing:
            warnings.append(
                f"Tags on {remote} that are not here: {', '.join(missing)}: `git fetch --tags`."
            )
        return warnings


def _path(path: str) -> str:
    try:
        return inside_repository(path)
    except ValueError as error:
        raise ConfigError(f"{path!r} is no path: {error}.") from error
