"""Where GitLab's steps stand in a plan, and what a person reads of them."""

import pytest

from gare.config.loader import load_station
from gare.planning.dag import plan_steps

STATION = """\
environments: {staging: {}, production: {}}
connections: {gitlab: {type: gitlab, url: https://gitlab.example.com, token: $GITLAB_TOKEN}}
"""
PROJECT = """\
name: shop
source: {type: git}
gitlab: {connection: gitlab, project: shop/web/app}
environments:
  staging: {target: {type: directory, path: /srv/staging}}
  production: {target: {type: directory, path: /srv/shop}, gitlab_environment: live, soak: 5m}
publish: {gitlab_release: true, gitlab_packages: true, links: {Site: https://shop.example.org}}
steps:
  - {id: ci, type: pipeline, needs: [plan], before: [validate], ref: release, variables: {A: b}}
"""


@pytest.fixture
def steps(tmp_path):
    (tmp_path / "station.yaml").write_text(STATION)
    (tmp_path / "gare.yaml").write_text(PROJECT)
    station = load_station(tmp_path)
    found, _ = plan_steps(
        station.project().config, station.config, version="1.1.0", tag="v1.1.0", tickets=()
    )
    return {step.id: step for step in found}


def test_a_deployment_is_recorded_once_it_held_and_the_page_comes_after_the_tag(steps):
    order = list(steps)
    assert order.index("plan") < order.index("ci") < order.index("validate")
    assert steps["record-production"].needs == ("soak-production",)
    assert steps["publish"].needs == ("record-production",)
    assert steps["gitlab-release"].needs == ("publish",)
    assert steps["announce"].needs == ("gitlab-release",)
    assert "record-staging" not in steps


def test_a_plan_says_what_is_done_in_gitlab(steps):
    told = {
        step: [(effect.action, effect.target) for effect in steps[step].effects]
        for step in ("ci", "record-production", "gitlab-release")
    }
    assert told == {
        "ci": [("start a pipeline on release", "GitLab shop/web/app")],
        "record-production": [("record the deployment to live", "GitLab shop/web/app")],
        "gitlab-release": [
            (
                "upload the artifacts with their checksums",
                "GitLab shop/web/app, package registry",
            ),
            ("make the release v1.1.0 with notes and links", "GitLab shop/web/app"),
        ],
    }


def test_a_step_carries_what_it_needs(steps):
    assert steps["ci"].settings == {
        "gitlab": {"connection": "gitlab", "project": "shop/web/app"},
        "ref": "release",
        "variables": {"A": "b"},
        "play": [],
        "artifacts": {},
        "every_s": 30.0,
    }
    assert steps["gitlab-release"].settings["links"] == {"Site": "https://shop.example.org"}
