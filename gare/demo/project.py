"""Makes the demo's folder: a project with its history, its remote, two environments, and a station for them.

    DIR/station.yaml             the station: people, environments, who approves
    DIR/sandbox.yaml             what GitLab and Jira know at the beginning; their tokens are in secrets/
    DIR/teashop/                 the project, a clone of …
    DIR/remote.git/              … its remote
    DIR/environments/NAME/       where it is deployed; `shared/settings.json` is what only this environment knows

The history is made with `git fast-import` and fixed dates: the same ports give the same commits on every machine.
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from gare.demo.history import HISTORY, TAGS, DemoCommit, filled, tree_at
from gare.errors import Conflict, Unavailable, UnexpectedReply
from gare.files import locked, write_atomic

MARKER = ".gare-demo"
PROJECT = "teashop"
FIRST_VERSION, NEXT_VERSION = "1.3.0", "1.4.0"
_FORMAT = "a folder of `gare demo`, format 1; it may be removed as a whole\n"
HOSTED = "shop/teashop"
SEED = "sandbox.yaml"
TOKENS = {"gitlab": "demo-gitlab-token", "jira": "demo-jira-token"}
"""Of the simulated GitLab and Jira, which know no others and end with the demo."""
_PORTS = range(8301, 8398, 3)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the shop listens on this machine, by environment, and GitLab and Jira."""

    staging: int = 8301
    production: int = 8302
    vendors: int = 8303

    @property
    def values(self) -> dict[str, str]:
        """Return what stands for them in the demo's files."""
        return {
            "staging-port": str(self.staging),
            "production-port": str(self.production),
            "vendors": f"http://127.0.0.1:{self.vendors}",
        }


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo's folder once it is made. `head` is the commit to release first."""

    folder: Path
    ports: Ports
    head: str

    @property
    def repository(self) -> Path:
        """Return the project's working copy."""
        return self.folder / PROJECT

    @property
    def remote(self) -> Path:
        """Return the project's bare remote."""
        return self.folder / "remote.git"

    def address(self, environment: str) -> str:
        """Return where the shop answers in an environment."""
        return f"http://127.0.0.1:{getattr(self.ports, environment)}"


def claim(folder: Path, *, is_fresh: bool = False) -> None:
    """Make sure that the folder is free or an earlier demo of ours, which is removed when `is_fresh`.

    Raises Conflict for anything else, and for a demo that is still running.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / MARKER).is_file():
        raise Conflict(
            "This folder exists and is no demo of ours; it is left alone.",
            where=str(folder),
            hint="Name another folder: `gare demo --folder DIR`.",
        )
    if not is_fresh:
        raise Conflict(
            "An earlier demo is kept here.",
            where=str(folder),
            hint="Replace it with `gare demo --fresh`, or name another folder: `gare demo --folder DIR`.",
        )
    shutil.rmtree(folder)


def make_demo(folder: Path, ports: Ports) -> Demo:
    """Make the whole folder, which `claim` found free. Raises ConfigError when git is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / MARKER, _FORMAT)
    commits = _make_repository(folder, ports)
    demo = Demo(folder, ports, commits[HISTORY[-1].number])
    _configure(demo, commits)
    for environment, settings in _settings(ports).items():
        shared = folder / "environments" / environment / "shared"
        write(shared / "settings.json", json.dumps(settings, indent=1) + "\n")
    return demo


def _configure(demo: Demo, commits: Mapping[int, str]) -> None:
    """Write the station, and what GitLab and Jira begin with; merge requests name commits of the history."""
    values = {
        **demo.ports.values,
        **{f"commit-{number}": commit for number, commit in commits.items()},
        **{f"{vendor}-token": token for vendor, token in TOKENS.items()},
        "repository": json.dumps(str(demo.remote)),
    }
    for name in ("station.yaml", SEED):
        text = (files("gare.demo") / "files" / f"{name}.in").read_text(encoding="utf-8")
        write(demo.folder / name, filled(text, values))
    for vendor, token in TOKENS.items():
        write(demo.folder / "secrets" / vendor, f"{token}\n")


def commit_more(
    demo: Demo, commits: tuple[DemoCommit, ...], branch: str = "main", start: str = ""
) -> str:
    """Commit and push further commits, as their authors would; return the new head.

    With a `start`, they are put on a new branch that begins there.
    """
    copy, values = demo.repository, demo.ports.values
    git_as_anybody(copy, "pull", "--quiet", "--ff-only", "origin", "main")
    if start:
        git_as_anybody(copy, "switch", "--quiet", "--create", branch, start)
    for commit in commits:
        before = tree_at(commit.parents[0], values)
        for path, text in tree_at(commit.number, values).items():
            # Only what this commit changes: Gare has put its notes into the changelog meanwhile.
            if before.get(path) != text:
                write(copy / path, text)
        git_as_anybody(copy, "add", "--all")
        git_as_anybody(
            copy, "commit", "--quiet", "--message", commit.message, env=_identity(commit)
        )
    git_as_anybody(copy, "push", "--quiet", "origin", branch)
    head = git_as_anybody(copy, "rev-parse", "HEAD")
    git_as_anybody(copy, "switch", "--quiet", "main")
    return head


