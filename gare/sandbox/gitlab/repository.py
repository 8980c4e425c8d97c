"""A real Git repository behind a simulated project: tags, branches and commits are what Git says."""

import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FORMAT = "%H%x1f%P%x1f%an%x1f%ae%x1f%aI%x1f%cI%x1f%B%x1e"
_AUTHOR = {
    "GIT_AUTHOR_NAME": "GitLab sandbox",
    "GIT_AUTHOR_EMAIL": "sandbox@example.org",
    "GIT_COMMITTER_NAME": "GitLab sandbox",
    "GIT_COMMITTER_EMAIL": "sandbox@example.org",
}


class Failed(Exception):
    """Git said no; the text is Git's."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit as Git tells it."""

    id: str
    parents: tuple[str, ...]
    author: str
    email: str
    authored_at: str
    committed_at: str
    message: str

    def as_json(self) -> dict[str, Any]:
        """Spell it as the API does."""
        return {
            "id": self.id,
            "short_id": self.id[:8],
            "title": self.message.partition("\n")[0],
            "message": self.message,
            "author_name": self.author,
            "author_email": self.email,
            "authored_date": self.authored_at,
            "committer_name": self.author,
            "committer_email": self.email,
            "committed_date": self.committed_at,
            "created_at": self.committed_at,
            "parent_ids": list(self.parents),
        }


class Repository:
    """A bare repository, read and written with the git program."""

    def __init__(self, folder: Path, default_branch: str = "main") -> None:
        self.folder, self.default_branch = folder, default_branch

    @classmethod
    def invented(cls, commits: Sequence[Mapping[str, Any]], default_branch: str) -> "Repository":
        """Make a repository with these commits (`subject`, `tag`) on the default branch, the oldest first."""
        folder = Path(tempfile.mkdtemp(prefix="gare-sandbox-")) / "repository.git"
        subprocess.run(["git", "init", "-q", "--bare", str(folder)], check=True)
        made = cls(folder, default_branch)
        made._git("symbolic-ref", "HEAD", f"refs/heads/{default_branch}")
        stream = "".join(_imported(commits, default_branch))
        made._git("fast-import", "--quiet", feed=stream)
        return made

    def _git(self, *words: str, feed: str | None = None) -> str:
        done = subprocess.run(
            ["git", "--git-dir", str(self.folder), *words],
            input=feed,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={"PATH": _path(), **_AUTHOR},
            check=False,
        )
        if done.returncode:
            raise Failed(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def resolve(self, ref: str) -> str:
        """Return the commit of a branch, tag or id; empty when there is none."""
        if ref.startswith("-") or "\0" in ref:
            return ""
        for name in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref):
            try:
                return self._git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
            except Failed:
                continue
        return ""

    def refs(self, kind: str) -> list[tuple[str, str, str, str]]:
        """Return (name, object, commit, message) of `heads` or `tags`."""
        form = "%(refname:lstrip=2)%1f%(objectname)%1f%(*objectname)%1f%(contents)%1e"
        told = self._git("for-each-ref", f"--format={form}", f"refs/{kind}")
        found = [entry.strip("\n").split("\x1f") for entry in told.split("\x1e") if entry.strip()]
        return [
            (name, made, commit or made, message.strip() if commit else "")
            for name, made, commit, message in found
        ]

    def commits(self, *words: str) -> list[Commit]:
        """Return the commits of a range or of the words of `git log`, newest first."""
        told = self._git("log", f"--format={_FORMAT}", *words)
        entries = (entry.lstrip("\n") for entry in told.split("\x1e"))
        return [_commit(entry) for entry in entries if entry]

    def commit(self, id: str) -> Commit:
        """Return one commit."""
        return self.commits("-1", id)[0]

    def diffs(self, older: str, newer: str) -> list[dict[str, Any]]:
        """Return which files differ, without their texts."""
        told = self._git("diff", "--name-status", "-z", "--no-renames", older, newer).split("\0")
        return [
            {
                "old_path": path,
                "new_path": path,
                "new_file": kind == "A",
                "deleted_file": kind == "D",
                "renamed_file": False,
                "a_mode": "100644",
                "b_mode": "100644",
                "diff": "",
            }
            for kind, path in zip(told[::2], told[1::2], strict=False)
        ]

    def merge_base(self, one: str, other: str) -> str:
        """Return the newest common commit."""
        return self._git("merge-base", one, other).strip()

    def make_tag(self, name: str, commit: str, message: str) -> None:
        """Create a tag, annotated when there is a message."""
        words = ["-a", "-m", message] if message else []
        self._git("tag", *words, "--", name, commit)

    def make_branch(self, name: str, commit: str) -> None:
        """Create a branch."""
        self._git("branch", "--", name, commit)

    def delete(self, ref: str) -> None:
        """Delete a ref, such as `refs/heads/x`."""
        self._git("update-ref", "-d", ref)

    def has_conflict(self, source: str, target: str) -> bool:
        """Tell whether a merge would need a person."""
        try:
            self._git("merge-tree", "--write-tree", target, source)
        except Failed:
            return True
        return False

    def merge(self, source: str, target: str, message: str) -> str:
        """Merge a commit into a branch with a merge commit; return it."""
        head = self.resolve(target)
        tree = self._git("merge-tree", "--write-tree", head, source).split()[0]
        words = ["commit-tree", tree, "-p", head, "-p", source, "-m", message]
        made = self._git(*words).strip()
        self._git("update-ref", f"refs/heads/{target}", made, head)
        return made


def _commit(entry: str) -> Commit:
    id, parents, author, email, authored, committed, message = entry.split("\x1f")
    return Commit(id, tuple(parents.split()), author, email, authored, committed, message.strip())


def _imported(commits: Iterable[Mapping[str, Any]], branch: str) -> Iterable[str]:
    """Spell commits for `git fast-import`: one process for all of them."""
    for number, commit in enumerate(commits, 1):
        subject, when = str(commit["subject"]), 1_767_225_600 + number * 3600
        author = f"{commit.get('author', 'Ada')} <{commit.get('email', 'ada@example.org')}>"
        text = f"{number}: {subject}\n"
        yield f"commit refs/heads/{branch}\nmark :{number}\n"
        yield f"author {author} {when} +0000\ncommitter {author} {when} +0000\n"
        yield f"data {len(subject.encode())}\n{subject}\n"
        yield f"M 100644 inline CHANGES.txt\ndata {len(text.encode())}\n{text}\n"
        if "tag" in commit:
            yield f"reset refs/tags/{commit['tag']}\nfrom :{number}\n\n"


def _path() -> str:
    import os

    return os.environ.get("PATH", os.defpath)
