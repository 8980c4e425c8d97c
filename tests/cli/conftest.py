"""A station with a weekly train, and the way to say `gare train` to it; the station is down."""

from collections.abc import Callable
from pathlib import Path

import pytest
from weekly import STATION, TRAIN, make_project

from gare.cli.app import run
from gare.config.loader import load_station
from gare.wiring import Gare


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gare:
    (tmp_path / "station.yaml").write_text(STATION)
    (tmp_path / "trains").mkdir()
    (tmp_path / "trains" / "weekly.yaml").write_text(TRAIN)
    for name in ("api", "web"):
        make_project(tmp_path, name)
    monkeypatch.setenv("GARE_STATION", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    gare = Gare(load_station(tmp_path))
    monkeypatch.setenv("GARE_TOKEN", gare.ledger.tokens.create("alice", actor="test"))
    return gare


@pytest.fixture
def say(station, capsys) -> Callable[..., tuple[int, str]]:
    """Run a command of `gare train`; return its exit code and all that it said."""

    def call(*words: str) -> tuple[int, str]:
        try:
            code = run(["train", *words])
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, said.out + said.err

    return call
