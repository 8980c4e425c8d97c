"""Reads many Git repositories in this process with libgit2, to say what each of them would release.

Starting git costs more than such a read, so a fleet of 200 is asked in a third of the time. The answers are those of
`gare.connectors.git`; what libgit2 cannot answer alike, `open_survey` leaves to it.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gare.connectors.git_settings import GitSettings
from gare.domain.commits import Commit
from gare.domain.versions import is_prerelease, released
from gare.ports.source import Head, Tag

if TYPE_CHECKING:
    from pygit2 import Repository

_TAGS = "refs/tags/"


def open_survey(settings: GitSettings, base: Path) -> "Survey | None":
    """Return a reader of a local repository; None when git itself must be asked.

    That is: a repository that is only remote, a project in a part of one, a shallow clone, no such branch, a format
    that libgit2 does not know.
    """
    if settings.url or settings.paths:
        return None
    from pygit2 import GitError, Repository

    try:
        repository = Repository(str((base / settings.path).resolve()))
        head = _head(repository, settings)
        return Survey(repository, settings, head) if head and not repository.is_shallow else None
    except GitError:
        return None


class Survey:
    """The history of one repository, as `gare.ports.source.History` wants it."""

    def __init__(self, repository: "Repository", settings: GitSettings, head: Head) -> None:
        self._repository, self._head = repository, head
        self._prefix = settings.tag_prefix
        self._tags = list(_tags(repository, self._prefix))

    def head(self, ref: str = "") -> Head:
        """Return the branch to release and its newest commit. A survey is of that branch alone."""
        if ref not in ("", self._head.branch):
            raise ValueError(f"a survey of {self._head.branch} was asked about {ref}")
        return self._head

    def tags(self, reachable_from: str = "") -> list[Tag]:
        """Return the tags under the prefix; of those in a commit's history only the newest, down to a final version.

        Older ones decide nothing, and each costs a walk.
        """
        if not reachable_from:
            return self._tags
        found = []
        for version in released(self._tags, self._prefix):
            if self._is_in_history(version.commit, reachable_from):
                found.append(Tag(version.tag, version.commit))
                if not is_prerelease(version.version):
                    break
        return found

    def commits(self, since: str, until: str, paths: Iterable[str] = ()) -> Iterator[Commit]:
        """Yield the commits of `since..until`, newest first; empty `since` means from the beginning."""
        from pygit2.enums import SortMode

        walk = self._repository.walk(until, SortMode.TIME)
        if since:
            walk.hide(since)
        for commit in walk:
            yield Commit(
                str(commit.id),
                tuple(str(parent) for parent in commit.parent_ids),
                commit.author.name,
                commit.author.email,
                f"{datetime.fromtimestamp(commit.commit_time, UTC):%Y-%m-%dT%H:%M:%SZ}",
                commit.message,
            )

    def _is_in_history(self, older: str, newer: str) -> bool:
        from pygit2 import GitError

        try:
            return older == newer or self._repository.descendant_of(newer, older)
        except GitError:
            return False  # a tag of something else than a commit


def _head(repository: "Repository", settings: GitSettings) -> Head | None:
    branch = settings.branch
    if not branch:
        head = repository.lookup_reference("HEAD")
        target = head.raw_target
        # Detached: git itself is asked, and says what is wrong with that.
        branch = target.decode().removeprefix("refs/heads/") if isinstance(target, bytes) else ""
    places = [f"refs/heads/{branch}"]
    if settings.remote:
        places.append(f"refs/remotes/{settings.remote}/{branch}")
    for place in places if branch else ():
        if (found := repository.references.get(place)) is not None:
            return Head(branch, str(found.peel().id))
    return None


def _tags(repository: "Repository", prefix: str) -> Iterator[Tag]:
    """Yield the tags under a prefix with their commits.

    Packed ones carry the commit of an annotated tag beside it (gitrepository-layout(5), packed-refs): no object of
    theirs is opened, which would take longer than all the rest.
    """
    common = Path(repository.path)
    if (common / "commondir").is_file():  # a worktree: references lie with the main one
        common = (common / (common / "commondir").read_text().strip()).resolve()
    packed = _packed(common / "packed-refs", prefix)
    for name in _loose(common / "refs" / "tags", prefix):
        packed[name] = ""
    for name, commit in packed.items():
        yield Tag(name, commit or str(repository.references[_TAGS + name].peel().id))


def _loose(folder: Path, prefix: str) -> Iterator[str]:
    for file in folder.rglob("*") if folder.is_dir() else ():
        name = file.relative_to(folder).as_posix()
        if name.startswith(prefix) and file.is_file() and not name.endswith(".lock"):
            yield name


def _packed(file: Path, prefix: str) -> dict[str, str]:
    """Return the commits of packed tags by name; empty where the file does not tell it (made by an old Git)."""
    found: dict[str, str] = {}
    text = file.read_text("utf-8", "replace") if file.is_file() else ""
    header, _, lines = text.partition("\n")
    is_telling, name = "fully-peeled" in header, ""
    for line in lines.splitlines():
        commit, _, reference = line.partition(" ")
        if not line.startswith("^"):
            name = reference.removeprefix(_TAGS) if reference.startswith(_TAGS + prefix) else ""
        if name:
            found[name] = commit.removeprefix("^") if is_telling else ""
    return found
