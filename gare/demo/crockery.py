"""Three small projects beside the shop, and the train that they depart with: one of them does not hold."""

from dataclasses import dataclass
from pathlib import Path

from gare.demo.project import git_as_anybody, write

TRAIN = "crockery"
SOUND, CRACKED, NEEDING = "cups", "saucers", "tea-sets"
"""Tea sets need cups and saucers; the saucers of today are cracked."""
_PROJECT = """\
# A project without a build: its artifact is a file of the repository.
name: {name}
source: {{path: ../{train}/{name}, branch: main, remote: ''}}
gates: []
build: {{artifacts: [label.txt], sbom: none}}
environments:
  shelf:
    target:
      type: directory
      path: ../environments/shelf/{name}
      health: {{command: [sh, -c, "! grep -q cracked label.txt"], timeout: 1s}}
steps:
  - {{id: test, type: test, skip: true}}
  - {{id: validate, type: validate, skip: true}}
"""
_TRAIN = f"""\
# Depart together, in order. `gare train plan {TRAIN}` shows what that comes to.
name: {TRAIN}
title: Crockery
members: [{SOUND}, {CRACKED}, {NEEDING}]
needs:
  {NEEDING}: [{SOUND}, {CRACKED}]
on_failure: drop      # the member that fails, and those that need it
schedule:
  cron: "0 10 * * 2"  # Tuesdays at ten; the demo does not wait for that
  zone: Europe/Paris
"""
_AT = {"GIT_AUTHOR_DATE": "1774000000 +0000", "GIT_COMMITTER_DATE": "1774000000 +0000"}
_BY = {
    f"GIT_{role}_{part}": said
    for role in ("AUTHOR", "COMMITTER")
    for part, said in (("NAME", "Dora Lindqvist"), ("EMAIL", "dora@teashop.example"))
}


@dataclass(frozen=True, slots=True)
class Crockery:
    """The train's projects in the demo's folder."""

    folder: Path

    def make(self) -> None:
        """Write the projects, their repositories and the train."""
        for name in (SOUND, CRACKED, NEEDING):
            text = _PROJECT.format(name=name, train=TRAIN)
            write(self.folder / "projects" / f"{name}.yaml", text)
            self._repository(name)
        write(self.folder / "trains" / f"{TRAIN}.yaml", _TRAIN)

    def on_the_shelf(self, name: str) -> str:
        """Return the label of what stands on the shelf; empty when nothing does."""
        label = self.folder / "environments" / "shelf" / name / "current" / "label.txt"
        return label.read_text(encoding="utf-8").strip() if label.is_file() else ""

    def _repository(self, name: str) -> None:
        repository = self.folder / TRAIN / name
        repository.mkdir(parents=True)
        git_as_anybody(repository, "init", "--quiet", "--initial-branch=main")
        write(repository / "label.txt", f"{name}{', cracked' if name == CRACKED else ''}\n")
        git_as_anybody(repository, "add", "--all")
        git_as_anybody(
            repository, "commit", "--quiet", "--message", f"feat: {name}", env={**_AT, **_BY}
        )
