"""`gare environments` and `gare hold`, with real directories as targets and the station down."""

import json
from pathlib import Path

import pytest

from gare.cli.app import run
from gare.config.loader import load_station
from gare.domain.releases import ReleaseState
from gare.ports.target import Shipment
from gare.strategies.rollout import rollout
from gare.wiring import Gare

STATION = """\
name: demo
people:
  - {name: carol, email: carol@example.org, groups: [operations]}
  - {name: mara, email: mara@example.org, groups: [managers]}
environments: {staging: {}, production: {}}
"""
PROJECT = """\
name: shop
source: {type: git, path: .}
environments:
  staging:
    target: {type: directory, path: staging, unpack: false}
  production:
    target:
      type: directory
      path: production
      unpack: false
      version: {command: "cat version.txt", timeout: 1s}
"""


class Shop:
    """A project whose environments are folders."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str], story) -> None:
        self.root, self._capsys, self._story = root, capsys, story
        self.gare = Gare(load_station(root))

    def deploy(self, environment: str, version: str) -> None:
        """Bring a version in as the deploy step does, without a word in the record."""
        file = self.root / "version.txt"
        file.write_text(version)
        shipment = Shipment("shop", environment, "R-1", version, "a" * 40, {"version.txt": file})
        target = self.gare.target_in(self.gare.project("shop"), environment)
        rollout(target, shipment, lambda _: None)

    def release(self, version: str, environment: str) -> str:
        """Release a version to one environment and verify it."""
        release = self.open(version)
        self.deploy(environment, version)
        self.gare.ledger.set_verified(release, "shop", environment, version)
        self.gare.ledger.releases.mark(release, ReleaseState.RELEASED, actor="gare")
        return release

    def open(self, version: str) -> str:
        plan, ledger = self._story.make_plan(version=version), self.gare.ledger
        run_id = f"{version}-{len(ledger.releases.find())}"
        return ledger.releases.open(ledger.plans.store(plan), plan, run_id, "rita", "").id

    def call(self, *words: str) -> tuple[int, str]:
        try:
            code = run(list(words))
        except SystemExit as end:
            code = end.code
        said = self._capsys.readouterr()
        return code, said.out + said.err

    def stands(self) -> dict[str, str]:
        said = self.call("environments", "--json")[1]
        return {one["environment"]: one["stand"] for one in json.loads(said)}


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys, story) -> Shop:
    (tmp_path / "station.yaml").write_text(STATION)
    (tmp_path / "projects").mkdir()
    (tmp_path / "projects" / "shop.yaml").write_text(PROJECT.replace(": .}", ": ..}"))
    monkeypatch.setenv("GARE_STATION", str(tmp_path))
    monkeypatch.delenv("GARE_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    return Shop(tmp_path, capsys, story)


def test_nothing_was_deployed_yet(shop):
    assert shop.call("environments", "shop")[0] == 0
    assert set(shop.stands().values()) == {"nothing yet"}


def test_what_runs_is_what_was_verified_good(shop):
    shop.release("1.0.0", "staging")
    release = shop.release("1.0.0", "production")
    code, said = shop.call("environments", "shop")
    assert code == 0
    assert said.splitlines()[2].split()[:5] == ["shop", "production", "1.0.0", "1.0.0", release]
    assert set(shop.stands().values()) == {"as recorded"}


def test_something_else_runs_than_the_record_says(shop):
    shop.release("1.0.0", "staging")
    shop.release("1.0.0", "production")
    shop.deploy("production", "6.6.6")
    code, said = shop.call("environments")
    assert code == 1
    assert "shop/production: `cat version.txt`: 6.6.6; verified good there was 1.0.0 of R-2" in said
    assert shop.stands() == {"staging": "as recorded", "production": "drift"}


def test_a_release_under_way_is_no_drift(shop):
    shop.release("1.0.0", "production")
    release = shop.open("1.1.0")
    shop.gare.ledger.releases.begin_step(release, "deploy-production", actor="gare")
    shop.deploy("production", "1.1.0")
    code, said = shop.call("environments")
    assert f"shop/production: {release} is under way there" in said
    assert (code, shop.stands()["production"]) == (0, "under way")


def test_what_a_failed_release_has_left_is_drift(shop):
    shop.release("1.0.0", "production")
    release = shop.open("1.1.0")
    shop.gare.ledger.releases.begin_step(release, "deploy-production", actor="gare")
    shop.deploy("production", "1.1.0")
    shop.gare.ledger.releases.mark(release, ReleaseState.FAILED, actor="gare", end="it is broken")
    code, said = shop.call("environments")
    assert (code, shop.stands()["production"]) == (1, "drift")
    assert (
        f"verified good there was 1.0.0 of R-1; {release} (1.1.0) has changed it and is failed"
        in said
    )


def test_an_environment_that_does_not_answer_is_told_as_such(shop):
    shop.release("1.0.0", "production")
    (shop.root / "projects" / "production" / "current" / "version.txt").unlink()
    code, said = shop.call("environments")
    assert code == 4
    assert "shop/production: It cannot be told which version runs." in said
    assert shop.stands()["production"] == "unreachable"


def test_a_hold_is_listed_and_released_by_name_only(shop):
    release = shop.release("1.0.0", "production")
    shop.gare.ledger.holds.place(release, "shop", "production", "slow")
    line = shop.call("hold", "list")[1].splitlines()[1].split()
    assert (line[:3], line[-1]) == (["shop", "production", release], "slow")
    assert f"on hold since {release}" in shop.call("environments")[1]
    code, said = shop.call("hold", "release", "shop", "production")
    assert (code, "This needs your name" in said) == (4, True)
    token = shop.gare.ledger.tokens.create("carol", actor="test")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GARE_TOKEN", token)
        code, said = shop.call("hold", "release", "shop", "prodution")
        assert (code, "Did you mean `production`?" in said) == (2, True)
        code, said = shop.call("hold", "release", "shop", "production", "--reason", "repaired")
    assert (code, said) == (0, "shop/production is no longer on hold (it was since R-1).\n")
    assert shop.call("hold", "list")[1] == "Nothing is on hold.\n"


def test_a_hold_is_released_by_those_who_have_the_right(shop):
    release = shop.release("1.0.0", "production")
    shop.gare.ledger.holds.place(release, "shop", "production", "slow")
    with (shop.root / "station.yaml").open("a") as file:
        file.write("rights: {hold: [managers]}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GARE_TOKEN", shop.gare.ledger.tokens.create("carol", actor="test"))
        code, said = shop.call("hold", "release", "shop", "production")
    assert (code, "carol may not let automation of shop go on." in said) == (4, True)
    assert shop.gare.ledger.holds.get("shop", "production") is not None
