"""The streaming reader of a Git history: one `git log`, commits handed on as they arrive.

Never holds the whole history, and imports next to nothing before Git is at work: as a process of its own
(`python -m gare.connectors.git_history REPOSITORY [--since-tag | --full] [--tag-prefix=v]`, notes as Markdown on
stdout) it is measured against bare Git by `bench/notes.py`. `gare.connectors.git` reads through `log` as well.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing's own would be imported before Git is started; mypy knows the name
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from gare.domain.commits import Commit
    from gare.errors import GareError

_CHUNK = 1 << 16
_USAGE = "usage: python -m gare.connectors.git_history REPOSITORY [--since-tag | --full] [--tag-prefix=v]"
_FIELDS = ("%H", "%P", "%an", "%ae", "%cd", "%B")

LOCAL_VARIABLES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
)
"""Variables that make Git look into another repository than the one named (set inside Git's hooks)."""


def log(repository: str, since: str, until: str, paths: Iterable[str] = ()) -> Iterator[Commit]:
    """Yield the commits of `since..until`, newest first; empty `since` means from the beginning.

    Revisions are full ids or full reference names. `paths` are relative to `repository` and taken literally. The
    caller may stop early. Raises ConnectorError with Git's own words.
    """
    from gare.domain.commits import Commit

    revisions = (until, f"^{since}") if since else (until,)
    child = _Child(repository, _log_words(revisions, _FIELDS, paths))
    for sha, parents, name, email, date, message in _records(repository, child, len(_FIELDS)):
        yield Commit(sha, tuple(parents.split()), name, email, date, message)


def versions(repository: str, until: str, prefix: str) -> Iterator[tuple[str, list[Commit]]]:
    """Start Git, and yield (tag, commits) for every version tag in the history of `until`; tag "" is unreleased.

    Newest first. A commit belongs to the oldest version that contains it. Only versions that still wait for
    commits are held. Where clocks were wrong (a commit dated before its parent), a commit may be told one
    version too late.
    """
    options = ("--decorate=short", f"--decorate-refs=refs/tags/{_literal(prefix)}*")
    child = _Child(repository, _log_words((until,), ("%D", *_FIELDS), options=options))
    return _grouped(_records(repository, child, len(_FIELDS) + 1), prefix)


def _grouped(records: Iterable[Sequence[str]], prefix: str) -> Iterator[tuple[str, list[Commit]]]:
    from gare.domain.commits import Commit  # while Git is at work already

    groups: list[tuple[str, list[Commit]]] = [("", [])]
    waited_for = [0]  # per group: how many commits to come are known to be in it
    group_of: dict[str, int] = {}
    told = 0
    for names, sha, parents, author, email, date, message in records:
        group = group_of.pop(sha, -1)
        if group >= 0:
            waited_for[group] -= 1
        else:  # the newest commit, or one that clocks put before its children
            group = told
        if names and (tag := _version_tag(names, prefix)):
            group = len(groups)
            groups.append((tag, []))
            waited_for.append(0)
        above = tuple(parents.split())
        for parent in above:
            known = group_of.get(parent, -1)
            if known < group:
                group_of[parent] = group
                waited_for[group] += 1
                if known >= 0:
                    waited_for[known] -= 1
        groups[group][1].append(Commit(sha, above, author, email, date, message))
        # Groups are numbered as they are found: an unfinished one holds back those after it.
        while told < len(groups) - 1 and not waited_for[told]:
            yield groups[told]
            groups[told] = ("", [])
            told += 1
    yield from groups[told:]


def last_tag(repository: str, prefix: str, until: str = "HEAD") -> str:
    """Return the version tag nearest to `until` in its history, or empty; other tags are passed over."""
    return _nearest(repository, prefix, until, _Child(repository, _describe_words(prefix, until)))


def _nearest(repository: str, prefix: str, until: str, child: _Child) -> str:
    passed: list[str] = []
    while True:
        try:
            tag = b"".join(iter(child.read, b"")).decode("utf-8", "replace").rstrip("\n")
            if complaints := child.end():
                if "cannot describe" in complaints or "can describe" in complaints:
                    return ""
                raise _failed(repository, complaints)
        finally:
            child.stop()
        if looks_like_version(tag[len(prefix) :]):
            return tag
        passed.append(tag)
        child = _Child(repository, _describe_words(prefix, until, passed))


def _describe_words(prefix: str, until: str, passed: Sequence[str] = ()) -> list[str]:
    excluded = [f"--exclude={_literal(tag)}" for tag in passed]
    match = f"--match={_literal(prefix)}[0-9]*"
    return ["describe", "--tags", "--abbrev=0", match, *excluded, "--end-of-options", until]


def _log_words(
    revisions: Iterable[str],
    fields: Iterable[str],
    paths: Iterable[str] = (),
    options: Iterable[str] = (),
) -> list[str]:
    """Return a `git log` whose output no user configuration changes, each field ended by a NUL."""
    return [
        "-c", "log.follow=false", "--literal-pathspecs", "--no-replace-objects",
        "log", "-z", "--format=tformat:" + "%x00".join(fields), "--encoding=UTF-8",
        "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--no-color", "--no-notes", "--no-mailmap",
        "--no-show-signature", "--no-patch", *options, "--end-of-options", *revisions, "--", *paths,
    ]  # fmt: skip


def _records(repository: str, child: _Child, width: int) -> Iterator[Sequence[str]]:
    """Yield the NUL-separated output of a git command in tuples of `width` texts, and end the command."""
    try:
        rest, fields = b"", []
        while chunk := child.read():
            whole, nul, tail = chunk.rpartition(b"\0")
            if not nul:
                rest += chunk
                continue
            fields += (rest + whole).decode("utf-8", "replace").split("\0")
            rest = tail
            end = len(fields) - len(fields) % width
            yield from zip(*[iter(fields[:end])] * width, strict=True)
            fields = fields[end:]
        if complaints := child.end():
            raise _failed(repository, complaints)
    finally:
        child.stop()


class _Child:
    """A running git whose output is read piece by piece.

    What it complains about goes to a nameless file: a second pipe that nobody empties could stop it half way.
    Spawned without `subprocess` where the system allows: importing that takes longer than a small `git log`.
    """

    def __init__(self, repository: str, words: Sequence[str]) -> None:
        environment = {k: v for k, v in os.environ.items() if k not in LOCAL_VARIABLES}
        environment.update(LC_ALL="C", LANGUAGE="C", TZ="UTC0", GIT_OPTIONAL_LOCKS="0")
        environment["GIT_FLUSH"] = "0"  # else git log hands every single commit to the pipe
        self._complaints = _nameless_file()
        self._output, into = _wide_pipe()
        try:
            self._wait, self._kill = _spawn(
                ["git", "-C", repository, *words], environment, into, self._complaints
            )
        except FileNotFoundError as error:
            from gare.errors import ConfigError

            os.close(self._output)
            os.close(self._complaints)
            hint = "Install Git 2.30 or newer (https://git-scm.com)."
            raise ConfigError("The program git is not on the PATH.", hint=hint) from error
        finally:
            os.close(into)
        self._code: int | None = None

    def read(self) -> bytes:
        """Return the next piece of output; empty at its end."""
        return os.read(self._output, _CHUNK)

    def end(self) -> str:
        """Wait for the end; return what Git complained about when it failed, else empty."""
        self._code = self._wait()
        if not self._code:
            return ""
        os.lseek(self._complaints, 0, os.SEEK_SET)
        text = os.read(self._complaints, _CHUNK).decode("utf-8", "replace").strip()
        return text or f"git ended with {self._code}"

    def stop(self) -> None:
        """Let go of everything, also in the middle. To be called once."""
        os.close(self._output)
        os.close(self._complaints)
        if self._code is None:
            self._kill()
            self._wait()


def _spawn(
    words: list[str], environment: dict[str, str], into: int, complaints: int
) -> tuple[Callable[[], int], Callable[[], None]]:
    """Start a program; return how to wait for its exit code and how to kill it."""
    if not hasattr(os, "posix_spawnp"):
        import subprocess

        process = subprocess.Popen(
            words, env=environment, stdin=subprocess.DEVNULL, stdout=into, stderr=complaints
        )
        return process.wait, process.kill
    pid = os.posix_spawnp(
        words[0],
        words,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, into, 1),
            (os.POSIX_SPAWN_DUP2, complaints, 2),
        ],
    )
    kill = 9  # SIGKILL everywhere, without importing signal
    return lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), lambda: os.kill(pid, kill)


