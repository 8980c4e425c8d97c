"""What a Git repository says about itself before it has a gare.yaml: branch, remote, tags, habits. Reads only.

Runs `git` itself, not GitPython: a question each, no history walked, and the import costs more than the answers.
"""

import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from gare.errors import ConfigError, NotFound, Unavailable

_TIMEOUT_S = 30
_VERSION_TAG = re.compile(
    r"(?P<prefix>(?:[A-Za-z_]|[A-Za-z0-9_][A-Za-z0-9_./@+-]*[A-Za-z_/@+-])?)(?P<version>\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)"
)
_CONVENTIONAL = re.compile(r"[a-zA-Z]+(\([^)]*\))?!?: \S")
_TICKET = re.compile(r"\b([A-Z][A-Z0-9]+)-\d+\b")
_NO_TICKETS = frozenset(
    {"UTF", "SHA", "ISO", "RFC", "PEP", "CVE", "CWE", "GHSA", "MD", "HTTP", "BSD", "GPL", "X86"}
)
_RECENT = 200


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository as `gare init` finds it. Empty texts: there is none."""

    top: Path
    branch: str
    remote: str
    remotes: tuple[str, ...]
    last_tag: str
    tag_prefix: str
    commits: int
    """Commits looked at, the newest ones."""
    conventional: int
    """How many of them are conventional commits."""
    ticket_key: str
    """The tracker's project key met most often in them."""
    person: str
    email: str
    is_shallow: bool
    is_detached: bool


def look(folder: Path) -> Repository:
    """Look at the repository that holds `folder`. Raises ConfigError when there is none with a working tree."""
    if not folder.is_dir():
        raise ConfigError(
            "There is no such folder.", where=str(folder), hint="Name a Git repository's folder."
        )
    top = _top(folder)
    current = _ask(top, "symbolic-ref", "--quiet", "--short", "HEAD")
    remotes = tuple(_ask(top, "remote").splitlines())
    remote = "origin" if "origin" in remotes else remotes[0] if remotes else ""
    last_tag, prefix = _last_version_tag(top)
    subjects = _ask(top, "log", f"--max-count={_RECENT}", "--no-merges", "--format=%s").splitlines()
    return Repository(
        top=top,
        branch=_default_branch(top, remote, current),
        remote=remote,
        remotes=remotes,
        last_tag=last_tag,
        tag_prefix=prefix,
        commits=len(subjects),
        conventional=sum(bool(_CONVENTIONAL.match(subject)) for subject in subjects),
        ticket_key=_ticket_key(subjects),
        person=_ask(top, "config", "user.name"),
        email=_ask(top, "config", "user.email"),
        is_shallow=_ask(top, "rev-parse", "--is-shallow-repository") == "true",
        is_detached=not current,
    )


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
        )
    except FileNotFoundError as error:
        raise NotFound(
            "There is no `git` on this machine.", where="PATH", hint="Install Git."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(
            f"`git {words[0]}` gave no answer within {_TIMEOUT_S} s.",
            where=str(folder),
            hint="Try again.",
        ) from error


def _ask(folder: Path, *words: str) -> str:
    """Return git's answer, empty when it has none."""
    done = _run(folder, *words)
    return done.stdout.strip() if done.returncode == 0 else ""


def _top(folder: Path) -> Path:
    done = _run(folder, "rev-parse", "--show-toplevel")
    if done.returncode == 0 and done.stdout.strip():
        return Path(done.stdout.rstrip("\n"))
    if "dubious ownership" in done.stderr:
        raise ConfigError(
            "Git does not read this repository: it belongs to another user.",
            where=str(folder),
            hint=f"Run `git config --global --add safe.directory {folder}` if you trust it.",
        )
    if "must be run in a work tree" in done.stderr:
        raise ConfigError(
            "This repository has no working tree.",
            where=str(folder),
            hint="Take a clone of it that has one.",
        )
    raise ConfigError(
        "This is no Git repository.",
        where=str(folder),
        hint="Go to the project's repository, or make one: `git init`, then commit.",
    )


def _default_branch(top: Path, remote: str, current: str) -> str:
    """Return the branch that releases come from: the remote's own choice first, then the usual names."""
    if remote:
        told = _ask(top, "symbolic-ref", "--quiet", "--short", f"refs/remotes/{remote}/HEAD")
        if told:
            return told.removeprefix(f"{remote}/")
    branches = _ask(top, "for-each-ref", "--format=%(refname:short)", "refs/heads/").splitlines()
    usual = (_ask(top, "config", "init.defaultBranch"), "main", "master", "trunk")
    return (
        next((name for name in usual if name and name in branches), "")
        or current
        or (branches or [""])[0]
    )


def _last_version_tag(top: Path) -> tuple[str, str]:
    """Return the newest tag that is a version, and what stands before the version in it."""
    tags = _ask(top, "for-each-ref", "--sort=-version:refname", "--sort=-creatordate", "--format=%(refname:lstrip=2)",
                "refs/tags/")  # fmt: skip
    reachable = set(
        _ask(
            top, "for-each-ref", "--merged=HEAD", "--format=%(refname:lstrip=2)", "refs/tags/"
        ).splitlines()
    )
    matches = [
        (tag, found["prefix"])
        for tag in tags.splitlines()
        if (found := _VERSION_TAG.fullmatch(tag))
    ]
    return next(
        (found for found in matches if found[0] in reachable), matches[0] if matches else ("", "")
    )


def _ticket_key(subjects: list[str]) -> str:
    counts = Counter(
        key for subject in subjects for key in set(_TICKET.findall(subject)) - _NO_TICKETS
    )
    key, times = counts.most_common(1)[0] if counts else ("", 0)
    return key if times >= 2 else ""
