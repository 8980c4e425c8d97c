"""What `gare train plan` prints of a train that boards by a version of Jira; the station is down."""

import copy
from collections.abc import Callable, Iterator

import pytest
from jira_project import SEED, Repository
from sandbox import sandboxed

from gare.cli.app import run
from gare.sandbox.clock import Clock


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Iterator[Repository]:
    with sandboxed({"jira": copy.deepcopy(SEED)}, clock=Clock()) as served:
        made = Repository(tmp_path, f"{served.url}/jira")
        monkeypatch.setenv("GARE_STATION", str(tmp_path))
        yield made
        assert served.invalid() == []


@pytest.fixture
def planned(repository, capsys) -> Callable[[str], str]:
    """Plan a departure by a version; return what is printed."""

    def plan(version: str) -> str:
        trains = repository.root / "trains"
        trains.mkdir(exist_ok=True)
        text = f"name: weekly\nmembers: [shop]\nboard: {{version: {version}}}\n"
        (trains / "weekly.yaml").write_text(text)
        assert run(["train", "plan", "weekly"]) == 0
        return capsys.readouterr().out

    return plan


def test_what_is_not_done_and_what_the_train_itself_releases_is_printed(planned):
    said = planned("1.1.0").splitlines()
    assert "note: shop: not done in version 1.1.0: SHOP-2" in said
    assert "outside: release version 1.1.0: Jira SHOP, for shop" in said
    assert said[-1].startswith("exactly so, at ")


def test_a_departure_that_does_not_take_place_is_told_once_and_not_how_to_start_it(planned):
    said = planned("nothere")
    assert (
        "it does not depart: empty: no member has anything to release for version nothere" in said
    )
    assert said.count("Jira SHOP has no version nothere") == 1
    assert "exactly so" not in said
