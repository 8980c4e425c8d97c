"""A small real project in a real Git repository with a bare remote, and a station around it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from gare.config.loader import load_station
from gare.wiring import Gare

PEOPLE = """
people:
  - {name: alice, email: alice@example.org, groups: [managers]}
  - {name: bob, email: bob@example.org, groups: [qa]}
  - {name: carol, email: carol@example.org, groups: [operations]}
  - {name: dave, email: dave@example.org, groups: [qa]}
"""
GARE_YAML = """
name: shop
source: {type: git, branch: main}
build:
  commands: ["python3 make.py build"]
  artifacts: ["dist/*.tar.gz"]
  sbom: none
test:
  commands: ["python3 make.py test"]
  junit: ["report.xml"]
environments:
  production:
    target: {type: directory, path: ../production, version: {command: "cat version.txt"}}
"""
MAKE_PY = """
import pathlib, sys, tarfile, os
if sys.argv[1] == "build":
    pathlib.Path("dist").mkdir()
    pathlib.Path("version.txt").write_text(os.environ["GARE_VERSION"] if not pathlib.Path("broken").exists() else "0.0.0")
    with tarfile.open("dist/shop.tar.gz", "w:gz") as tar:
        tar.add("version.txt")
    print("built", os.environ["GARE_VERSION"])
else:
    pathlib.Path("report.xml").write_text('<testsuite name="shop"><testcase name="one" time="0.1"/></testsuite>')
"""


@dataclass(frozen=True)
class Shop:
    """The project's working repository, its remote, and the folder of the station."""

    root: Path
    work: Path
    remote: Path

    def git(self, *words: str) -> str:
        """Run git in the working repository."""
        return subprocess.run(["git", *words], cwd=self.work, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str, name: str = "app.py", text: str = "") -> str:
        """Commit a change, push it, and return its id."""
        file = self.work / name
        file.write_text(text or message)
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        self.git("push", "-q", "origin", "main", "--tags")
        return self.git("rev-parse", "HEAD")

    def configure(self, gare_yaml: str, message: str = "chore: configure") -> None:
        """Replace gare.yaml."""
        self.commit(message, "gare.yaml", gare_yaml)

    def gare(self) -> Gare:
        """Open the station afresh, as a command does."""
        return Gare(load_station(self.root))


def make_shop(root: Path, gare_yaml: str = GARE_YAML, station_yaml: str = "") -> Shop:
    """Make the project at version 1.0.0 with one feature since."""
    work, remote = root / "shop", root / "shop.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(work)], check=True)
    shop = Shop(root, work, remote)
    shop.git("config", "user.name", "Erin")
    shop.git("config", "user.email", "erin@example.org")
    shop.git("remote", "add", "origin", str(remote))
    (root / "station.yaml").write_text(f"server: {{port: 0}}\nrepositories: [shop]\n{PEOPLE}{station_yaml}")
    (work / "make.py").write_text(MAKE_PY)
    (work / "gare.yaml").write_text(gare_yaml)
    shop.commit("feat: first", text="1")
    shop.git("tag", "v1.0.0")
    shop.commit("feat(app): add the second thing\n\nRefs SHOP-2", text="2")
    return shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Return the project with its station, not started."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "GARE_"))]:
        monkeypatch.delenv(name)
    return make_shop(tmp_path)
