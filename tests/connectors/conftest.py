"""Real Git repositories for the tests of connectors."""

import os
import subprocess
from pathlib import Path

import pytest


class Repo:
    """A repository made commit by commit, with a clock of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self._minute = folder, 0
        subprocess.run(["git", "init", "-q", "-b", "main", *options, str(folder)], check=True)

    def git(self, *words: str, stdin: str | bytes | None = None, **env: str) -> str:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            ["git", *words],
            cwd=self.folder,
            input=data,
            capture_output=True,
            check=True,
            env={**os.environ, **env},
        )
        return done.stdout.decode("utf-8", "replace").strip()

    def commit(
        self, message: str | bytes, path: str = "a.txt", text: str | None = None, *options: str
    ) -> str:
        """Change a file and commit it a minute after the last commit; return the commit."""
        self._minute += 1
        at = f"2026-03-01T10:{self._minute:02}:00+02:00"
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{self._minute}\n" if text is None else text)
        self.git("add", "--", path)
        words = (
            "commit",
            "-q",
            "--allow-empty",
            "--allow-empty-message",
            "--cleanup=verbatim",
            "-F",
            "-",
        )
        self.git(*words, *options, stdin=message, GIT_AUTHOR_DATE=at, GIT_COMMITTER_DATE=at)
        return self.git("rev-parse", "HEAD")

    def merge(self, *branches: str, message: str) -> str:
        self._minute += 1
        at = f"2026-03-01T10:{self._minute:02}:00+02:00"
        words = (
            "merge",
            "-q",
            "--no-ff",
            "-s",
            "octopus" if len(branches) > 1 else "ort",
            "-m",
            message,
        )
        self.git(*words, *branches, GIT_AUTHOR_DATE=at, GIT_COMMITTER_DATE=at)
        return self.git("rev-parse", "HEAD")

    def snapshot(self) -> dict[str, bytes]:
        """Return every file of the repository that is not an object: to show that nothing was touched."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and "objects" not in path.relative_to(self.folder).parts
        }


@pytest.fixture
def git_home(tmp_path, monkeypatch):
    """A home folder with an identity; nothing of the machine's own Git configuration is seen."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("GIT_", "SSH_"))]:
        monkeypatch.delenv(name)
    config = home / ".gitconfig"
    config.write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return config


@pytest.fixture
def repo(tmp_path, git_home):
    return Repo(tmp_path / "work")


@pytest.fixture
def new_repo(git_home):
    return Repo
