"""What gare.yaml says about GitLab fits together, or is told with line and key."""

import pytest

from gare.config.loader import load_station
from gare.errors import ConfigError

STATION = """\
environments: {production: {}}
connections:
  gitlab: {type: gitlab, url: https://gitlab.example.com, token: $GITLAB_TOKEN}
  tracker: {type: jira, url: https://jira.example.com, token: $JIRA_TOKEN}
"""
PROJECT = """\
name: shop
source: {type: git}
environments: {production: {target: {type: directory, path: /srv/shop}%s}}
"""


def problem(root, more, *, environment="", station=STATION):
    (root / "station.yaml").write_text(station)
    (root / "gare.yaml").write_text(PROJECT % environment + more)
    with pytest.raises(ConfigError) as raised:
        load_station(root)
    return str(raised.value)


@pytest.mark.parametrize(
    ("more", "environment", "told"),
    [
        ("publish: {gitlab_release: true}\n", "", "publish.gitlab_release: this project names no GitLab project."),
        ("tickets: {tracker: {type: gitlab}}\n", "", "tickets.tracker.type: this project names no GitLab project."),
        ("", ", gitlab_environment: live", "gitlab_environment: this project names no GitLab project."),
        ("steps: [{id: ci, type: pipeline}]\n", "", "steps[0].type: this project names no GitLab project."),
        ("gitlab: {connection: gitlap, project: shop/app}\n", "", "has no such connection. Did you mean `gitlab`?"),
        ("gitlab: {connection: tracker, project: shop/app}\n", "", "gitlab.connection: this connection is no GitLab."),
        ("gitlab: {connection: gitlab, project: app}\n", "", "gitlab.project"),
        (
            "gitlab: {connection: gitlab, project: shop/app}\npublish: {gitlab_release: true, tag: false}\n",
            "",
            "a release in GitLab has a tag.",
        ),
        (
            "gitlab: {connection: gitlab, project: shop/app}\npublish: {gitlab_packages: true}\n",
            "",
            "there is no release in GitLab to link from.",
        ),
        ("steps: [{id: x, type: run, command: make, ref: main}]\n", "", "ref: a `run` step starts no pipeline."),
        ("steps: [{id: x, type: page}]\n", "", "write `gitlab_release: true` under `publish`."),
    ],
)  # fmt: skip
def test_a_mistake_is_told(tmp_path, more, environment, told):
    assert told in problem(tmp_path, more, environment=environment)


def test_a_token_never_stands_in_the_file(tmp_path):
    station = STATION.replace("$GITLAB_TOKEN", "glpat-abcdefgh12345678")
    said = problem(tmp_path, "", station=station)
    assert "connections.gitlab" in said
    assert "glpat-abcdefgh12345678" not in said


def test_a_file_of_authorities_that_is_not_there_is_told_at_once(tmp_path):
    station = STATION.replace("$JIRA_TOKEN}", "$JIRA_TOKEN, ca_file: certs/own.pem}")
    said = problem(tmp_path, "", station=station)
    assert f"connections.tracker.ca_file: there is no file {tmp_path}/certs/own.pem." in said
