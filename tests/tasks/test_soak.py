"""A version soaks on a moved clock, in a real directory: watched, good at its end, put back when it fails."""

import shutil
import subprocess
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gare.config.loader import load_station
from gare.connectors.artifacts import keep
from gare.domain.plan import PlannedStep
from gare.domain.releases import ReleaseState, StepState
from gare.domain.waits import Cause
from gare.errors import GareError, RolloutFailed, StepFailed
from gare.ledger.effects import Absent, Effect
from gare.ledger.ledger import Ledger
from gare.ports.target import Shipment
from gare.strategies.rollout import rollout
from gare.wiring import Gare
from tasks.deploy import end_failed_rollout
from tasks.soak import watch
from tasks.step import AskAgain, Work

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PROJECT = """\
name: shop
source: {type: git, path: ..}
environments:
  production:
    soak: 10m
    target:
      {type: directory, path: live, unpack: false, version: {command: "cat version.txt", timeout: 1s}}
"""


def committed(root: Path) -> str:
    """Make a repository there and return its commit."""
    (root / "app.txt").write_text("one")
    who = ("-c", "user.name=Erin", "-c", "user.email=erin@example.org")
    for words in (
        ("init", "-qb", "main"),
        ("add", "app.txt"),
        (*who, "commit", "-qm", "feat: one"),
    ):
        subprocess.run(["git", *words], cwd=root, check=True)
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True)
    return done.stdout.decode().strip()


class Soaking:
    """1.0.0 was good; 1.1.0 is verified and soaks. `now` is moved by hand."""

    def __init__(self, root: Path, story, no_return: str = "", undo: str = "") -> None:
        (root / "station.yaml").write_text("name: station\n")
        (root / "projects").mkdir()
        (root / "projects" / "shop.yaml").write_text(PROJECT)
        self.root, self.now = root, START
        self.gare = Gare(load_station(root))
        self.ledger = Ledger(f"sqlite:///{root / 'ledger.db'}", clock=lambda: self.now)
        self.gare.__dict__["ledger"] = self.ledger
        target = self.gare.project("shop").config.environments["production"].target
        settings = {"target": target.model_dump(mode="json"), "soak_s": 600.0, "every_s": 60.0}
        steps = (
            PlannedStep(
                "migrate", "run", "Migrate", (), "production", point_of_no_return=no_return
            ),
            PlannedStep(
                "copy", "run", "Copy", ("migrate",), settings={"undo": [["sh", "-c", undo]]}
            ),
            PlannedStep("deploy-production", "deploy", "Deploy", ("copy",), "production", settings),
            PlannedStep("verify-production", "verify", "Verify", (), "production", settings),
            PlannedStep("soak-production", "soak", "Soak", (), "production", settings),
        )
        source = {"type": "git", "path": "..", "branch": "main"}
        plan = story.make_plan(steps=steps, approvals=(), source=source, commit=committed(root))
        good = self._open(replace(plan, version="1.0.0"))
        self.deploy("1.0.0")
        self.ledger.set_verified(good, "shop", "production", "1.0.0")
        self.plan = replace(plan, version="1.1.0")
        self.release = self._open(self.plan)
        self.deploy("1.1.0")
        for step in ("migrate", "copy", "deploy-production", "verify-production"):
            self.ledger.releases.begin_step(self.release, step, actor="gare")
            value = {"receipt": {"previous": "1.0.0"}}
            self.ledger.releases.end_step(
                self.release, step, StepState.DONE, value=value, actor="gare"
            )

    def _open(self, plan) -> str:
        digest = self.ledger.plans.store(plan)
        return self.ledger.releases.open(digest, plan, f"run {plan.version}", "rita", "").id

    def deploy(self, version: str) -> None:
        file = self.root / "version.txt"
        file.write_text(version)
        shipment = Shipment("shop", "production", "R-1", version, "a" * 40, {"version.txt": file})
        target = self.gare.target_in(self.gare.project("shop"), "production")
        rollout(target, shipment, lambda _: None)

    def keep_artifacts(self, version: str) -> None:
        """Let the store have what R-1 built of a version, and the record that it was deployed."""
        file = self.root / "version.txt"
        file.write_text(version)
        artifact = asdict(keep(file, "version.txt", self.gare.store))
        releases = self.ledger.releases
        releases.begin_step("R-1", "build", actor="gare")
        releases.end_step(
            "R-1", "build", StepState.DONE, value={"artifacts": [artifact]}, actor="gare"
        )
        effect = Effect("deploy production", {"version": version}, Absent, dict, tells_end=True)
        self.ledger.effects.perform("R-1", "deploy-production", effect)

    @property
    def live(self) -> Path:
        return self.root / "projects" / "live" / "current" / "version.txt"

    def look(self, minutes: float):
        self.now = START + timedelta(minutes=minutes)
        release = self.ledger.releases.get(self.release)
        step = self.plan.step("soak-production")
        return watch(Work(self.gare, release, self.plan, step, 1, lambda _: None))


