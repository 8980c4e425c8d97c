"""The Data Center path against somebody else's Jira: jira820 (PyPI), a stateful mock of Jira Data Center 8.20.

It stores no fix versions, has no versions to write, and answers every query it does not understand with all issues:
issues, transitions, comments, links, boards and sprints are asked here, versions are not.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from waiting import wait_until

from gare.connectors.jira_boards import JiraBoards
from gare.connectors.jira_release import JiraRelease
from gare.connectors.jira_settings import JiraConnection, JiraTrackerSettings
from gare.errors import Refused

pytest.importorskip(
    "jira820", reason="jira820 is not installed: it is in tests/without-dependencies.txt"
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {"JIRA820_PORT": str(port), "JIRA820_HOST": "127.0.0.1", "PATH": ""}
    server = subprocess.Popen(
        [sys.executable, "-m", "jira820"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(url))
        yield url
    finally:
        server.terminate()
        server.wait(10)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/rest/api/2/serverInfo", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def parts(address: str, tmp_path: Path) -> tuple[JiraTrackerSettings, JiraConnection, Path]:
    (tmp_path / "token").write_text("any")
    connection = JiraConnection(type="jira", url=address, token="file:token")
    settings = JiraTrackerSettings(type="jira", connection="jira", project="JIRA820")
    return settings, connection, tmp_path


@pytest.fixture
def release(parts) -> JiraRelease:
    return JiraRelease(*parts)


@pytest.fixture
def key(release) -> str:
    return release.open_change("gare-shop-R-1", "Release 1.4.0", "h2. Notes", "", "Task")["ticket"]


def test_tickets_are_read_page_by_page_with_what_their_status_means(release):
    keys = [f"JIRA820-{number}" for number in range(1, 151)]
    found = release.stands(keys)
    assert sorted(found) == sorted(keys)
    assert {stand.category for stand in found.values()} == {"todo", "doing", "done"}


def test_a_ticket_goes_through_its_workflow_by_what_a_status_means(release, key):
    assert release.stand(key).category == "todo"
    release.move(key, "doing", {})
    assert release.stand(key).category == "doing"
    with pytest.raises(Refused, match=rf"No transition leads {key} to 'Nowhere' now; offered: '"):
        release.move(key, "Nowhere", {})


def test_a_comment_is_found_again_by_its_mark(release, key):
    mark = "(my_shop 1.4.0, R-12)"
    assert not release.has_comment(key, mark)
    release.comment(key, f"**Out**\n\n{mark}")
    assert release.has_comment(key, mark)


def test_a_link_is_found_again_by_its_id(release, key):
    assert not release.has_link(key, "gare=R-12")
    release.add_link(key, "gare=R-12", "https://example.org/1", "Release 1.4.0")
    assert release.has_link(key, "gare=R-12")


def test_a_sprint_of_a_board_and_its_tickets(parts):
    boards = JiraBoards(*parts)
    sprints = boards.sprints("JIRA820 Scrum", ("active", "closed"))
    assert {sprint.state for sprint in sprints} == {"active", "closed"}
    active = next(sprint for sprint in sprints if sprint.state == "active")
    tickets = boards.sprint_tickets(active.id)
    assert tickets
    assert {ticket.status for ticket in tickets} <= {"todo", "doing", "done"}
