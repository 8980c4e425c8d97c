"""The plan of a real repository whose tickets live in Jira: scope truth, and what the tickets will be told."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from jira_project import GARE_YAML, SEED, Repository
from sandbox import sandboxed

from gare.errors import ConfigError
from gare.sandbox.clock import Clock


@pytest.fixture
def jira() -> Iterator[str]:
    with sandboxed({"jira": SEED}, clock=Clock()) as served:
        yield f"{served.url}/jira"
        assert served.invalid() == []


@pytest.fixture
def repository(tmp_path: Path, jira: str) -> Repository:
    return Repository(tmp_path, jira)


def test_the_plan_tells_what_jira_and_the_commits_say_about_each_other(repository):
    _, plan = repository.plan()
    verdicts = {ticket.key: ticket.verdict for ticket in plan.tickets}
    assert verdicts == {
        "SHOP-1": "matched",
        "SHOP-2": "planned without code",
        "SHOP-3": "reopened",
        "SHOP-77": "code without ticket",
    }
    assert "SHOP-3 reopened: Wrong total" in plan.warnings


def test_the_plan_names_every_write_into_jira(repository):
    _, plan = repository.plan()
    told = {step.id: [f"{e.action}: {e.target}" for e in step.effects] for step in plan.steps}
    assert told["tickets"] == [
        "release version 1.1.0: Jira SHOP",
        "add fix version 1.1.0: SHOP-1",
        "move to done: SHOP-1",
        "comment: SHOP-1",
        "link to the release: SHOP-1",
    ]
    assert told["change-open"] == ["create a change ticket of type Change: Jira SHOP"]
    order = [step.id for step in plan.steps]
    assert order.index("validate") < order.index("change-open") < order.index("change-deploying")
    assert plan.step("deploy-production").needs == ("change-deploying",)
    assert plan.step("tickets").needs == ("publish",)
    assert plan.step("announce").needs == ("change-released",)


def test_the_token_is_in_no_plan(repository):
    _, plan = repository.plan()
    assert "secret-token-1" not in repr(plan)


def test_a_connection_that_is_not_there_is_named_with_those_that_are(repository):
    file = repository.root / "station.yaml"
    file.write_text(file.read_text().replace("{tracker: {type", "{trakcer: {type"))
    with pytest.raises(ConfigError, match=r"no connection 'tracker'.*trakcer"):
        repository.plan()


def test_writes_without_a_tracker_that_takes_them_are_refused(repository):
    jira = "{type: jira, connection: tracker, project: SHOP}"
    repository.file.write_text(GARE_YAML.replace(jira, "{type: file}"))
    with pytest.raises(ConfigError, match=r"write `tracker: \{type: jira"):
        repository.plan()


def test_a_secret_that_is_not_set_is_named_and_not_the_token(repository):
    file = repository.root / "station.yaml"
    file.write_text(file.read_text().replace("file:token", "$NO_SUCH_JIRA_TOKEN"))
    assert "NO_SUCH_JIRA_TOKEN" not in os.environ
    with pytest.raises(ConfigError, match="NO_SUCH_JIRA_TOKEN is not set"):
        repository.plan()
