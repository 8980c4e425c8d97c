"""Where a release's head digest stands outside Gare: the message of its annotated Git tag.

Reads one object with the `git` program; needs no station. Nothing of the repository's settings is run by it.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gare.errors import ConfigError, NotFound

_NAME = re.compile(r"[0-9A-Za-z_][0-9A-Za-z._/+-]{0,200}")
_TIMEOUT_S = 30
_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tag:
    """An annotated tag: the commit it points to and its message."""

    name: str
    commit: str
    message: str


def read_tag(repository: Path, name: str) -> Tag:
    """Return an annotated tag. Raises ConfigError for a folder that is no repository, NotFound for the rest."""
    where = f"{repository}, tag {name}"
    if not _NAME.fullmatch(name) or ".." in name:
        raise NotFound(
            f"{name!r} cannot be a tag's name.",
            where=str(repository),
            hint="Is it this bundle's repository?",
        )
    _git(repository, ["rev-parse", "--git-dir"], f"{repository} is no Git repository.", ConfigError)
    missing = f"The repository has no annotated tag {name}."
    text = _git(repository, ["cat-file", "tag", f"refs/tags/{name}"], missing, NotFound)
    head, _, message = text.partition("\n\n")
    commit = next((line[7:] for line in head.splitlines() if line.startswith("object ")), "")
    if not commit:
        raise NotFound(missing, where=where, hint="Fetch its tags first.")
    return Tag(name, commit, message)


def trailers(message: str) -> dict[str, str]:
    """Return the `Key: value` lines of a tag's message; the last one of a key counts."""
    found = re.findall(r"^(Gare-[A-Za-z]+): (\S+)\s*$", message, flags=re.MULTILINE)
    return dict(found)


def _git(
    repository: Path, words: list[str], what: str, error: type[ConfigError] | type[NotFound]
) -> str:
    hint = "Name the repository that was released from, and `git fetch --tags` there first."
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",  # no network: a partial clone must not fetch
    }
    try:
        done = subprocess.run(
            ["git", "-C", str(repository), *words],
            env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
    except FileNotFoundError as cause:
        raise ConfigError(
            "Git is not installed.", where="PATH", hint="Install git, or give --head."
        ) from cause
    except subprocess.TimeoutExpired as cause:
        raise error(
            f"Git did not answer within {_TIMEOUT_S} s.", where=str(repository), hint=hint
        ) from cause
    if done.returncode or len(done.stdout) > _MAX_BYTES:
        said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise error(what, where=said or str(repository), hint=hint)
    return done.stdout.decode("utf-8", "replace")
