"""`gare doctor` about Jira: who the token is, and what it may not do that the configuration asks for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox import Served, sandboxed

from gare.config.loader import load_station
from gare.doctor.check import Site, Status
from gare.doctor.trackers import trackers

USERS = [
    {"name": "gare", "token": "good-token-1"},
    {"name": "reader", "token": "weak-token-1", "lacks": ["ADMINISTER_PROJECTS", "ADD_COMMENTS"]},
]
SEED = {"deployment": "data-center", "users": USERS, "projects": {"SHOP": {}}}


@pytest.fixture
def jira() -> Iterator[Served]:
    with sandboxed({"jira": SEED}) as served:
        yield served
        assert served.invalid() == []


def examined(folder: Path, jira: Served, token: str, more: str = "") -> list[tuple[Status, str]]:
    (folder / "projects").mkdir()
    (folder / "token").write_text(token)
    connection = f"{{type: jira, url: '{jira.url}/jira', token: 'file:token'}}"
    (folder / "station.yaml").write_text(f"connections: {{jira: {connection}}}\n")
    (folder / "projects" / "shop.yaml").write_text(
        "name: shop\nsource: {type: git, path: ../shop}\n"
        f"tickets: {{tracker: {{type: jira, connection: jira, project: SHOP}}{more}}}\n"
    )
    return [(check.status, check.what) for check in trackers(Site(load_station(folder)))]


def test_a_token_that_may_do_what_is_configured(jira, tmp_path):
    rule = ", on_release: {version: false, link: 'https://x.org'}"
    found = examined(tmp_path, jira, "weak-token-1", rule)
    assert found == [(Status.OK, "shop: Jira SHOP, as reader")]


def test_rights_that_are_missing_are_named(jira, tmp_path):
    _, (status, what) = examined(tmp_path, jira, "weak-token-1", ", on_release: {comment: Out}")
    assert status is Status.WARN
    assert what == "shop: reader lacks ADMINISTER_PROJECTS, ADD_COMMENTS in Jira SHOP"


def test_a_wrong_token_fails(jira, tmp_path):
    ((status, what),) = examined(tmp_path, jira, "another-token")
    assert status is Status.FAIL
    assert "Jira" in what
