"""What `gare release` says before it starts anything; the station is down."""

import pytest
from released_project import ReleasedProject

from gare.cli.app import run
from gare.domain.releases import ReleaseState
from gare.requests import ReleaseRequest


@pytest.fixture
def shop(tmp_path, monkeypatch) -> ReleasedProject:
    made = ReleasedProject(tmp_path)
    monkeypatch.setenv("GARE_STATION", str(tmp_path))
    monkeypatch.delenv("GARE_TOKEN", raising=False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return made


@pytest.fixture
def notes(capsys):
    """Release the project; return the notes that are printed before it is started."""

    def release(*words: str) -> list[str]:
        assert run(["release", "shop", *words]) == 2, "the station is down"
        return [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]

    return release


def test_a_release_names_those_under_way_and_the_one_that_takes_its_version(shop, notes):
    assert notes() == []
    gare = shop.gare()
    for number, version in enumerate(("", "2.0.0", "3.0.0")):
        asked = ReleaseRequest(project="shop", version=version)
        digest, plan = gare.drafting.make(asked)
        gare.ledger.releases.open(digest, plan, f"run {number}", "", "")
    gare.ledger.releases.mark("R-3", ReleaseState.FAILED, actor="gare", end="stands still")
    first = gare.ledger.releases.get("R-1").version
    then = "this one is queued behind it"
    told = [
        f"note: R-1 ({first}) is running; {then}, and planned anew, or ended, when that version is taken",
        f"note: R-2 (2.0.0) is running; {then}",
    ]
    assert notes() == told
    assert notes("--plan", gare.ledger.releases.get("R-1").plan) == told


def test_a_plan_that_is_not_stored_is_told_before_anything_is_started(shop, capsys):
    digest = f"sha256:{'0' * 64}"
    assert run(["release", "shop", "--plan", digest]) == 2
    assert f"No plan with digest {digest} is stored." in capsys.readouterr().err
