"""What every target keeps to, whatever it is: run against the fake and each connector."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from gare.connectors.directory import Directory, DirectorySettings
from gare.errors import Conflict, GareError, RolloutFailed, StepFailed
from gare.ports.target import Abilities, ReplaceTarget, Running, Say, Shipment
from gare.strategies.rollout import describe, revert, rollout


class FakeTarget:
    """A target in memory. `fail_next[move]` is raised once by that move; `calls` has what was done."""

    place, strategy, address = "fake", "replace", ""
    abilities = Abilities(has_start=True, has_stop=True, has_health=True, keep=2)

    def __init__(self) -> None:
        self.there: dict[str, Mapping[str, bytes]] = {}
        self.now = self.before = self.settled = ""
        self.receipt: Mapping[str, str] | None = None
        self.calls: list[str] = []
        self.fail_next: dict[str, GareError] = {}

    def _called(self, move: str, version: str) -> None:
        self.calls.append(f"{move} {version or 'nothing'}")
        if move in self.fail_next:
            raise self.fail_next.pop(move)

    def live(self) -> str:
        return self.now

    def previous(self) -> str:
        return self.before

    def versions(self) -> Sequence[str]:
        return list(reversed(self.there))

    def look(
        self, version: str, files: Mapping[str, Path] | None = None
    ) -> Mapping[str, str] | None:
        if files is not None and version in self.there:
            self._compare(version, files)
        return self.receipt if self.now == version == self.settled else None

    def _compare(self, version: str, files: Mapping[str, Path]) -> None:
        if self.there[version] != {name: path.read_bytes() for name, path in files.items()}:
            raise Conflict(f"{version} is there with other content.")

    def running(self, say: Say, expect: str = "") -> Running:
        return Running(self.now, "memory")

    @contextlib.contextmanager
    def hold(self, say: Say) -> Iterator[None]:
        yield

    def settle(self, version: str, receipt: Mapping[str, str]) -> None:
        self.settled, self.receipt = version, dict(receipt)

    def bring_in(self, shipment: Shipment, say: Say) -> None:
        self._called("bring in", shipment.version)
        if shipment.version in self.there:
            self._compare(shipment.version, shipment.files)
        self.there[shipment.version] = {
            name: path.read_bytes() for name, path in shipment.files.items()
        }

    def link_shared(self, version: str, say: Say) -> None:
        self._called("link shared", version)

    def stop(self, version: str, say: Say) -> None:
        self._called("stop", version)

    def switch(self, version: str, say: Say) -> None:
        self._called("switch", version)
        if self.now != version:
            self.before, self.now, self.settled = self.now, version, ""

    def start(self, version: str, say: Say) -> None:
        self._called("start", version)

    def restart(self, version: str, say: Say) -> None:
        self._called("restart", version)

    def check_health(self, say: Say) -> str:
        self._called("check health", self.now)
        return "well"

    def prune(self, good: Iterable[str], say: Say) -> Sequence[str]:
        kept = {self.now, self.before, *good}
        gone = [
            version for version in self.versions()[self.abilities.keep :] if version not in kept
        ]
        for version in gone:
            del self.there[version]
        return gone


Ship = Callable[..., Shipment]
said: list[str] = []


@pytest.fixture(params=["fake", "directory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> ReplaceTarget:
    if request.param == "fake":
        return FakeTarget()
    # Version "bad" does not start: the command looks for a file that the shipment lacks.
    settings = DirectorySettings.model_validate(
        {
            "path": "my target",
            "start": "test -e good",
            "stop": "true",
            "health": {"command": "true"},
            "keep": 2,
        }
    )
    return Directory(settings, tmp_path, log_folder=tmp_path / "logs")


@pytest.fixture
def ship(tmp_path: Path) -> Ship:
    def make(version: str, content: str = "content") -> Shipment:
        folder = tmp_path / "built" / version / content
        folder.mkdir(parents=True, exist_ok=True)
        name = "good" if "bad" not in version else "other"
        (folder / name).write_text(content)
        return Shipment("shop", "staging", "R-1", version, "c0ffee", {name: folder / name})

    return make


def fails_to_start(target: ReplaceTarget) -> None:
    if isinstance(target, FakeTarget):
        target.fail_next["start"] = StepFailed("it does not start.")


def test_a_new_target_runs_nothing(target: ReplaceTarget) -> None:
    assert (target.live(), target.previous(), list(target.versions())) == ("", "", [])
    assert target.running(said.append).version == ""


def test_a_rollout_makes_the_version_live(target: ReplaceTarget, ship: Ship) -> None:
    assert describe(target, "1.0") == [
        "bring in 1.0",
        "switch to 1.0",
        "start 1.0",
        "check the health of 1.0",
    ]
    receipt = rollout(target, ship("1.0"), said.append)
    assert (receipt["version"], receipt["previous"], receipt["place"]) == ("1.0", "", target.place)
    assert "check the health of 1.0" in receipt
    assert target.live() == target.running(said.append).version == "1.0"
    assert target.look("1.0") == receipt


def test_the_same_rollout_again_changes_nothing(target: ReplaceTarget, ship: Ship) -> None:
    first = rollout(target, ship("1.0"), said.append)
    assert rollout(target, ship("1.0"), said.append) == first
    if isinstance(target, FakeTarget):
        assert target.calls.count("switch 1.0") == 1


def test_the_same_version_with_other_content_is_a_conflict(
    target: ReplaceTarget, ship: Ship
) -> None:
    rollout(target, ship("1.0"), said.append)
    rollout(target, ship("2.0"), said.append)
    with pytest.raises(Conflict, match=r"1\.0 is there with other content"):
        rollout(target, ship("1.0", "changed"), said.append)
    assert target.live() == "2.0"


def test_a_version_that_does_not_start_is_taken_back(target: ReplaceTarget, ship: Ship) -> None:
    rollout(target, ship("1.0"), said.append)
    fails_to_start(target)
    with pytest.raises(RolloutFailed) as failure:
        rollout(target, ship("2.0-bad"), said.append)
    assert failure.value.what.startswith("Deploying 2.0-bad failed at `start 2.0-bad`: ")
    assert failure.value.what.endswith("1.0 is live.")
    assert target.live() == "1.0"
    assert target.look("1.0") is not None
    assert target.look("2.0-bad") is None


def test_a_first_version_that_does_not_start_leaves_nothing_live(
    target: ReplaceTarget, ship: Ship
) -> None:
    fails_to_start(target)
    with pytest.raises(RolloutFailed, match=r"Nothing is live\.$|Nothing is live\. "):
        rollout(target, ship("1.0-bad"), said.append)
    assert target.live() == ""


def test_going_back_to_an_earlier_version(target: ReplaceTarget, ship: Ship) -> None:
    for version in ("1.0", "2.0"):
        rollout(target, ship(version), said.append)
    receipt = revert(target, "1.0", said.append)
    assert (receipt["version"], receipt["reverted"]) == ("1.0", "2.0")
    assert target.live() == "1.0"
    assert revert(target, "1.0", said.append) == receipt


def test_going_back_to_nothing(target: ReplaceTarget, ship: Ship) -> None:
    rollout(target, ship("1.0"), said.append)
    assert revert(target, "", said.append)["version"] == ""
    assert target.live() == ""
    assert revert(target, "", said.append)["version"] == ""


def test_going_back_to_a_version_that_is_gone_says_what_is_live(
    target: ReplaceTarget, ship: Ship
) -> None:
    for version in ("1.0", "2.0", "3.0", "4.0"):
        rollout(target, ship(version), said.append)
    with pytest.raises(RolloutFailed) as failure:
        revert(target, "1.0", said.append)
    assert failure.value.what == "Cannot go back to 1.0: it is no longer there. 4.0 is live."
    assert failure.value.hint == "There are 4.0, 3.0."
    assert target.live() == "4.0"


def test_old_versions_go_and_good_ones_stay(target: ReplaceTarget, ship: Ship) -> None:
    for version in ("1.0", "2.0", "3.0", "4.0"):
        rollout(target, ship(version), said.append, good=["1.0"])
    assert list(target.versions()) == ["4.0", "3.0", "1.0"]