def test_it_is_good_only_at_the_end_of_its_time(tmp_path, story):
    soaking = Soaking(tmp_path, story)
    said = "production soaks 1.1.0 until 2026-03-02 09:10:00 UTC"
    assert soaking.look(0) == AskAgain(said, START + timedelta(minutes=1), Cause.SOAK)
    assert soaking.look(9.5) == AskAgain(said, START + timedelta(minutes=10), Cause.SOAK)
    assert soaking.ledger.verified_version("shop", "production") == "1.0.0"
    assert soaking.look(10)["summary"] == "production held 1.1.0"
    assert soaking.ledger.verified_by("shop", "production") == soaking.release


def test_the_last_good_version_returns_when_it_fails_in_between(tmp_path, story):
    undo = f'echo "$GARE_VERSION $(cat app.txt)" >> {tmp_path}/undone'
    soaking = Soaking(tmp_path, story, undo=undo)
    soaking.look(0)
    soaking.live.write_text("broken")
    with pytest.raises(RolloutFailed) as caught:
        soaking.look(3)
    assert (tmp_path / "undone").read_text() == "1.1.0 one\n"
    assert caught.value.what == "production runs broken, not 1.1.0. 1.0.0 is live again."
    assert soaking.live.read_text() == "1.0.0"
    release = soaking.ledger.releases.get(soaking.release)
    assert release.state is ReleaseState.ROLLED_BACK
    hold = soaking.ledger.holds.get("shop", "production")
    assert (hold.release, hold.since) == (release.id, soaking.now)
    assert hold.reason == "production: production runs broken, not 1.1.0."
    assert soaking.ledger.taken_back.by_itself(release.id) == {"production": "1.0.0"}


def test_what_cannot_be_taken_back_is_told_with_what_was(tmp_path, story):
    soaking = Soaking(tmp_path, story, undo="exit 3")
    soaking.live.write_text("broken")
    with pytest.raises(RolloutFailed) as caught:
        soaking.look(3)
    assert caught.value.what.startswith(
        "production was put back, and step copy could not be taken back: "
    )
    assert soaking.live.read_text() == "1.0.0"
    assert soaking.ledger.releases.get(soaking.release).state is ReleaseState.RUNNING
    assert soaking.ledger.holds.get("shop", "production").release == soaking.release


def lose(soaking: Soaking, version: str) -> None:
    """Somebody has taken a version's folder away."""
    shutil.rmtree(soaking.root / "projects" / "live" / "releases" / version)


def test_a_version_that_is_no_longer_there_comes_from_the_store(tmp_path, story):
    soaking = Soaking(tmp_path, story)
    soaking.keep_artifacts("1.0.0")
    lose(soaking, "1.0.0")
    soaking.live.write_text("broken")
    with pytest.raises(RolloutFailed, match=r"1\.0\.0 is live again\."):
        soaking.look(3)
    assert soaking.live.read_text() == "1.0.0"
    assert soaking.ledger.releases.get(soaking.release).state is ReleaseState.ROLLED_BACK


