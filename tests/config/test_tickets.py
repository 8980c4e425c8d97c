"""What gare.yaml may say about tickets, and what is said about what it may not."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from gare.config.loader import load_station
from gare.config.step_checks import standard_steps
from gare.config.tickets import TicketRule
from gare.connectors.jira_settings import JiraConnection, JiraTrackerSettings
from gare.errors import ConfigError

JIRA = {"type": "jira", "connection": "jira", "project": "SHOP"}


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (
            {"tracker": JIRA, "on_release": {"comment": "Out with {colour}"}},
            "`{colour}` is not known here; known are {project}, {title}, {version}, {tag}, {release}",
        ),
        ({"tracker": {"type": "file"}, "on_release": {}}, "write `tracker: {type: jira, …}`"),
        ({"change": {}}, "write `tracker: {type: jira, …}`"),
        (
            {"tracker": {**JIRA, "version": "shop"}},
            "write `{version}` once, such as `shop {version}`",
        ),
        ({"tracker": {**JIRA, "project": "shop"}}, "String should match pattern"),
        ({"tracker": JIRA, "change": {"phases": {"dreaming": "done"}}}, "'deploying', 'released'"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_write(rule, told):
    with pytest.raises(ValidationError) as error:
        TicketRule.model_validate(rule)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("url", "deployment", "is_cloud"),
    [
        ("https://example.atlassian.net", "auto", True),
        ("https://api.atlassian.com/ex/jira/1", "auto", True),
        ("https://jira.example.org/jira/", "auto", False),
        ("https://jira.example.org", "cloud", True),
        ("https://example.atlassian.net", "data-center", False),
    ],
)
def test_the_deployment_follows_from_the_host_unless_it_is_said(url, deployment, is_cloud):
    made = JiraConnection(type="jira", url=url, token="$T", deployment=deployment)
    assert made.is_cloud is is_cloud


def test_names_of_versions_are_those_of_the_project():
    tracker = JiraTrackerSettings(**JIRA, version="shop {version}")
    assert tracker.names("1.4.0-rc.1") == ["shop 1.4.0-rc.1", "shop 1.4.0"]
    assert tracker.names("1.4.0") == ["shop 1.4.0"]
    assert tracker.names("Train 2026-11-28") == ["shop Train 2026-11-28"]


PROJECT = """
name: shop
source: {type: git, path: ../shop}
tickets: {tracker: {type: jira, connection: jira, project: SHOP}, on_release: {}, change: {}}
environments: {production: {target: {type: directory, path: ../production}}}
"""


def steps_with(folder: Path, step: str) -> list[str]:
    (folder / "projects").mkdir()
    (folder / "station.yaml").write_text("name: test\n")
    (folder / "projects" / "shop.yaml").write_text(f"{PROJECT}steps:\n  - {step}\n")
    station = load_station(folder)
    return list(standard_steps(station.project("shop").config, station.config))


def test_steps_that_write_into_the_tracker_are_standard_steps_and_may_be_skipped(tmp_path):
    steps = steps_with(tmp_path, "{id: tickets, type: tickets, skip: true}")
    places = [steps.index(name) for name in ("validate", "change-open", "change-deploying")]
    assert places == sorted(places)
    assert steps.index("change-deploying") + 1 == steps.index("deploy-production")
    assert steps[-4:] == ["tickets", "change-released", "announce", "close"]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("tickets", "write `on_release` under `tickets`"),
        ("change", "write `change` under `tickets`"),
    ],
)
def test_a_step_of_that_kind_by_another_name_is_refused(tmp_path, kind, told):
    with pytest.raises(ConfigError) as error:
        steps_with(tmp_path, f"{{id: mine, type: {kind}}}")
    assert told in str(error.value)
