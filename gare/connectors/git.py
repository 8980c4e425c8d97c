"""Git (interim)."""

import subprocess
from pathlib import Path
from typing import Literal

from gare.settings import Settings


class GitSettings(Settings):
    """A Git repository."""

    type: Literal["git"] = "git"
    path: str = "."
    url: str = ""
    branch: str = ""
    remote: str = "origin"
    tag_prefix: str = "v"
    paths: tuple[str, ...] = ()


class Git:
    def __init__(self, settings, base: Path, state: Path):
        self.s, self.path = settings, base / settings.path

    def _g(self, *w, check=True, input=None):
        return subprocess.run(["git", *w], cwd=self.path, capture_output=True, text=True, check=check, input=input).stdout.strip()

    def check(self, *, allow_dirty=False):
        return []

    def head(self, ref=""):
        from gare.ports.source import Head
        b = ref or self.s.branch or self._g("symbolic-ref", "--short", "HEAD")
        return Head(b, self._g("rev-parse", "--verify", b + "^{commit}"))

    def tags(self, reachable_from=""):
        from gare.ports.source import Tag
        w = ["for-each-ref", "--format=%(refname:short) %(objectname) %(*objectname)", "refs/tags"]
        if reachable_from:
            w.insert(1, f"--merged={reachable_from}")
        return [Tag(p[0], p[-1]) for p in (line.split() for line in self._g(*w).splitlines())]

    def commits(self, since, until, paths=()):
        from gare.connectors.git_history import log
        return log(str(self.path), since, until, paths)

    def read_file(self, commit, path):
        return self._g("show", f"{commit}:{path}")

    def checkout(self, commit, folder):
        subprocess.run(["git", "clone", "-q", "--no-checkout", str(self.path), str(folder)], check=True)
        subprocess.run(["git", "checkout", "-q", "--detach", commit], cwd=folder, check=True)

    def remote_tag(self, name):
        return self.look_tag(name)[0]

    def look_tag(self, name):
        if not self._g("tag", "-l", name):
            return "", ""
        return self._g("rev-parse", name + "^{commit}"), self._g("tag", "-l", "--format=%(contents)", name)

    def write_tag(self, name, commit, message, *, push):
        self._g("tag", "-a", "-F", "-", name, commit, input=message)
        if push:
            self._g("push", "-q", self.s.remote, f"refs/tags/{name}")
        return self._g("rev-parse", name)

    def look_file(self, path):
        return ""

    def write_file(self, path, text, message, *, push):
        return ""
