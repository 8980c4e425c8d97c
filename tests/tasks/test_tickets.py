"""The steps that write into Jira, on a real ledger: each write once, also when an answer is lost on the way."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from jira_project import SEED, Repository
from sandbox import Served, sandboxed

from gare.change_ticket import tell_end
from gare.domain.releases import ReleaseState, StepState
from gare.errors import Conflict, Unavailable
from gare.ledger.audit import audit_ledger
from gare.sandbox.clock import Clock
from tasks.change import follow
from tasks.step import Work
from tasks.tickets import tell
from tasks.told import tell_put_back


@pytest.fixture
def jira() -> Iterator[Served]:
    with sandboxed({"jira": SEED}, clock=Clock()) as served:
        yield served
        assert served.invalid() == []


class Released:
    """A release of the project in the ledger, of which single steps are done by hand."""

    def __init__(self, repository: Repository) -> None:
        self.gare = repository.gare()
        digest, self.plan = repository.plan()
        releases = self.gare.ledger.releases
        self.release = releases.open(digest, self.plan, "run-1", "", "", {"project": "shop"})

    def work(self, step: str) -> Work:
        return Work(self.gare, self.release, self.plan, self.plan.step(step), 1, lambda _line: None)

    def done(self, step: str, value: object) -> None:
        releases = self.gare.ledger.releases
        releases.begin_step(self.release.id, step, actor="test")
        releases.end_step(self.release.id, step, StepState.DONE, value=value, actor="test")


@pytest.fixture
def released(tmp_path, jira) -> Released:
    return Released(Repository(tmp_path, f"{jira.url}/jira"))


def state(jira: Served):
    return jira.sandbox.vendors["jira"].state


def writes(jira: Served) -> list[str]:
    return [line for line in jira.sent() if not line.startswith("GET ")]


def assert_told_once(jira: Served) -> None:
    issue, versions = state(jira).issues["SHOP-1"], state(jira).projects["SHOP"].versions
    assert [version.name for version in versions] == ["1.0.0", "1.1.0"]
    assert versions[1].released
    assert (issue.status, issue.versions) == ("Done", ["1.1.0"])
    assert (len(issue.comments), len(issue.links)) == (1, 1)


def test_tickets_with_code_are_told_and_a_second_time_nothing_is_sent(released, jira):
    value = tell(released.work("tickets"))
    assert value["tickets"] == ["SHOP-1"]
    assert_told_once(jira)
    before = writes(jira)
    tell(released.work("tickets"))
    assert writes(jira) == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "*/version"),
        ("PUT", "*/issue/SHOP-1"),
        ("POST", "*/transitions"),
        ("POST", "*/comment"),
        ("POST", "*/remotelink"),
        ("PUT", "*/version/*"),
    ],
)
def test_a_write_whose_answer_is_lost_is_found_and_not_done_twice(released, jira, method, path):
    versions = state(jira).projects["SHOP"].versions
    versions[:] = [version for version in versions if version.name != "1.1.0"]
    issue = state(jira).issues["SHOP-1"]
    issue.versions, issue.status = [], "To Do"
    jira.fail("lost reply", method=method, path=path, count=1)
    for _ in range(2):
        try:
            tell(released.work("tickets"))
        except Unavailable:
            continue
    assert_told_once(jira)
    if method == "POST":
        assert len([line for line in writes(jira) if line.endswith(path[1:])]) == 1


def test_an_archived_version_stops_it_before_anything_is_written(released, jira):
    state(jira).projects["SHOP"].versions[1].archived = True
    with pytest.raises(
        Conflict, match=r"version 1\.1\.0 in Jira SHOP.*archived version.*unarchive"
    ):
        tell(released.work("tickets"))
    assert writes(jira) == []


def test_a_ticket_that_went_away_is_left_out(released, jira):
    del state(jira).issues["SHOP-1"]
    assert tell(released.work("tickets"))["tickets"] == []
    assert state(jira).projects["SHOP"].versions[1].released


def test_the_change_ticket_is_opened_once_and_follows_the_phases(released, jira):
    key = follow(released.work("change-open"))["key"]
    again = replace(released.work("change-open"), attempt=2)
    assert follow(again)["key"] == key
    released.done("change-open", {"key": key})
    change = state(jira).issues[key]
    assert (change.kind, change.labels) == ("Change", [f"gare-shop-{released.release.id}"])
    assert released.release.id in change.fields["description"]
    follow(released.work("change-deploying"))
    assert change.status == "In Progress"
    follow(released.work("change-released"))
    assert change.status == "Done"


def test_a_lost_answer_opens_no_second_change_ticket(released, jira):
    jira.fail("lost reply", method="POST", path="*/issue")
    with pytest.raises(Unavailable):
        follow(released.work("change-open"))
    assert follow(released.work("change-open"))["key"] == "SHOP-4"
    assert "SHOP-5" not in state(jira).issues


def test_a_release_that_ends_otherwise_says_so_in_its_change_ticket_and_its_record_holds(
    released, jira
):
    key = follow(released.work("change-open"))["key"]
    released.done("change-open", {"key": key})
    tell_end(released.gare, released.release)
    assert state(jira).issues[key].status == "To Do"
    releases = released.gare.ledger.releases
    ended = releases.mark(released.release.id, ReleaseState.REJECTED, actor="bob", end="no")
    tell_end(released.gare, ended)
    tell_end(released.gare, ended)
    assert state(jira).issues[key].status == "Done"
    assert len(state(jira).issues[key].history) == 1
    report = audit_ledger(released.gare.ledger.database)
    assert report.is_sound, report


def test_a_version_that_was_put_back_is_told_to_its_change_ticket_once(released, jira):
    key = follow(released.work("change-open"))["key"]
    released.done("change-open", {"key": key})
    ledger, release = released.gare.ledger, released.release.id
    ledger.taken_back.note(release, "production", by=release, to="1.0.0", actor="gare")
    ended = ledger.releases.mark(
        release, ReleaseState.ROLLED_BACK, actor="gare", end="production: it is slow."
    )
    assert tell_put_back(released.gare, ended) == tell_put_back(released.gare, ended) == []
    [comment] = state(jira).issues[key].comments
    assert "was rolled back in production, which is back at 1.0.0: it is slow. (R-1)" in str(
        comment
    )


def test_a_tracker_that_is_away_does_not_change_how_a_release_ended(released, jira):
    key = follow(released.work("change-open"))["key"]
    released.done("change-open", {"key": key})
    releases = released.gare.ledger.releases
    ended = releases.mark(released.release.id, ReleaseState.CANCELLED, actor="bob", end="no")
    jira.fail("status", status=500, count=None)
    problem = tell_end(released.gare, ended)
    assert f"The change ticket {key} was not moved: Jira answered 500" in problem
    assert releases.get(released.release.id).state is ReleaseState.CANCELLED
