"""What a person reads about releases: status, why, log, evidence; with the station down."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest

from gare.cli.app import run
from gare.domain.approvals import Answer
from gare.domain.releases import ReleaseState, StepState
from gare.ledger.ledger import Ledger

STATION = """\
name: demo
people:
  - {name: alice, email: alice@example.org, groups: [developers]}
  - {name: ann, email: ann@example.org, groups: [developers]}
  - {name: bob, email: bob@example.org, groups: [operations]}
  - {name: rita, email: rita@example.org, groups: [operations]}
"""
DOWN = "The station does not answer: No station is up here."


@pytest.fixture(scope="session")
def story() -> ModuleType:
    name = "gare_tests_story"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "ledger" / "story.py"
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A station that is not up."""
    (tmp_path / "station.yaml").write_text(STATION)
    monkeypatch.setenv("GARE_STATION", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ledger(station: Path, story: ModuleType) -> Ledger:
    return Ledger(f"sqlite:///{station / '.gare' / 'ledger.db'}", clock=story.Clock())


@pytest.fixture
def gare(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line; return exit code, output, errors."""

    def call(*args: str) -> tuple[int, str, str]:
        code = run(list(args))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def released(ledger, station: Path, story):
    (station / "tmp").mkdir()
    return story.tell(ledger, station / ".gare" / "store", station / "tmp")


@pytest.fixture
def waiting(ledger, station: Path, story):
    """A release that waits for votes and for a manual step."""
    (station / "tmp").mkdir()
    release, plan = story.open_release(ledger)
    story.build_and_validate(ledger, release, station / ".gare" / "store", station / "tmp")
    story.ask(ledger, release, plan)
    return release


def test_smoke(station, gare, waiting, ledger, story):
    for args in (["status"], ["status", "R-1"], ["why", "R-1"], ["log", "R-1"], ["log","R-1","--events"], ["evidence", "R-1", "-o", "x.zip"], ["evidence","verify","x.zip"], ["why","R-1","--json"]):
        code, out, err = gare(*args)
        print("$", *args, code); print(out); print(err)
    assert 0
