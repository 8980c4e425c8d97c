"""Whether the fix of every hotfix is on every line: looked up in the repositories, file by file.

A hotfix of the simulation adds a file `fixes/N`; a line has the fix when it has the file.
"""

import json
import sqlite3
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from world import MAINTENANCE, Repository


@dataclass
class Lines:
    """The fixes that were released, by project, and what people waived."""

    repositories: dict[str, Repository]
    waived: set[tuple[str, str]] = field(default_factory=set)
    """Hotfix and line, as people said it."""
    judged: int = 0
    _fixes: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    """Files that each hotfix brought, by project and hotfix."""

    def released(self, ledger: sqlite3.Connection, release: str, at: datetime) -> list[str]:
        """Judge a release that is out: it has all fixes that came before it. Return what it has lost."""
        kind, project, plan = ledger.execute(
            "select r.kind, r.project, p.body from releases r join plans p on p.digest = r.plan where r.number = ?",
            (int(release[2:]),),
        ).fetchone()
        if kind not in ("release", "hotfix"):
            return []
        planned = json.loads(plan)
        has = self._files(project, planned["commit"], at)
        known = self._fixes.setdefault(project, {})
        if kind == "hotfix":
            known[release] = has - self._files(project, planned["previous_commit"], at)
        self.judged += len(known)
        return [
            f"{release} is out without {sorted(files - has)} of {hotfix}"
            for hotfix, files in known.items()
            if files - has and (hotfix, planned["branch"]) not in self.waived
        ]

    def untold(self, ledger: sqlite3.Connection, at: datetime) -> list[str]:
        """Compare what Gare says of each line that is a branch with what the branch has; return the differences."""
        rows = {
            (row["release"], row["line"]): row["state"]
            for row in ledger.execute("select * from fixes")
        }
        wrong = []
        for project, hotfixes in self._fixes.items():
            for line in self._branches(project, at):
                has = self._files(project, line, at)
                for hotfix, files in hotfixes.items():
                    said = rows.get((int(hotfix[2:]), line), "nothing")
                    is_waived = (hotfix, line) in self.waived
                    wanted = "waived" if is_waived else "merged" if files <= has else ""
                    if (
                        said == "nothing"
                        or (wanted and said != wanted)
                        or (not wanted and said == "merged")
                    ):
                        wrong.append(
                            f"{project} {line}: {hotfix} stands as {said}, is {wanted or 'not there'}"
                        )
        return wrong

    def missing(self, at: datetime) -> list[tuple[str, str, str]]:
        """Return project, hotfix and branch wherever a fix is neither there nor waived."""
        return [
            (project, hotfix, line)
            for project, hotfixes in self._fixes.items()
            for line in self._branches(project, at)
            for hotfix, files in hotfixes.items()
            if (hotfix, line) not in self.waived and files - self._files(project, line, at)
        ]

    def _branches(self, project: str, at: datetime) -> list[str]:
        form = "--format=%(refname:lstrip=2)"
        found = self.repositories[project].git(
            "for-each-ref", form, "refs/heads/main", f"refs/heads/{MAINTENANCE}", at=at
        )
        return found.split()

    def _files(self, project: str, commit: str, at: datetime) -> set[str]:
        if not commit:
            return set()
        told = self.repositories[project].git("ls-tree", "--name-only", commit, "fixes/", at=at)
        return {Path(name).name for name in told.split()}
