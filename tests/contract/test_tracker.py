"""What every tracker answers alike: the file in the repository, and Jira in both deployments."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sandbox import START, sandboxed

from gare.connectors.jira import Jira
from gare.connectors.jira_settings import JiraConnection, JiraTrackerSettings
from gare.connectors.tracker_file import FileTracker, FileTrackerSettings
from gare.domain.commits import Commit, read_changes
from gare.domain.scope import match, ticket_keys
from gare.ports.tracker import Ticket, Tracker

FILE = """
- {key: SHOP-1, title: Pay by card, type: story, status: done, version: 1.4.0}
- {key: SHOP-2, title: Gift cards, status: doing, version: 1.4.0}
- {key: SHOP-3, title: Wrong total, type: bug, status: reopened, version: 1.4.0}
- {key: SHOP-4, title: Search, status: todo}
"""
PROJECT = {
    "versions": ["1.4.0"],
    "issues": [
        {"key": "SHOP-1", "title": "Pay by card", "kind": "Story", "status": "Done", "versions": ["1.4.0"]},
        {"key": "SHOP-2", "title": "Gift cards", "status": "In Progress", "versions": ["1.4.0"]},
        {
            "key": "SHOP-3",
            "title": "Wrong total",
            "kind": "Bug",
            "versions": ["1.4.0"],
            "history": [{"from": "Done", "to": "To Do", "days_ago": 1}],
        },
        {"key": "SHOP-4", "title": "Search"},
    ],
}  # fmt: skip
ONE = Ticket("SHOP-1", "Pay by card", "story", "done", "1.4.0")
TWO = Ticket("SHOP-2", "Gift cards", "task", "doing", "1.4.0")
THREE = Ticket("SHOP-3", "Wrong total", "bug", "reopened", "1.4.0")
FOUR = Ticket("SHOP-4", "Search", "task", "todo", "")
SINCE = START - timedelta(days=5)


@pytest.fixture(params=["file", "cloud", "data-center"])
def tracker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tracker]:
    if request.param == "file":
        yield FileTracker(FileTrackerSettings(), lambda _path: FILE)
        return
    seed = {"deployment": request.param, "projects": {"SHOP": PROJECT}}
    (tmp_path / "token").write_text("sandbox-token")
    with sandboxed({"jira": seed}) as served:
        connection = JiraConnection(
            type="jira",
            url=f"{served.url}/jira",
            user="gare@example.org" if request.param == "cloud" else "",
            token="file:token",
            deployment=request.param,
        )
        settings = JiraTrackerSettings(type="jira", connection="jira", project="SHOP")
        yield Jira(settings, connection, tmp_path)
        assert served.invalid() == []


def test_the_named_and_the_planned_sorted_by_key(tracker):
    assert tracker.tickets(["SHOP-4", "SHOP-1"], "1.4.0", SINCE) == [ONE, TWO, THREE, FOUR]


def test_the_named_alone_when_nothing_is_planned(tracker):
    assert tracker.tickets(["SHOP-4"], "9.9.9") == [FOUR]


def test_a_candidate_has_the_tickets_of_its_version(tracker):
    assert tracker.tickets([], "1.4.0-rc.2", SINCE) == [ONE, TWO, THREE]


def test_what_is_not_there_is_left_out(tracker):
    assert tracker.tickets(["SHOP-99"], "9.9.9") == []


def test_scope_is_the_same_whoever_keeps_the_tickets(tracker):
    commits = [
        Commit("a" * 40, ("p",), "E", "e@x.org", SINCE.isoformat(), "feat: cards SHOP-1"),
        Commit("b" * 40, ("p",), "E", "e@x.org", SINCE.isoformat(), "fix: total SHOP-3"),
        Commit("c" * 40, ("p",), "E", "e@x.org", SINCE.isoformat(), "fix: typo SHOP-99"),
        Commit("d" * 40, ("p",), "E", "e@x.org", SINCE.isoformat(), "chore: nothing"),
    ]
    changes = read_changes(commits, r"\b[A-Z]+-\d+\b", ())
    scope = match(changes, tracker.tickets(ticket_keys(changes), "1.4.0", SINCE))
    assert {ticket.key: ticket.verdict for ticket in scope.tickets} == {
        "SHOP-1": "matched",
        "SHOP-2": "planned without code",
        "SHOP-3": "reopened",
        "SHOP-99": "code without ticket",
    }
    assert scope.untracked == ("d" * 40,)