def _wide_pipe() -> tuple[int, int]:
    """Make a pipe in which Git can go ahead of us, where the system can make one wider."""
    ends = os.pipe()
    try:
        import fcntl

        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 1 << 20)
    except (ImportError, AttributeError, OSError):
        pass  # an ordinary pipe does as well
    return ends


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):  # importing tempfile takes as long as a small git log
        return os.memfd_create("git-stderr")
    from tempfile import TemporaryFile

    with TemporaryFile() as file:
        return os.dup(file.fileno())


def _failed(repository: str, complaints: str) -> GareError:
    from gare.errors import ConnectorError

    first = complaints.splitlines()[0].removeprefix("fatal: ").rstrip(".")
    return ConnectorError(
        f"Git cannot read the history: {first}.", where=f"repository {repository}"
    )


def _version_tag(decoration: str, prefix: str) -> str:
    """Choose the tag that names the version of a commit; a final version goes before its pre-releases."""
    names = (name.removeprefix("tag: ") for name in decoration.split(", "))
    fitting = [name for name in names if looks_like_version(name[len(prefix) :])]
    return min(fitting, key=lambda name: ("-" in name[len(prefix) :], name), default="")


def looks_like_version(text: str) -> bool:
    """Tell versions from other tags, quickly; what is released `gare.domain.versions` decides."""
    numbers = text.partition("+")[0].partition("-")[0].split(".")
    return len(numbers) == 3 and all(n.isdecimal() and (n[0] != "0" or n == "0") for n in numbers)


