"""Who boards a train by what Jira has planned: the active sprint of a board, or a version."""

import copy
from collections.abc import Iterator

import pytest
from jira_project import SEED, Repository
from sandbox import sandboxed

from gare.requests import TrainRequest
from gare.sandbox.clock import Clock

SPRINTS = [
    {"name": "Sprint 7", "state": "closed", "issues": ["SHOP-1"]},
    {"name": "Sprint 8", "state": "active", "issues": ["SHOP-2"]},
]


@pytest.fixture
def repository(tmp_path) -> Iterator[Repository]:
    seed = copy.deepcopy(SEED)
    seed["projects"]["SHOP"]["boards"] = [{"name": "Shop", "sprints": SPRINTS}]
    with sandboxed({"jira": seed}, clock=Clock()) as served:
        yield Repository(tmp_path, f"{served.url}/jira")
        assert served.invalid() == []


def board(repository: Repository, rule: str) -> tuple[list[str], dict[str, str]]:
    """Return who boards a train with this rule, and who is left out for which reason."""
    trains = repository.root / "trains"
    trains.mkdir(exist_ok=True)
    (trains / "weekly.yaml").write_text(f"name: weekly\nmembers: [shop]\nboard: {{{rule}}}\n")
    _, plan = repository.gare().drafting.make(TrainRequest(name="weekly"))
    left_out = {one["project"]: one["reason"] for one in plan.details["left_out"]}
    return [one["project"] for one in plan.details["members"]], left_out


def test_the_active_sprint_decides_and_not_the_one_before(repository):
    reason = "none of its commits names a ticket of the sprint of Shop: SHOP-2"
    assert board(repository, "sprint: Shop") == ([], {"shop": reason})
    repository.commit("feat: gift cards SHOP-2")
    assert board(repository, "sprint: Shop") == (["shop"], {})


def test_a_fix_version_decides(repository):
    assert board(repository, "version: 1.1.0") == (["shop"], {})
    reason = "none of its commits names a ticket of version 1.0.0: SHOP-3"
    assert board(repository, "version: 1.0.0") == ([], {"shop": reason})


def test_a_version_that_jira_does_not_have_is_told(repository):
    reason = "Jira SHOP has no version nothere"
    assert board(repository, "version: nothere") == ([], {"shop": reason})


def test_the_reason_names_the_version_as_the_tracker_was_asked_for_it(repository):
    words = repository.file.read_text()
    named = words.replace("project: SHOP}", "project: SHOP, version: 'tea {version}'}")
    repository.file.write_text(named)
    repository.commit("chore: versions have a name in Jira")
    reason = "Jira SHOP has no version tea Train 1.1.0"
    assert board(repository, "version: Train 1.1.0") == ([], {"shop": reason})
