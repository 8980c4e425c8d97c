"""The version by which a train boards, in a simulated Jira: released once all have arrived, what is left is told."""

from collections.abc import Iterator

import pytest
from jira_project import SEED, Repository
from sandbox import Served, sandboxed

from gare.domain.releases import ReleaseState, StepState
from gare.requests import TrainRequest
from gare.sandbox.clock import Clock
from tasks.step import Work
from tasks.version import release_versions

TRAIN = "name: weekly\nmembers: [shop]\nboard: {version: '1.1.0'}\n"


@pytest.fixture
def jira() -> Iterator[Served]:
    with sandboxed({"jira": SEED}, clock=Clock()) as served:
        yield served
        assert served.invalid() == []


class Boarded:
    """A train of one project whose tickets live in Jira; its steps are done by hand."""

    def __init__(self, repository: Repository) -> None:
        (repository.root / "trains").mkdir()
        (repository.root / "trains" / "weekly.yaml").write_text(TRAIN)
        self.gare = repository.gare()
        digest, self.plan = self.gare.drafting.make(TrainRequest(name="weekly"))
        self.releases = self.gare.ledger.releases
        self.train = self.releases.open(digest, self.plan, "run-1", "", "")
        request = {"train": self.train.id}
        own = self.plan.details["members"][0]["plan"]
        self.own = self.releases.open(own, self.gare.plan(own), "run-2", "", "", request)

    def done(self, step: str, **value: object) -> None:
        self.releases.begin_step(self.train.id, step, actor="test")
        self.releases.end_step(self.train.id, step, StepState.DONE, value=value, actor="test")

    def release(self):
        work = Work(
            self.gare, self.train, self.plan, self.plan.step("version"), 1, lambda _line: None
        )
        return release_versions(work)


@pytest.fixture
def boarded(tmp_path, jira) -> Boarded:
    return Boarded(Repository(tmp_path, f"{jira.url}/jira"))


def is_released(jira: Served) -> bool:
    versions = jira.sandbox.vendors["jira"].state.projects["SHOP"].versions
    return {version.name: version.released for version in versions}["1.1.0"]


def test_the_version_is_released_when_all_have_arrived_and_what_is_not_done_is_told(boarded, jira):
    boarded.releases.mark(boarded.own.id, ReleaseState.RELEASED, actor="test")
    boarded.done("arrive-shop", release=boarded.own.id, version="1.1.0")
    told = boarded.release()
    assert told["released"] == ["1.1.0 in Jira SHOP"]
    assert told["left"] == ["not done in 1.1.0 of Jira SHOP: SHOP-2"]
    assert is_released(jira)
    boarded.release()
    assert len(jira.sent("PUT", "/version/")) == 1


def test_the_version_waits_for_a_member_that_has_not_arrived(boarded, jira):
    boarded.done("arrive-shop", left="it is bad", failed=True, keeps=True)
    told = boarded.release()
    assert told["left"] == ["1.1.0 is not released: shop has not arrived"]
    assert not is_released(jira)


def test_a_version_that_is_gone_is_told_and_stops_nobody(boarded, jira):
    boarded.done("arrive-shop", release=boarded.own.id, version="1.1.0")
    jira.sandbox.vendors["jira"].state.projects["SHOP"].versions.pop()
    assert boarded.release()["left"] == ["Jira SHOP has no version 1.1.0"]
