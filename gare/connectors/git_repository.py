"""One Git repository in primitives: open it, resolve names, read and write objects, talk to its remote. No policy."""

import hashlib
import re
import shutil
import tempfile
from functools import cached_property
from pathlib import Path

from gare.connectors.git_command import Commands, redacted, run_git, translated
from gare.errors import ConfigError, Conflict, NotFound, Refused

COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_HEADS_AND_TAGS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


class Repository:
    """A working copy, a bare repository, or (with `url`) a mirror that is made in `state` when first needed."""

    def __init__(self, path: Path, url: str, remote: str, state: Path) -> None:
        self._path, self._url, self._state = path, url, state
        self.remote = "origin" if url else remote
        self.name = f"repository {redacted(url) if url else path}"

    @cached_property
    def commands(self) -> Commands:
        """Git at the repository's top. Raises ConfigError when there is none."""
        if self._url:
            return self._mirror()
        from git import InvalidGitRepositoryError, NoSuchPathError, Repo

        run_git(["version"])  # a missing Git first, in our words
        try:
            with Repo(self._path, search_parent_directories=True) as found:
                top = found.working_tree_dir
                folder = Path(top) if top else Path(found.git_dir)
        except NoSuchPathError as error:
            raise ConfigError(
                f"The folder {self._path} does not exist.",
                where="source: path",
                hint="Correct the path of the Git repository.",
            ) from error
        except InvalidGitRepositoryError as error:
            raise ConfigError(
                f"{self._path} is no Git repository.",
                where="source: path",
                hint="Correct the path, or make it one with `git init`.",
            ) from error
        return Commands(folder, is_bare=top is None, name=self.name)

    @property
    def scratch(self) -> Path:
        """Return the folder for clones that are thrown away; the station removes what a killed process left."""
        folder = self._state / "work"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    # Names and objects

    def commit(self, name: str) -> str:
        """Return the commit of a full reference name or id; empty when there is none."""
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        done = self.commands.attempt(*words)
        if done.code and "fatal" in done.complaints:
            raise translated("rev-parse", done, self.name)
        return done.text if not done.code else ""

    def known_commit(self, commit: str) -> str:
        """Return a full commit id that is here (a mirror is updated once to get it). Raises NotFound."""
        if COMMIT.fullmatch(commit):
            found = self.commit(commit)
            if not found and self._url:
                self.update_mirror()
                found = self.commit(commit)
            if found:
                return found
        raise NotFound(
            f"There is no commit {commit}.", where=self.name, hint="Fetch it, or plan again."
        )

    def branch_commit(self, branch: str) -> str:
        """Return the newest commit of a branch, the local one first; empty when there is none."""
        places = [f"refs/heads/{branch}"]
        if self.remote:
            places.append(f"refs/remotes/{self.remote}/{branch}")
        return next((found for place in places if (found := self.commit(place))), "")

    def checked_out_branch(self) -> str:
        """Return the branch that HEAD is on; empty when detached."""
        return self.commands.attempt("symbolic-ref", "--quiet", "--short", "HEAD").text

    def text(self, commit: str, path: str) -> str | None:
        """Return a file's text at a commit; None when there is no such file."""
        done = self.commands.attempt("cat-file", "blob", f"{commit}:{path}")
        return None if done.code else done.output.decode("utf-8", "replace")

    def commit_on(self, parent: str, path: str, text: str, message: str) -> str:
        """Make a commit that changes one file on top of `parent`; no reference and no working copy is touched."""
        git = self.commands
        mode, kind = [*git.run("ls-tree", parent, "--", path).split()[:2], "100644", "blob"][:2]
        if kind != "blob" or mode == "120000":
            raise Conflict(
                f"{path} is no ordinary file in {parent[:7]}.",
                where=self.name,
                hint="Name another file.",
            )
        with tempfile.TemporaryDirectory(prefix="gare-index-") as folder:
            env = {**self.identity(), "GIT_INDEX_FILE": str(Path(folder) / "index")}
            git.run("read-tree", parent, env=env)
            blob = git.run("hash-object", "-w", "--stdin", stdin=text)
            git.run("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}", env=env)
            tree = git.run("write-tree", env=env)
            return git.run("commit-tree", tree, "-p", parent, "-F", "-", stdin=message, env=env)

    def move_branch(self, branch: str, before: str, after: str) -> None:
        """Move a local branch forward; where it is checked out, its files follow as in a fast-forward.

        Raises Refused when that would overwrite somebody's changes.
        """
        if worktree := self._worktree_of(branch):
            done = Commands(worktree).attempt(
                "merge", "--quiet", "--ff-only", "--no-autostash", after
            )
            if done.code:
                raise Refused(
                    f"Branch {branch} cannot be moved to {after[:7]}: files in the way were changed.",
                    where=f"working copy {worktree}",
                    hint="Commit or stash them, then `gare resume`.",
                )
        else:
            self.commands.run("update-ref", f"refs/heads/{branch}", after, before)

    def _worktree_of(self, branch: str) -> Path | None:
        folder = None
        for line in self.commands.run("worktree", "list", "--porcelain").splitlines():
            if line.startswith("worktree "):
                folder = Path(line.removeprefix("worktree "))
            elif line == f"branch refs/heads/{branch}":
                return folder
        return None

    def identity(self) -> dict[str, str]:
        """Return the environment that gives commits and tags an author: nothing when the user has one."""
        identity: dict[str, str] = {}
        for role in ("AUTHOR", "COMMITTER"):
            if self.commands.attempt(
                "-c", "user.useConfigOnly=true", "var", f"GIT_{role}_IDENT"
            ).code:
                identity |= {f"GIT_{role}_NAME": "Gare", f"GIT_{role}_EMAIL": "gare@localhost"}
        return identity

    # The remote

    def address(self) -> str:
        """Return the remote's address as configured; empty without one."""
        if self._url or not self.remote:
            return self._url
        return self.commands.attempt("config", "--get", f"remote.{self.remote}.url").text

    def published(self, *patterns: str) -> dict[str, str]:
        """Ask the remote (without one: this repository) for references; annotated tags also as `NAME^{}`."""
        if self.remote:
            lines = self.commands.over_network("ls-remote", "--quiet", "--", self.remote, *patterns)
        else:
            lines = self.commands.attempt("show-ref", "--dereference", "--", *patterns).text
        pairs = (line.split(None, 1) for line in lines.splitlines())
        return {name: sha for sha, name in pairs}

    def published_tag(self, name: str) -> tuple[str, str]:
        """Return (object, commit) of a published tag; both empty when absent, equal when not annotated."""
        reference = f"refs/tags/{name}"
        found = (
            self.published(reference, f"{reference}^{{}}")
            if self.remote
            else self.published(reference)
        )
        tag = found.get(reference, "")
        return tag, found.get(f"{reference}^{{}}", tag)

    def published_tip(self, branch: str) -> str:
        """Return the newest commit of the remote branch, fetched; empty when absent."""
        reference = f"refs/heads/{branch}"
        tip = self.published(reference).get(reference, "")
        if tip:
            self.fetch_object(tip, reference)
        return tip

    def fetch_object(self, wanted: str, reference: str) -> None:
        """Bring a remote object here without touching any reference."""
        if self.commands.attempt("cat-file", "-e", wanted).code:
            quiet = (
                "--quiet",
                "--no-tags",
                "--no-write-fetch-head",
                "--no-recurse-submodules",
                "--refmap=",
            )
            self.commands.over_network("fetch", *quiet, "--", self.remote, reference)

    def push(self, refspec: str, *, over: str = "") -> None:
        """Push exactly one reference, and only forward; or in the place of the commit `over`, if it is still there.

        Raises Conflict when the remote has something else.
        """
        quiet = ("--porcelain", "--no-follow-tags", "--no-recurse-submodules", "--no-force")
        lease = [f"--force-with-lease={refspec.partition(':')[2]}:{over}"] if over else []
        self.commands.over_network("push", *quiet, *lease, "--", self.remote, refspec)

    # The mirror of a remote-only repository

    def _mirror(self) -> Commands:
        folder = self._state / "git" / hashlib.sha256(self._url.encode()).hexdigest()[:16]
        mirror = Commands(folder, is_bare=True, name=self.name)
        if not (folder / "HEAD").is_file():
            folder.parent.mkdir(parents=True, exist_ok=True)
            # Made aside and moved into place, so that a crash or a second process leaves no half mirror.
            aside = Path(tempfile.mkdtemp(prefix="mirror-", dir=folder.parent))
            try:
                made = Commands(aside, is_bare=True, name=self.name)
                run_git(["init", "--quiet", "--bare", "--template=", "--", str(aside)])
                made.run("remote", "add", "origin", self._url)
                _update(made)
                aside.rename(folder)
            except OSError:
                if not (folder / "HEAD").is_file():
                    raise
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        return mirror

    def update_mirror(self) -> None:
        """Fetch every branch and tag of a remote-only repository; without `url` nothing is done."""
        if self._url:
            _update(self.commands)


def _update(mirror: Commands) -> None:
    quiet = ("--quiet", "--prune", "--force", "--no-write-fetch-head", "--no-recurse-submodules")
    mirror.over_network("fetch", *quiet, "--", "origin", *_HEADS_AND_TAGS)
    head = mirror.over_network("ls-remote", "--quiet", "--symref", "--", "origin", "HEAD")
    if found := re.match(r"ref: (refs/heads/\S+)\tHEAD", head):
        mirror.run("symbolic-ref", "HEAD", found[1])
