"""What gare.yaml may say about tickets, and what is said about what it may not."""

import pytest
from pydantic import ValidationError

from gare.config.tickets import TicketRule
from gare.connectors.jira_settings import JiraConnection, JiraTrackerSettings

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
