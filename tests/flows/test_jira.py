"""A release whose tickets live in Jira, on the real engine: what Jira is told, once, whatever happens in between."""

from collections.abc import Iterator

import pytest
from sandbox import Served, sandboxed
from waiting import wait_until

from gare.domain.releases import ReleaseState
from gare.sandbox.clock import Clock
from gare.sandbox.jira_state import Transition

pytestmark = pytest.mark.engine

SEED = {
    "users": [{"name": "gare", "token": "secret-token-1"}],
    "deployment": "data-center",
    "projects": {
        "SHOP": {
            "versions": [{"name": "1.0.0", "released": True}],
            "issues": [
                {"key": "SHOP-1", "title": "Not in it"},
                {"key": "SHOP-2", "title": "The second thing"},
            ],
        }
    },
}
TICKETS = """
tickets:
  tracker: {type: jira, connection: jira, project: SHOP}
  on_release: {transition: Done, comment: 'Out with **{version}**', link: 'https://shop.example.org/{tag}'}
  change: {type: Change, phases: {deploying: doing, released: done, stopped: Done}}
"""


@pytest.fixture
def jira(station_root) -> Iterator[Served]:
    """Have a Jira that the station is connected to for the length of a test."""
    station = station_root / "station.yaml"
    before = station.read_text()
    (station_root / "jira-token").write_text("secret-token-1\n")
    with sandboxed({"jira": SEED}, clock=Clock()) as served:
        station.write_text(
            f"{before}connections:\n"
            f"  jira: {{type: jira, url: '{served.url}/jira', token: 'file:jira-token'}}\n"
        )
        yield served
        station.write_text(before)
        assert served.invalid() == []


def state(jira: Served):
    return jira.sandbox.vendors["jira"].state


def test_a_release_tells_its_tickets_and_its_change_ticket(jira, shop):
    shop.configure(TICKETS)
    shop.release()
    release = shop.last()
    assert release.state is ReleaseState.RELEASED, release.end
    issues, (_, version) = state(jira).issues, state(jira).projects["SHOP"].versions
    told = issues["SHOP-2"]
    assert (version.name, version.released) == ("1.1.0", True)
    assert (told.status, told.versions) == ("Done", ["1.1.0"])
    assert [link["object"]["url"] for link in told.links] == ["https://shop.example.org/v1.1.0"]
    assert [comment["body"].split("\n")[0] for comment in told.comments] == ["Out with *1.1.0*"]
    assert (issues["SHOP-1"].status, issues["SHOP-1"].comments) == ("To Do", [])
    change = issues["SHOP-3"]
    assert [step.to for step in change.history] == ["In Progress", "Done"]
    assert release.id in change.fields["description"]
    shop.assert_once()


def test_a_release_that_cannot_be_planned_now_is_planned_when_jira_is_back(jira, shop):
    shop.configure(TICKETS)
    jira.fail("rate limit", retry_after_s=600, count=None)
    shop.gare().engine.start({"project": shop.name})
    wait_until(
        lambda: "not begun: run release" in (said := shop.run("status")) and shop.name in said
    )
    assert "Jira asks us to slow down" in shop.run("status")
    jira.sandbox.faults.clear()
    wait_until(lambda: shop.gare().ledger.releases.find(project=shop.name), 120)
    shop.wait_for(ReleaseState.RELEASED, timeout_s=120)


def test_what_was_told_before_jira_went_away_is_not_told_again(jira, shop):
    shop.configure(TICKETS)
    jira.fail("lost reply", method="POST", path="*/comment")
    shop.release()
    # It waits without a process until Jira is back, and goes on by itself.
    shop.wait_for(ReleaseState.RELEASED)
    assert len(state(jira).issues["SHOP-2"].comments) == 1
    assert len(jira.sent("POST", "/comment")) == 1
    shop.assert_once()


def test_a_transition_that_the_workflow_does_not_offer_stops_it_and_resume_goes_on(jira, shop):
    shop.configure(TICKETS.replace("transition: Done", "transition: Shipped"))
    said = shop.release(code=1)
    assert "No transition leads SHOP-2 to 'Shipped' now; offered: 'Start' to 'In Progress'" in said
    project = state(jira).projects["SHOP"]
    assert project.versions[-1].released
    assert len(state(jira).issues["SHOP-2"].comments) == 1
    project.statuses["Shipped"] = "done"
    project.transitions.append(Transition("99", "Ship", "Shipped", (), {}))
    shop.run("resume", shop.last().id)
    assert shop.last().state is ReleaseState.RELEASED
    assert (state(jira).issues["SHOP-2"].status, project.versions[-1].released) == ("Shipped", True)
    shop.assert_once()


@pytest.mark.parametrize("correction", ["transition: Done", "transition: Shipped, refused: warn"])
def test_what_is_corrected_in_the_projects_file_counts_at_resume(jira, shop, correction):
    shop.configure(TICKETS.replace("transition: Done", "transition: Shipped"))
    said = shop.release(code=1)
    assert "which reads these keys anew" in said
    shop.configure(TICKETS.replace("transition: Done", correction))
    shop.run("resume", shop.last().id)
    release = shop.last()
    assert release.state is ReleaseState.RELEASED, release.end
    issue = state(jira).issues["SHOP-2"]
    assert (issue.status == "Done") == (correction == "transition: Done")
    assert len(issue.comments) == 1
    assert "tickets takes from the project's file as it is now" in shop.run("log", release.id)
    shop.assert_once()


def test_the_change_ticket_of_a_rejected_release_is_closed(jira, shop):
    approval = "    approval: {groups: {qa: 1, operations: 1}}\n"
    shop.configure(approval + TICKETS)
    shop.release()
    release = shop.wait_for(ReleaseState.WAITING)
    assert state(jira).issues["SHOP-3"].status == "To Do"
    shop.run("reject", release.id, "--env", "production", "--comment", "not now", person="bob")
    shop.wait_for(ReleaseState.REJECTED)
    wait_until(lambda: state(jira).issues["SHOP-3"].status == "Done")
    assert state(jira).issues["SHOP-2"].status == "To Do"
    shop.run("audit", "verify")
