"""One real station for all flow tests; each test makes a small real project of its own in it.

A run loads the station's files when it starts, so a project can be added while the station is up.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from deployments.child import Program
from deployments.local import down, up_detached
from deployments.supervisor import StationSpec
from gare.config.loader import load_station
from gare.domain.releases import Release, ReleaseState
from gare.wiring import Gare

STATION_YAML = """
name: test
server: {port: 0}
rescue: {quiet: 4s, attempts: 8}
people:
  - {name: alice, email: alice@example.org, groups: [managers]}
  - {name: bob, email: bob@example.org, groups: [qa]}
  - {name: carol, email: carol@example.org, groups: [operations]}
  - {name: erin, email: erin@example.org, groups: [qa]}
"""
GARE_YAML = """
name: {name}
source: {{type: git, path: ../{name}, branch: main}}
build: {{commands: ["python3 make.py build"], artifacts: ["dist/*.tar.gz"], sbom: none}}
test: {{commands: ["python3 make.py test"], junit: ["report.xml"]}}
gates: []
environments:
  production:
    target: {{type: directory, path: ../{name}-production, version: {{command: "cat version.txt", timeout: 2s}}}}
"""
MAKE_PY = """
import os, pathlib, sys, tarfile
if sys.argv[1] == "build":
    pathlib.Path("dist").mkdir()
    broken = pathlib.Path("broken").exists()
    pathlib.Path("version.txt").write_text("0.0.0" if broken else os.environ["GARE_VERSION"])
    with tarfile.open("dist/app.tar.gz", "w:gz") as tar:
        tar.add("version.txt")
    print("built", os.environ["GARE_VERSION"], "secret" in os.environ)
else:
    pathlib.Path("report.xml").write_text('<testsuite name="app"><testcase name="one" time="0.1"/></testsuite>')
"""


@dataclass
class Shop:
    """A project of the station: its repository, its remote, and the commands people use."""

    name: str
    root: Path
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        return self.root / self.name

    @property
    def remote(self) -> Path:
        return self.root / f"{self.name}.git"

    @property
    def production(self) -> Path:
        return self.root / f"{self.name}-production"

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.work, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, message: str, name: str = "app.py", text: str = "") -> str:
        (self.work / name).write_text(text or message)
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        self.git("push", "-q", "origin", "main", "--tags")
        return self.git("rev-parse", "HEAD")

    def configure(self, more: str = "", **replaced: str) -> None:
        """Write the project's file: the standard one, keys replaced, `more` at its end."""
        text = GARE_YAML.format(name=self.name)
        for key, value in replaced.items():
            text = "\n".join(
                f"{key}: {value}" if line.startswith(f"{key}:") else line
                for line in text.splitlines()
            )
        (self.root / "projects" / f"{self.name}.yaml").write_text(text + more)

    def configure_approval(self, rule: str = "{groups: {qa: 1, operations: 1}}") -> None:
        """Let production ask for votes."""
        text = GARE_YAML.format(name=self.name) + f"    approval: {rule}\n"
        (self.root / "projects" / f"{self.name}.yaml").write_text(text)

    def gare(self) -> Gare:
        """Open the station afresh, as a command does."""
        return Gare(load_station(self.root))

    def run(self, *words: str, person: str = "", code: int | None = 0) -> str:
        """Run a `gare` command as a user does; return what it printed."""
        env = {**os.environ, "GARE_STATION": str(self.root)}
        env.pop("GARE_TOKEN", None)
        if person:
            env["GARE_TOKEN"] = self.token(person)
        done = subprocess.run(
            [sys.executable, "-m", "gare", *words],
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
        )
        said = done.stdout + done.stderr
        assert code is None or done.returncode == code, said
        return said

    def token(self, person: str) -> str:
        if person not in self.tokens:
            self.tokens[person] = self.gare().ledger.tokens.create(person, actor="test")
        return self.tokens[person]

    def release(self, *words: str, code: int | None = 0, person: str = "alice") -> str:
        """Start a release and follow it until it ends or people must act."""
        return self.run("release", self.name, "--until-waiting", *words, code=code, person=person)

    def last(self) -> Release:
        return self.gare().ledger.releases.find(project=self.name)[0]

    def wait_for(self, *states: ReleaseState, timeout_s: float = 60) -> Release:
        """Wait until the last release stands at one of these states."""
        deadline = time.monotonic() + timeout_s
        while (release := self.last()).state not in states:
            if time.monotonic() > deadline:
                raise AssertionError(f"{release} did not reach {states}")
            time.sleep(0.2)
        return release

    def assert_once(self) -> None:
        """Every step of the last release was done once, every effect has one receipt, and the evidence says so."""
        release, ledger = self.last(), self.gare().ledger
        events = ledger.database.events(release.id)
        done = [event.body for event in events if event.kind == "step done"]
        assert len(done) == len(set(done)) == len(ledger.releases.steps(release.id))
        effects = ledger.effects.of(release.id)
        assert all(effect.receipt is not None for effect in effects)
        receipts = [event for event in events if event.kind in ("effect done", "effect adopted")]
        assert len(receipts) == len(effects)
        bundle = str(self.root / f"{release.id}.zip")
        self.run("evidence", release.id, "-o", bundle)
        self.run("evidence", "verify", bundle)

    def events(self) -> list[str]:
        return [event.kind for event in self.gare().ledger.database.events(self.last().id)]


