"""Jira as a release meets it, Cloud and Data Center: on the simulator, every request checked with the descriptions."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import pytest
from sandbox import START, Served, sandboxed

from gare.connectors.jira import Jira
from gare.connectors.jira_boards import JiraBoards
from gare.connectors.jira_release import JiraRelease
from gare.connectors.jira_settings import JiraConnection, JiraTrackerSettings
from gare.connectors.jira_site import PAGE
from gare.domain.commits import Commit, read_changes
from gare.domain.scope import match, ticket_keys
from gare.errors import (
    AuthenticationFailed,
    Conflict,
    GareError,
    NotFound,
    PermissionDenied,
    RateLimited,
    Refused,
    Unavailable,
    UnexpectedReply,
)
from gare.ports.tracker import Ticket
from gare.sandbox.jira_base import RIGHTS
from gare.sandbox.jira_state import Change, Issue, Transition

SCREENED = {
    "statuses": {"To Do": "new", "In Review": "indeterminate", "Done": "done", "Dropped": "done"},
    "transitions": [
        {"name": "Review", "to": "In Review", "from": ["To Do"]},
        {"name": "Drop", "to": "Dropped", "from": ["In Review"], "screen": {"reason": {"required": True}}},
        {
            "name": "Close",
            "to": "Done",
            "from": ["In Review"],
            "screen": {
                "resolution": {"required": True, "values": ["Fixed", "Won't Do"]},
                "team": {"name": "Team", "required": True, "default": "none"},
            },
        },
    ],
}  # fmt: skip
PROJECTS = {
    "SHOP": {
        "name": "Shop",
        "versions": [
            {"name": "1.3.0", "released": True},
            {"name": "1.2.0", "archived": True},
            "1.4.0",
        ],
        "issues": [
            {"key": "SHOP-1", "title": "Pay by card", "status": "Done", "versions": ["1.4.0"]},
            {"key": "SHOP-2", "title": "Gift cards", "kind": "Story", "versions": ["1.4.0"]},
            {
                "key": "SHOP-3",
                "title": "Wrong total",
                "kind": "Bug",
                "versions": ["1.3.0"],
                "history": [{"from": "Done", "to": "To Do", "days_ago": 2}],
            },
            {"key": "SHOP-4", "title": "Faster search", "status": "In Progress"},
            {
                "key": "SHOP-5",
                "title": "Long ago",
                "history": [{"from": "Done", "to": "To Do", "days_ago": 300}],
            },
        ],
        "boards": [
            {
                "name": "Shop board",
                "sprints": [
                    {"name": "Sprint 7", "state": "closed"},
                    {"name": "Sprint 8", "state": "active", "issues": ["SHOP-1", "SHOP-2"]},
                    {"name": "Sprint 9"},
                ],
            },
            {"name": "Shop flow", "kind": "kanban"},
        ],
    },
    "OPS": {"workflow": SCREENED, "issues": [{"key": "OPS-1", "title": "Change"}]},
}
USERS = [
    {"name": "gare", "email": "gare@example.org", "token": "good"},
    {"name": "old", "email": "old@example.org", "token": "expired", "expired": True},
    *(
        {"name": right, "email": f"{right}@example.org", "token": right, "lacks": [right]}
        for right in RIGHTS
    ),
]  # fmt: skip
SINCE = START - timedelta(days=10)


@dataclass
class Site:
    """One simulated Jira, and how Gare is connected to it."""

    served: Served
    deployment: str
    folder: Path
    token: str = "good"
    project: str = "SHOP"

    @property
    def parts(self) -> tuple[JiraTrackerSettings, JiraConnection, Path]:
        (self.folder / self.token).write_text(self.token)
        user = next(user["email"] for user in USERS if user["token"] == self.token)
        connection = JiraConnection(
            type="jira",
            url=f"{self.served.url}/jira",
            token=f"file:{self.token}",
            user=user if self.deployment == "cloud" else "",
            deployment=self.deployment,
        )
        settings = JiraTrackerSettings(type="jira", connection="jira", project=self.project)
        return settings, connection, self.folder

    @cached_property
    def tracker(self) -> Jira:
        return Jira(*self.parts)

    @cached_property
    def release(self) -> JiraRelease:
        return JiraRelease(*self.parts)

    @cached_property
    def boards(self) -> JiraBoards:
        return JiraBoards(*self.parts)

    def as_user(self, token: str) -> "Site":
        return Site(self.served, self.deployment, self.folder, token)


@pytest.fixture(params=["cloud", "data-center"])
def site(request, tmp_path) -> Iterator[Site]:
    seed = {"deployment": request.param, "projects": PROJECTS, "users": USERS}
    with sandboxed({"jira": seed}) as served:
        yield Site(served, request.param, tmp_path)
        assert served.invalid() == []


def stand(site: Site, key: str):
    return site.release.stand(key)


class TestScope:
    def test_tickets_are_those_named_those_planned_and_those_reopened_of_a_version_that_is_out(
        self, site
    ):
        assert site.tracker.tickets(["SHOP-1", "SHOP-4"], "1.4.0", SINCE) == [
            Ticket("SHOP-1", "Pay by card", "task", "done", "1.4.0"),
            Ticket("SHOP-2", "Gift cards", "story", "todo", "1.4.0"),
            Ticket("SHOP-3", "Wrong total", "bug", "reopened", "1.3.0"),
            Ticket("SHOP-4", "Faster search", "task", "doing", ""),
        ]

    def test_a_ticket_with_code_that_was_reopened_since_says_so_and_one_reopened_long_ago_does_not(
        self, site
    ):
        site.release.move("SHOP-1", "To Do", {})
        statuses = {
            t.key: t.status for t in site.tracker.tickets(["SHOP-1", "SHOP-5"], "9.0", SINCE)
        }
        assert statuses == {"SHOP-1": "reopened", "SHOP-3": "reopened", "SHOP-5": "todo"}

    def test_keys_and_versions_that_do_not_exist_leave_the_others_found(self, site):
        found = site.tracker.tickets(["SHOP-4", "SHOP-99", "SHOP-100", "UTF-8"], "7.7.7")
        assert [ticket.key for ticket in found] == ["SHOP-4"]

    def test_tickets_of_the_final_version_belong_to_its_candidates(self, site):
        found = site.tracker.tickets([], "1.4.0-rc.1")
        assert [ticket.key for ticket in found] == ["SHOP-1", "SHOP-2"]

    def test_what_a_search_does_not_show_yet_is_not_made_up(self, tmp_path):
        seed = {"projects": PROJECTS, "users": USERS, "search_lag_s": 30}
        with sandboxed({"jira": seed}) as served:
            site = Site(served, "cloud", tmp_path)
            site.release.plan_for("SHOP-4", "1.4.0")
            assert "SHOP-4" not in [t.key for t in site.tracker.tickets([], "1.4.0")]
            assert site.release.stand("SHOP-4").versions == ("1.4.0",)
            served.sandbox.clock.advance(timedelta(seconds=31))
            assert "SHOP-4" in [t.key for t in site.tracker.tickets([], "1.4.0")]


def many(n: int, case: str) -> dict[str, object] | None:
    """The nth of two thousand tickets that commits name; None is one that does not exist."""
    has = case == "all planned" or (case == "some planned" and n <= 1030)
    again = [{"from": "Done", "to": "To Do", "days_ago": 2}] if case == "all reopened" else []
    if case == "every 50th does not exist" and n % 50 == 0:
        return None
    return {
        "key": f"SHOP-{n}",
        "title": f"Ticket {n}",
        "versions": ["2.0.0"] if has else [],
        "history": again,
    }


@pytest.mark.parametrize("deployment", ["cloud", "data-center"])
@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        ("all planned", "matched"),
        ("some planned", "matched"),
        ("every 50th does not exist", "matched"),
        ("all reopened", "reopened"),
    ],
)
def test_5000_commits_against_2000_tickets_take_few_requests(tmp_path, deployment, case, verdict):
    issues = [one for n in range(1, 2001) if (one := many(n, case))]
    seed = {
        "deployment": deployment,
        "users": USERS,
        "projects": {"SHOP": {"versions": ["2.0.0"], "issues": issues}},
    }
    commits = [
        Commit(f"{n:040x}", ("p",), "E", "e@x.org", START.isoformat(), f"feat: SHOP-{n % 2000 + 1}")
        for n in range(5000)
    ]
    changes = read_changes(commits, r"\b[A-Z]+-\d+\b", ())
    with sandboxed({"jira": seed}) as served:
        tracker = Site(served, deployment, tmp_path).tracker
        scope = match(changes, tracker.tickets(ticket_keys(changes), "2.0.0", SINCE))
        requests = len(served.sent())
        assert served.invalid() == []
    assert len(scope.tickets) == 2000
    verdicts = [ticket.verdict for ticket in scope.tickets]
    assert verdicts.count(verdict) == len(issues)
    assert requests <= math.ceil(2000 / PAGE) + 3


def test_a_ticket_of_another_project_is_reopened_by_that_projects_own_statuses(site):
    ops = site.served.sandbox.vendors["jira"].state
    ops.issues["OPS-1"].history.append(Change(START - timedelta(days=1), "Dropped", "To Do"))
    settings, *rest = site.parts
    tracker = Jira(settings.model_copy(update={"also": ("OPS",)}), *rest)
    (ticket,) = tracker.tickets(["OPS-1"], "9.0", SINCE)[:1]
    assert (ticket.key, ticket.status) == ("OPS-1", "reopened")


class TestVersions:
    def test_a_version_is_made_moved_released_and_archived(self, site):
        assert site.release.versions.version("1.5.0") is None
        site.release.versions.make_version("1.5.0", "Cards")
        site.release.versions.place_version("1.5.0", "1.3.0")
        names = [
            v.name for v in site.served.sandbox.vendors["jira"].state.projects["SHOP"].versions
        ]
        assert names == ["1.3.0", "1.5.0", "1.2.0", "1.4.0"]
        site.release.versions.release_version("1.5.0", date(2026, 3, 2))
        found = site.release.versions.version("1.5.0")
        assert (found.is_released, found.released_on) == (True, "2026-03-02")
        site.release.versions.archive_version("1.5.0")
        assert site.release.versions.version("1.5.0").is_archived

    def test_an_archived_version_is_not_changed(self, site):
        with pytest.raises(
            Conflict, match=r"Version 1\.2\.0 of Jira SHOP is archived.*Unarchive it"
        ):
            site.release.versions.release_version("1.2.0", date(2026, 3, 2))

    def test_a_version_that_went_away_is_named(self, site):
        with pytest.raises(NotFound, match=r"Jira SHOP has no version 9\.9"):
            site.release.versions.release_version("9.9", date(2026, 3, 2))

    def test_two_that_add_a_version_to_one_ticket_both_keep_theirs(self, site):
        site.release.plan_for("SHOP-4", "1.4.0")
        site.release.plan_for("SHOP-4", "1.3.0")
        assert set(stand(site, "SHOP-4").versions) == {"1.3.0", "1.4.0"}

    def test_an_archived_version_is_not_given_to_a_ticket(self, site):
        with pytest.raises(Refused, match=r"Version name '1\.2\.0' is not valid"):
            site.release.plan_for("SHOP-4", "1.2.0")


class TestTransitions:
    def test_by_name_of_the_status_whatever_its_case(self, site):
        site.release.move("SHOP-2", "in progress", {})
        assert stand(site, "SHOP-2").status == "In Progress"

    def test_by_what_the_status_means(self, site):
        site.release.move("SHOP-2", "done", {})
        assert stand(site, "SHOP-2").is_in("done")

    def test_a_status_that_is_not_offered_is_refused_with_what_is(self, site):
        offered = "No transition leads OPS-1 to 'Done' now; offered: 'Review' to 'In Review'"
        with pytest.raises(Refused, match=offered):
            site.release.move("OPS-1", "Done", {})

    def test_a_required_field_of_the_screen_is_named(self, site):
        site.release.move("OPS-1", "In Review", {})
        with pytest.raises(Refused, match=r"'Close' of OPS-1 asks for Resolution \(`resolution`\)"):
            site.release.move("OPS-1", "Done", {})

    def test_fields_that_this_screen_does_not_have_are_left_out(self, site):
        fields = {"resolution": "Fixed", "comment": "not on the screen"}
        site.release.move("OPS-1", "In Review", fields)
        site.release.move("OPS-1", "done", fields)
        issue = site.served.sandbox.vendors["jira"].state.issues["OPS-1"]
        assert issue.status == "Done"
        assert issue.fields["resolution"] == {"name": "Fixed"}

    def test_one_that_is_done_stays_where_nothing_leads_on(self, site):
        jira = site.served.sandbox.vendors["jira"].state
        jira.issues["OPS-1"].status = "Dropped"
        assert site.release.move("OPS-1", "Done", {})["status"] == "Dropped"
        assert site.release.move("OPS-1", "done", {})["status"] == "Dropped"
        with pytest.raises(Refused, match="No transition leads OPS-1 to 'In Review'"):
            site.release.move("OPS-1", "In Review", {})

    @pytest.mark.parametrize(
        ("asked", "value", "kept"),
        [
            ({"type": "option", "values": ["High", "Low"]}, "high", {"value": "High"}),
            ({"type": "priority", "values": ["High", "Low"]}, "High", {"name": "High"}),
            ({"type": "option", "values": ["High", "Low"]}, "10001", {"id": "10001"}),
            ({"type": "array", "items": "component", "values": ["Web", "App"]}, "Web", [{"name": "Web"}]),
            (
                {"type": "array", "items": "option", "values": ["Web", "App"]},
                ["Web", "App"],
                [{"value": "Web"}, {"value": "App"}],
            ),
            ({"type": "array", "items": "string"}, ["urgent", "night"], ["urgent", "night"]),
            ({"type": "number"}, 3, 3),
            ({"type": "number"}, "2.5", 2.5),
            ({"type": "date"}, "2026-03-02", "2026-03-02"),
            ({"type": "group"}, "testers", {"name": "testers"}),
            ({"type": "option-with-child"}, {"value": "A", "child": {"value": "B"}},
             {"value": "A", "child": {"value": "B"}}),
        ],
    )  # fmt: skip
    def test_a_field_of_the_screen_is_spelled_as_its_type_asks(self, site, asked, value, kept):
        issue = screened(site, {"customfield_10042": {"required": True, **asked}})
        site.release.move("OPS-1", "Done", {"customfield_10042": value})
        assert (issue.status, issue.fields["customfield_10042"]) == ("Done", kept)

    def test_users_and_long_texts_are_spelled_for_the_deployment(self, site):
        asked = {"owner": {"type": "user"}, "why": {"type": "string", "custom": "textarea"}}
        issue = screened(site, asked)
        site.release.move("OPS-1", "Done", {"owner": "5b10", "why": "It is **out**"})
        is_cloud = site.deployment == "cloud"
        assert issue.fields["owner"] == ({"accountId": "5b10"} if is_cloud else {"name": "5b10"})
        assert isinstance(issue.fields["why"], dict if is_cloud else str)

    def test_a_value_that_a_field_does_not_take_is_refused_with_those_it_does(self, site):
        screened(site, {"resolution": {"required": True, "values": ["Fixed", "Won't Do"]}})
        told = r"`resolution` does not take 'Dne'\..*It takes Fixed, Won't Do"
        with pytest.raises(Refused, match=told):
            site.release.move("OPS-1", "Done", {"resolution": "Dne"})


def screened(site: Site, screen: dict[str, object]) -> Issue:
    """Let the way to Done ask for these fields; return the ticket that takes it."""
    state = site.served.sandbox.vendors["jira"].state
    state.projects["OPS"].transitions.append(Transition("91", "End", "Done", ("To Do",), screen))
    return state.issues["OPS-1"]


class TestWords:
    def test_a_comment_is_found_again_by_its_mark(self, site):
        mark = "(my_shop 1.4.0, R-12)"
        assert not site.release.has_comment("SHOP-1", mark)
        site.release.comment("SHOP-1", f"**Out** with `1.4.0`\n\n{mark}")
        assert site.release.has_comment("SHOP-1", mark)
        assert not site.release.has_comment("SHOP-2", mark)

    def test_a_link_with_the_same_id_is_changed_and_not_doubled(self, site):
        site.release.add_link("SHOP-1", "gare=R-12", "https://example.org/1", "First")
        assert site.release.has_link("SHOP-1", "gare=R-12")
        site.release.add_link("SHOP-1", "gare=R-12", "https://example.org/2", "Second")
        links = site.served.sandbox.vendors["jira"].state.issues["SHOP-1"].links
        assert [link["object"]["title"] for link in links] == ["Second"]

    def test_a_change_ticket_is_found_again_by_its_label(self, site):
        assert site.release.find_change("gare-shop-R-12") == ""
        made = site.release.open_change("gare-shop-R-12", "Release", "# Notes", "OPS", "Change")
        assert made["ticket"] == "OPS-2"
        assert site.release.find_change("gare-shop-R-12") == "OPS-2"


class TestBoards:
    def test_the_active_sprint_and_what_is_left_of_it(self, site):
        (sprint,) = site.boards.sprints("Shop board")
        assert (sprint.name, sprint.state, sprint.board) == ("Sprint 8", "active", "Shop board")
        left = [t.key for t in site.boards.sprint_tickets(sprint.id) if t.status != "done"]
        assert left == ["SHOP-2"]

    def test_sprints_by_state_in_the_boards_order(self, site):
        found = site.boards.sprints("Shop board", ("active", "future"))
        assert [sprint.name for sprint in found] == ["Sprint 8", "Sprint 9"]

    def test_an_unknown_board_is_refused_with_those_there_are(self, site):
        with pytest.raises(
            NotFound, match=r"no board 'Shop bord'.*Boards are: Shop board, Shop flow"
        ):
            site.boards.sprints("Shop bord")


class TestRefusals:
    def test_an_expired_token(self, site):
        with pytest.raises(
            AuthenticationFailed,
            match=r"wrong or expired: make a new one, .*`connections: \S+` of station.yaml.*restart the station",
        ):
            site.as_user("expired").tracker.tickets(["SHOP-1"], "1.4.0")

    @pytest.mark.parametrize(
        ("right", "name", "write"),
        [
            (
                "ADMINISTER_PROJECTS",
                "Administer Projects",
                lambda r: r.versions.make_version("2.0", ""),
            ),
            ("EDIT_ISSUES", "Edit Issues", lambda r: r.plan_for("SHOP-1", "1.4.0")),
            ("ADD_COMMENTS", "Add Comments", lambda r: r.comment("SHOP-1", "out")),
            ("CREATE_ISSUES", "Create Issues", lambda r: r.open_change("l", "t", "x", "", "Task")),
            ("TRANSITION_ISSUES", "Transition Issues", lambda r: r.move("SHOP-2", "done", {})),
        ],
    )
    def test_a_missing_right_is_named(self, site, right, name, write):
        with pytest.raises(PermissionDenied) as refused:
            write(site.as_user(right).release)
        assert f"The right {name!r} is missing." in str(refused.value)
        assert f"give {right} to the token's account" in str(refused.value)

    def test_a_project_that_may_not_be_seen(self, site):
        with pytest.raises((NotFound, PermissionDenied), match=r"may see it|Browse Projects"):
            site.as_user("BROWSE_PROJECTS").release.versions.version("1.4.0")

    def test_a_project_that_is_not_there(self, site):
        with pytest.raises(
            Refused, match=r"'SHOPP' does not exist.*Look at the names under `tickets`"
        ):
            Site(site.served, site.deployment, site.folder, project="SHOPP").tracker.tickets(
                [], "1"
            )

    def test_an_answer_given_to_nobody_is_no_answer(self, site):
        """Cloud answers some searches with a wrong token as if nobody had signed in: with nothing."""
        site.served.sandbox.vendors["jira"].answers_strangers = True
        with pytest.raises(AuthenticationFailed, match="does not accept the token"):
            site.as_user("expired").tracker.tickets(["SHOP-1"], "1.4.0")

    def test_a_page_to_sign_in_instead_of_data(self, site):
        site.served.fail("login page")
        with pytest.raises(UnexpectedReply, match="web page instead of data"):
            site.release.versions.version("1.4.0")

    def test_json_that_breaks_off_once_is_asked_for_again(self, site):
        site.served.fail("truncated")
        assert site.release.versions.version("1.4.0").name == "1.4.0"

    def test_a_write_whose_answer_breaks_off_is_not_sent_again(self, site):
        site.served.fail("truncated", method="POST")
        with pytest.raises(Unavailable, match=r"breaks off.*Whether it was done is looked up"):
            site.release.comment("SHOP-1", "out")
        assert len(site.served.sent("POST")) == 1

    def test_a_refusal_names_the_request_by_which_jiras_log_is_searched(self, site):
        with pytest.raises(NotFound, match=r"/jira, request [0-9a-f]{32}\)"):
            site.release.stand("SHOP-99")

    def test_a_failure_of_jiras_own_says_so(self, site):
        site.served.fail("status", status=500)
        with pytest.raises(Unavailable, match=r"Jira answered 500.*look at its state"):
            site.release.versions.version("1.4.0")

    def test_a_jira_that_is_away_when_asked_for_rights_says_nothing_about_them(self, site):
        site.served.fail("status", status=403, method="POST")
        site.served.fail("rate limit", path="*/mypermissions", retry_after_s=600)
        with pytest.raises(RateLimited):
            site.release.comment("SHOP-1", "out")

    def test_asked_to_slow_down_for_long(self, site):
        site.served.fail("rate limit", retry_after_s=3600, count=None)
        with pytest.raises(RateLimited) as limited:
            site.release.versions.version("1.4.0")
        assert limited.value.retry_after_s == 3600

    def test_a_write_whose_answer_is_lost_is_not_sent_again(self, site):
        site.served.fail("lost reply", method="POST")
        with pytest.raises(Unavailable):
            site.release.comment("SHOP-1", "out (mark)")
        assert len(site.served.sent("POST")) == 1
        assert site.release.has_comment("SHOP-1", "(mark)")

    def test_cloud_taken_for_data_center_says_what_to_write(self, tmp_path):
        with sandboxed({"jira": {"projects": PROJECTS, "users": USERS}}) as served:
            site = Site(served, "data-center", tmp_path)
            with pytest.raises(GareError, match="write `deployment: cloud`"):
                site.tracker.tickets(["SHOP-1"], "1.4.0")
