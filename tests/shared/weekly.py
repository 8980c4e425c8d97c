"""A station with two projects, each a Git repository, and a weekly train of both: its files."""

import subprocess
from pathlib import Path

STATION = """\
people:
  - {name: alice, email: alice@example.org, groups: [managers]}
environments: {production: {}}
repositories: [api, web]
"""
PROJECT = """\
name: NAME
source: {type: git, branch: main, remote: ''}
environments: {production: {target: {type: directory, path: ../production}}}
"""
TRAIN = """\
name: weekly
members: [web, api]
needs: {web: [api]}
schedule: {cron: 0 10 * * 2, zone: Europe/Paris}
"""


def make_project(root: Path, name: str) -> None:
    folder = root / name
    folder.mkdir()
    (folder / "gare.yaml").write_text(PROJECT.replace("NAME", name))
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        ("-c", "user.name=Erin", "-c", "user.email=e@example.org", "commit", "-qm", "feat: first"),
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
