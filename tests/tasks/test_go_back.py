"""The environment of a rollback switches back, in a real directory: from what is there, or from the store."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from gare.config.loader import load_station
from gare.connectors.artifacts import keep
from gare.domain.releases import ReleaseState, StepState
from gare.errors import RolloutFailed
from gare.ledger.effects import Absent, Effect
from gare.ledger.ledger import Ledger
from gare.ports.target import Shipment
from gare.requests import RollbackRequest
from gare.strategies.rollout import rollout
from gare.wiring import Gare
from tasks.go_back import switch_back
from tasks.step import Work

PROJECT = """\
name: shop
source: {type: git, path: ..}
environments:
  production:
    target: {type: directory, path: live, unpack: false, keep: 1}
"""


class Shop:
    """1.0.0 and 1.1.0 were good, 1.2.0 runs and has not ended yet."""

    def __init__(self, root: Path, story) -> None:
        (root / "station.yaml").write_text("name: station\n")
        (root / "projects").mkdir()
        (root / "projects" / "shop.yaml").write_text(PROJECT)
        self.root, self.story = root, story
        self.gare = Gare(load_station(root))
        self.ledger = Ledger(f"sqlite:///{root / 'ledger.db'}", clock=story.Clock())
        self.gare.__dict__["ledger"] = self.ledger
        self.target = self.gare.target_in(self.gare.project("shop"), "production")
        for version in ("1.0.0", "1.1.0", "1.2.0"):
            release = self._release(version)
            if version != "1.2.0":
                self.ledger.set_verified(release, "shop", "production", version)
                self.ledger.releases.mark(release, ReleaseState.RELEASED, actor="gare")

    def _release(self, version: str) -> str:
        plan = replace(self.story.make_plan(version=version), approvals=())
        release = self.open(plan)
        file = self.root / "version.txt"
        file.write_text(version)
        artifact = keep(file, "version.txt", self.gare.store)
        self.ledger.releases.begin_step(release, "build", actor="gare")
        value = {"artifacts": [asdict(artifact)]}
        self.ledger.releases.end_step(release, "build", StepState.DONE, value=value, actor="gare")
        shipment = Shipment("shop", "production", release, version, plan.commit, {file.name: file})
        effect = Effect(
            "deploy production",
            {"version": version},
            Absent,
            lambda: rollout(self.target, shipment, lambda _: None),
        )
        self.ledger.effects.perform(release, "deploy-production", effect)
        return release

    def open(self, plan) -> str:
        digest = self.ledger.plans.store(plan)
        return self.ledger.releases.open(digest, plan, f"run {plan.version}", "carol", "slow").id

    @property
    def live(self) -> str:
        return (self.root / "projects" / "live" / "current" / "version.txt").read_text()

    def rollback(self, to: str) -> Work:
        request = RollbackRequest(project="shop", environment="production", to=to)
        plan = self.gare.drafting.make(request)[1]
        digest = self.ledger.plans.store(plan)
        release = self.ledger.releases.open(digest, plan, "run of the rollback", "carol", "slow")
        step = plan.step("deploy-production")
        return Work(self.gare, release, plan, step, 1, lambda _: None)


@pytest.fixture
def shop(tmp_path, story) -> Shop:
    return Shop(tmp_path, story)


def test_what_is_still_there_is_switched_to(shop):
    done = switch_back(shop.rollback("1.1.0"))
    assert shop.live == "1.1.0"
    assert (done["receipt"]["version"], done["receipt"]["reverted"]) == ("1.1.0", "1.2.0")
    assert shop.ledger.holds.get("shop", "production").reason == "slow"


def test_automation_is_on_hold_before_anything_is_put_back(shop):
    work = shop.rollback("1.0.0")
    shutil.rmtree(shop.gare.store)
    with pytest.raises(RolloutFailed, match=r"the artifacts of R-1 are no longer in the store"):
        switch_back(work)
    assert shop.live == "1.2.0"
    assert shop.ledger.holds.get("shop", "production").reason == "slow"


def test_what_was_pruned_is_brought_in_again(shop):
    assert "1.0.0" not in shop.target.versions()
    switch_back(shop.rollback("1.0.0"))
    assert shop.live == "1.0.0"


def test_who_is_taken_back_is_told_once_and_ends_when_it_has_not_ended(shop):
    work = shop.rollback("1.0.0")
    switch_back(work)
    switch_back(work)  # after a crash
    for release, state in (("R-3", ReleaseState.ROLLED_BACK), ("R-2", ReleaseState.RELEASED)):
        assert shop.ledger.releases.get(release).state is state
        [told] = [one for one in shop.ledger.database.events(release) if one.kind == "taken back"]
        assert told.actor == "carol"
        assert json.loads(told.body) == {"environment": "production", "by": "R-4", "to": "1.0.0"}
    assert shop.ledger.releases.get("R-3").end == "production: rolled back to 1.0.0 by R-4"
    assert shop.ledger.releases.get("R-1").state is ReleaseState.RELEASED
    kinds = [event.kind for event in shop.ledger.database.events("station")]
    assert kinds.count("hold placed") == 1