@pytest.fixture(scope="session")
def station_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start a real station once; its folder."""
    yield from _station(tmp_path_factory.mktemp("station"))


@pytest.fixture
def own_station(tmp_path: Path) -> Iterator[Path]:
    """Start a station for a test that does something to its ledger; its folder."""
    yield from _station(tmp_path)


def _station(root: Path) -> Iterator[Path]:
    (root / "station.yaml").write_text(STATION_YAML)
    (root / "projects").mkdir()
    reconciler = Program("reconciler", "The reconciler", ("gare.reconciler",))
    spec = StationSpec("test", root, root / ".gare", port=0, gateway_port=0, extras=(reconciler,))
    up_detached(spec, say=print)
    yield root
    down(spec.state, say=print)


@pytest.fixture
def shop(station_root: Path, request: pytest.FixtureRequest) -> Shop:
    """Make a project at version 1.0.0 with one feature since."""
    name = "".join(char for char in request.node.name.lower() if char.isalnum())
    return make_shop(station_root, f"p{name[-40:]}")


@pytest.fixture
def new_shop(station_root: Path) -> Callable[[str], Shop]:
    """Give the way to make projects of any name."""
    return partial(make_shop, station_root)


@pytest.fixture
def make() -> Callable[[Path, str], Shop]:
    """Give the way to make a project in any station."""
    return make_shop


@pytest.fixture(scope="module")
def released(station_root: Path, request: pytest.FixtureRequest) -> Shop:
    """Make a project and release it once, for tests that only look."""
    shop = make_shop(station_root, f"released-{request.path.stem}")
    shop.release()
    return shop


@pytest.fixture(scope="module")
def waiting(station_root: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Make a project whose release waits for votes, for tests that change nothing."""
    shop = make_shop(station_root, f"waiting-{request.path.stem}")
    shop.configure_approval()
    shop.release()
    shop.wait_for(ReleaseState.WAITING)
    yield shop
    shop.run("cancel", shop.last().id, code=None)


def make_shop(root: Path, name: str) -> Shop:
    """Make a real project of this name in the station."""
    shop = Shop(name, root)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(shop.remote)], check=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(shop.work)], check=True)
    shop.git("config", "user.name", "Erin")
    shop.git("config", "user.email", "erin@example.org")
    shop.git("remote", "add", "origin", str(shop.remote))
    (shop.work / "make.py").write_text(MAKE_PY)
    shop.commit("feat: first", text="1")
    shop.git("tag", "v1.0.0")
    shop.commit("feat(app): add the second thing\n\nRefs SHOP-2", text="2")
    shop.configure()
    return shop