def _literal(text: str) -> str:
    """Quote text for Git's patterns."""
    return "".join(f"\\{c}" if c in "*?[\\" else c for c in text)


def _print_since_tag(repository: str, prefix: str) -> None:
    child = _Child(repository, _describe_words(prefix, "HEAD"))
    from gare.domain.commits import read_changes  # imported while Git looks for the tag
    from gare.domain.notes import render

    tag = _nearest(repository, prefix, "HEAD", child)
    changes = read_changes(log(repository, f"refs/tags/{tag}" if tag else "", "HEAD"))
    _print(render(f"Since {tag}" if tag else "Unreleased", changes))


def _print_full(repository: str, prefix: str) -> None:
    groups = versions(repository, "HEAD", prefix)
    from gare.domain.commits import read_changes  # imported while Git is at work already
    from gare.domain.notes import render

    for tag, commits in groups:
        if commits:
            title = f"{tag[len(prefix) :]} ({commits[0].date[:10]})" if tag else "Unreleased"
            _print(render(title, read_changes(commits)) + "\n")


def _print(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))


def main(words: Sequence[str]) -> int:
    """Print notes; return the exit code."""
    options = [word for word in words if word.startswith("--")]
    places = [word for word in words if not word.startswith("--")]
    prefix = "v"
    tell = _print_since_tag
    for option in options:
        name, _, value = option.partition("=")
        if name == "--tag-prefix":
            prefix = value
        elif option == "--full":
            tell = _print_full
        elif option != "--since-tag":
            places = []
    if len(places) != 1:
        print(_USAGE, file=sys.stderr)  # noqa: T201
        return 2
    try:
        tell(places[0], prefix)
        sys.stdout.flush()
    except Exception as error:
        from gare.errors import GareError

        if not isinstance(error, GareError):
            raise
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    import gc

    gc.disable()  # nothing here refers to itself
    code = main(sys.argv[1:])
    sys.stderr.flush()
    # Taking the interpreter down piece by piece takes longer than reading a small range.
    os._exit(code)
