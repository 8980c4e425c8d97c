"""Lists of runs from a server that fails for every list with a run that it cannot spell."""

import pytest

from gare.errors import UnexpectedReply
from gare.run_lists import PAGE, Run, every, named

WANTED = {"sort": "ID_DESC"}


class Server:
    """Has runs, and fails for whole lists as Prefect's does."""

    def __init__(self, count: int, broken: set[int]) -> None:
        self.ids = [f"run {number}" for number in range(count)]
        self.broken = {f"run {number}" for number in broken}
        self.asked = 0

    def ask(self, body):
        self.asked += 1
        known = body.get("flow_runs", {}).get("id", {}).get("any_", self.ids)
        offset = body.get("offset", 0)
        part = [one for one in self.ids if one in known][offset : offset + body["limit"]]
        if self.broken & set(part):
            raise UnexpectedReply("Cannot read runs: HTTP 500")
        return [Run(one, one, "RUNNING", "Running", "") for one in part]


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
def test_every_run_is_listed_once(count):
    server = Server(count, set())
    found = every(server.ask, WANTED)
    assert [run.id for run in found.runs] == server.ids
    assert found.unreadable == 0


@pytest.mark.parametrize("broken", [{0}, {7}, {PAGE - 1}, {PAGE}, {3, 4, 2 * PAGE + 5}])
def test_those_that_cannot_be_told_hide_no_other(broken):
    server = Server(3 * PAGE, broken)
    found = every(server.ask, WANTED)
    assert {run.id for run in found.runs} == set(server.ids) - server.broken
    assert found.unreadable == len(broken)
    by_id = named(server.ask, server.ids)
    assert list(by_id) == server.ids
    assert {run.id for run in by_id.values() if not run.state_type} == server.broken


def test_a_server_that_fails_for_everything_is_not_asked_on():
    server = Server(PAGE, set(range(PAGE)))
    for listed in (lambda: every(server.ask, WANTED), lambda: named(server.ask, server.ids)):
        server.asked = 0
        with pytest.raises(UnexpectedReply):
            listed()
        assert server.asked < 25