def remote_tag(demo: Demo, name: str) -> tuple[str, str]:
    """Return the commit and the message of a tag on the remote; empty when it has none."""
    if not git_as_anybody(demo.remote, "tag", "--list", "--", name):
        return "", ""
    commit = git_as_anybody(
        demo.remote, "rev-parse", "--verify", "--end-of-options", f"refs/tags/{name}^{{commit}}"
    )
    return commit, git_as_anybody(demo.remote, "cat-file", "tag", f"refs/tags/{name}")


def subjects(commits: tuple[DemoCommit, ...]) -> list[str]:
    """Return the first line of each commit, as a person lists them."""
    return [commit.message.partition("\n")[0] for commit in commits]


@contextmanager
def free_ports() -> Iterator[Ports]:
    """Give three free ports side by side, the same ones each time when nobody has them, and keep them in the block.

    They stand in the project's gare.yaml, so other ports make other commits. The lock keeps demos apart that start
    at the same moment; it ends with the process.
    """
    for first in _PORTS:
        lock = Path(tempfile.gettempdir()) / f"gare-demo-{first}.lock"
        with ExitStack() as held:
            try:
                held.enter_context(locked(lock, wait_s=0, what=str(lock), say=_silent))
            except (Unavailable, PermissionError):
                continue
            ports = Ports(first, first + 1, first + 2)
            if all(_is_free(port) for port in range(first, first + 3)):
                yield ports
                return
    raise Unavailable(
        "The demo finds no three free ports side by side.",
        where=f"127.0.0.1, {_PORTS.start} to {_PORTS.stop}",
        hint="End what listens there.",
    )


def _silent(_line: str) -> None:
    """Say nothing."""


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name != "nt":
            # As the shop itself does: connections of a demo that ended just now do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _settings(ports: Ports) -> dict[str, dict[str, object]]:
    """Return what each environment tells the shop. Production's file says which format it has, staging's does not."""
    return {
        "staging": {"port": ports.staging, "title": "Teashop (staging)"},
        "production": {"version": 2, "port": ports.production, "title": "Teashop"},
    }


def _make_repository(folder: Path, ports: Ports) -> dict[int, str]:
    """Make the remote and the working copy; return the commits by their numbers in the history."""
    remote = folder / "remote.git"
    git_as_anybody(folder, "init", "--quiet", "--bare", "--initial-branch=main", remote.name)
    told = git_as_anybody(remote, "fast-import", "--quiet", stdin=_stream(ports))
    git_as_anybody(folder, "clone", "--quiet", remote.name, PROJECT)
    # The clone must not lose its remote when the folder is moved.
    git_as_anybody(folder / PROJECT, "remote", "set-url", "origin", f"../{remote.name}")
    numbers = (commit.number for commit in HISTORY)
    return dict(zip(numbers, told.split(), strict=True))


def _stream(ports: Ports) -> bytes:
    """Return the history as `git fast-import` reads it; it answers with the commits in their order."""
    tags = {number: name for name, number in TAGS.items()}
    parts: list[bytes] = []
    for commit in HISTORY:
        parts += [
            b"commit refs/heads/main\n",
            f"mark :{commit.number}\nauthor {_stamp(commit)}\ncommitter {_stamp(commit)}\n".encode(),
            _data(commit.message + "\n"),
            *(
                f"{word} :{parent}\n".encode()
                for word, parent in zip(("from", "merge"), commit.parents, strict=False)
            ),
            b"deleteall\n",
        ]
        for path, text in tree_at(commit.number, ports.values).items():
            parts += [f"M 100644 inline {path}\n".encode(), _data(text)]
        if name := tags.get(commit.number):
            parts.append(f"tag {name}\nfrom :{commit.number}\ntagger {_stamp(commit)}\n".encode())
            parts.append(_data(f"Teashop {name[1:]}\n"))
    parts += [f"get-mark :{commit.number}\n".encode() for commit in HISTORY]
    return b"".join(parts)


def _data(text: str) -> bytes:
    raw = text.encode()
    return b"data %d\n%b\n" % (len(raw), raw)


def _stamp(commit: DemoCommit) -> str:
    return f"{commit.author} {int(commit.at.timestamp())} +0000"


def _identity(commit: DemoCommit) -> dict[str, str]:
    name, _, email = commit.author.rstrip(">").partition(" <")
    date = f"{int(commit.at.timestamp())} +0000"
    return {
        f"GIT_{role}_{field}": value
        for role in ("AUTHOR", "COMMITTER")
        for field, value in (("NAME", name), ("EMAIL", email), ("DATE", date))
    }


def write(path: Path, text: str) -> None:
    """Write a file with its folder; lines end as Git keeps them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _git_env() -> dict[str, str]:
    """Return an environment without anybody's Git configuration: it would change commits, or sign them."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "TMPDIR", "SYSTEMROOT")
        if name in os.environ
    }
    alone = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }
    return kept | alone


def git_as_anybody(
    folder: Path, *words: str, stdin: bytes = b"", env: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Run git without anybody's configuration; return what it printed. Raises UnexpectedReply."""
    done = subprocess.run(
        ["git", *words],
        cwd=folder,
        input=stdin,
        env={**_git_env(), **env},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise UnexpectedReply(
            f"`git {words[0]}` failed: {done.stderr.decode(errors='replace').strip()}",
            where=str(folder),
            hint="Git 2.28 or newer is needed.",
        )
    return done.stdout.decode().strip()