def failed_rollout(soaking: Soaking, error: GareError) -> Work:
    """The rollout of 1.1.0 has failed."""
    release = soaking.ledger.releases.get(soaking.release)
    step = soaking.plan.step("deploy-production")
    work = Work(soaking.gare, release, soaking.plan, step, 1, lambda _: None)
    end_failed_rollout(work, error, "1.0.0")
    return work


def test_a_rollout_that_went_back_by_itself_ends_with_automation_on_hold(tmp_path, story):
    soaking = Soaking(tmp_path, story)
    error = RolloutFailed("It does not start. 1.0.0 is live.", is_back=True)
    with pytest.raises(RolloutFailed):
        failed_rollout(soaking, error)
    release = soaking.ledger.releases.get(soaking.release)
    assert (release.state, release.end) == (
        ReleaseState.ROLLED_BACK, "production: It does not start. 1.0.0 is live.",
    )  # fmt: skip
    assert soaking.ledger.holds.get("shop", "production").release == release.id
    assert soaking.ledger.taken_back.by_itself(release.id) == {"production": "1.0.0"}


def test_a_rollout_whose_way_back_failed_is_put_back_once_more(tmp_path, story):
    soaking = Soaking(tmp_path, story)
    with pytest.raises(RolloutFailed, match=r"1\.0\.0 is live again\."):
        failed_rollout(soaking, RolloutFailed("The way back failed, too."))
    assert soaking.live.read_text() == "1.0.0"
    assert soaking.ledger.releases.get(soaking.release).state is ReleaseState.ROLLED_BACK


@pytest.mark.parametrize(("no_return", "holds"), [("the schema only goes forward", 1), ("", 0)])
def test_a_rollout_that_failed_behind_a_point_of_no_return_keeps_automation_out(
    no_return, holds, tmp_path, story
):
    soaking = Soaking(tmp_path, story, no_return=no_return)
    failed_rollout(soaking, StepFailed("It does not start. Nothing is put back."))
    assert len(soaking.ledger.holds.all()) == holds
    assert soaking.ledger.releases.get(soaking.release).state is ReleaseState.RUNNING


def test_what_cannot_be_put_back_keeps_automation_out_and_names_the_way(tmp_path, story):
    soaking = Soaking(tmp_path, story)
    lose(soaking, "1.0.0")
    soaking.live.write_text("broken")
    with pytest.raises(RolloutFailed) as caught:
        soaking.look(3)
    assert caught.value.what == (
        "production runs broken, not 1.1.0. 1.0.0 could not be put back: 1.0.0 is no longer at its target, "
        "and what it was made of is no longer in the store."
    )
    assert "`gare rollback shop --env production --to 1.0.0`" in caught.value.hint
    hold = soaking.ledger.holds.get("shop", "production")
    assert (hold.release, hold.reason) == (
        soaking.release, "production: production runs broken, not 1.1.0.",
    )  # fmt: skip
    assert soaking.ledger.releases.get(soaking.release).state is ReleaseState.RUNNING
    assert soaking.ledger.taken_back.by_itself(soaking.release) == {}


def test_behind_a_point_of_no_return_it_is_left_for_a_person(tmp_path, story):
    soaking = Soaking(tmp_path, story, no_return="the schema only goes forward")
    soaking.live.write_text("broken")
    with pytest.raises(RolloutFailed) as caught:
        soaking.look(3)
    assert caught.value.what == (
        "production runs broken, not 1.1.0. It is not put back: "
        "step migrate is a point of no return: the schema only goes forward."
    )
    assert soaking.live.read_text() == "broken"
    assert soaking.ledger.releases.get(soaking.release).state is ReleaseState.RUNNING
    assert soaking.ledger.holds.get("shop", "production").release == soaking.release
