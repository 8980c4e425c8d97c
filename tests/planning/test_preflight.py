"""What others will refuse is in the plan's warnings, before anything is done: asked of a real GitLab and Jira."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from company import Company, company

from gare.doctor.hosting import hosting
from gare.doctor.trackers import trackers
from gare.requests import HotfixRequest, ReleaseRequest
from gare.sandbox.jira_state import Version


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Company]:
    with company(tmp_path) as made:
        yield made
        assert made.served.invalid() == []


def warnings(shop: Company) -> list[str]:
    """Return what a plan says of GitLab and Jira, their names aside."""
    _, plan = shop.gare.drafting.make(ReleaseRequest(project="shop"))
    assert shop.writes() == []
    asked = ("GitLab shop/web/app: ", "Jira SHOP: ")
    return [one.partition(": ")[2] for one in plan.warnings if one.startswith(asked)]


def examined(shop: Company, check) -> list[str]:
    from gare.doctor.check import Site

    return [f"{one.status}: {one.what}" for one in check(Site(shop.gare.station))]


def forge(shop: Company):
    return shop.served.sandbox.vendors["forge"]


def board(shop: Company):
    return shop.served.sandbox.vendors["board"].state


def become(shop: Company, role: int) -> None:
    forge(shop).projects[0].members["gare"] = role


def test_nothing_is_said_where_nothing_will_be_refused(shop):
    assert warnings(shop) == []


def test_a_protected_tag_is_said_with_its_real_name(shop):
    become(shop, 30)
    forge(shop).projects[0].seed["protected_tags"] = [{"name": "v1.1.*", "create": "maintainer"}]
    assert warnings(shop) == [
        "tag v1.1.0 is protected: it takes the role Maintainer, and we are gare with the role Developer; "
        "gitlab-release will be refused"
    ]
    become(shop, 40)
    assert warnings(shop) == []


def test_a_branch_that_the_changelog_cannot_be_pushed_to(shop):
    shop.configure(publish="{gitlab_release: true, changelog: CHANGES.md}")
    (told,) = warnings(shop)
    assert told.startswith("branch main is protected: nobody may make or change it; the changelog")


def test_a_hotfix_is_asked_about_too(shop):
    become(shop, 30)
    fix = shop.git("rev-parse", "HEAD")
    _, plan = shop.gare.drafting.make(HotfixRequest(project="shop", commits=(fix,)))
    assert any("tag v1.0.1 is protected" in one for one in plan.warnings)


def test_a_token_that_may_only_read(shop):
    token = next(iter(forge(shop).tokens))
    forge(shop).tokens[token] = type(forge(shop).tokens[token])("gare", ("read_api",))
    told = "the token lacks the scope `api`: it has read_api; "
    assert warnings(shop) == [told + "ci, record-production, gitlab-release will be refused"]
    assert any(
        line.startswith("warn: shop: the token lacks the scope") for line in examined(shop, hosting)
    )


def test_a_role_that_may_only_read(shop):
    become(shop, 20)
    shop.configure(publish="{gitlab_release: false}")
    assert warnings(shop) == [
        "the role Developer is missing: gare has Reporter; ci, record-production will be refused"
    ]


def test_tickets_that_no_transition_leads_on(shop):
    shop.configure(tickets=TICKETS.format(transition="Shipped", kind="Change"))
    told = "tickets that are 'To Do', such as SHOP-2, will be refused: No transition leads SHOP-2 to 'Shipped' now"
    assert warnings(shop)[0].startswith(told)
    assert (
        "warn: shop: Jira SHOP has no status 'Shipped'; there are Done, In Progress, To Do"
    ) in examined(shop, trackers)


def test_a_screen_that_asks_for_more(shop):
    arrow = next(one for one in board(shop).projects["SHOP"].transitions if one.to == "Done")
    object.__setattr__(arrow, "screen", {"resolution": {"required": True, "values": ["Fixed"]}})
    (told,) = warnings(shop)
    assert "asks for Resolution (`resolution`)" in told


def test_rights_that_are_missing(tmp_path):
    with company(tmp_path, lacks=("ADD_COMMENTS", "CREATE_ISSUES")) as shop:
        assert warnings(shop) == [
            "the token's account lacks ADD_COMMENTS",
            "the token's account lacks CREATE_ISSUES",
        ]


def test_an_archived_version_is_said_where_the_release_is_to_release_it(shop):
    versions = board(shop).projects["SHOP"].versions
    versions.append(Version("99", "1.1.0", archived=True))
    assert warnings(shop) == [
        "version 1.1.0 is archived; tickets will be refused: unarchive it, or release another version"
    ]
    shop.configure(
        tickets="\n  tracker: {type: jira, connection: board, project: SHOP}"
        "\n  on_release: {version: false, comment: Out}"
    )
    assert warnings(shop) == []


def test_a_type_of_change_tickets_that_is_not_there_or_asks_for_more(shop):
    shop.configure(tickets=TICKETS.format(transition="done", kind="Chnage"))
    (told,) = warnings(shop)
    assert told.startswith(
        "no tickets of type 'Chnage'; there are Task, Bug, Story, Change; change-"
    )
    shop.configure(tickets=TICKETS.format(transition="done", kind="Change"))
    board(shop).projects["SHOP"].asks = {"Change": ["risk"]}
    assert warnings(shop)[0].startswith("tickets of type Change ask for Risk (`risk`)")
    assert any("ask for Risk" in line for line in examined(shop, trackers))


def test_a_project_of_jira_that_is_not_there_is_no_good_news(shop):
    file = shop.root / "projects" / "shop.yaml"
    file.write_text(file.read_text().replace("project: SHOP", "project: SHOPP"))
    (told,) = examined(shop, trackers)
    assert told.startswith(
        "fail: shop: Jira answered 404: No project could be found with key 'SHOPP'"
    )


def test_what_cannot_be_asked_is_said_and_the_plan_is_made(shop):
    shop.served.fail("status", status=500, path="*/protected_tags")
    (told,) = warnings(shop)
    assert told.startswith("what it will refuse could not be asked: GitLab failed")


def test_many_tickets_cost_a_question_for_each_status(shop):
    keys = []
    for number in range(250):
        said = {"kind": "Task", "summary": "More", "status": ("To Do", "In Progress")[number % 2]}
        keys.append(board(shop).add_issue("SHOP", said, shop.served.sandbox.clock.now()).key)
    shop.commit("feat: more " + " ".join(keys))
    shop.served.sandbox.journal.clear()
    assert warnings(shop) == []
    sent = shop.served.sandbox.journal.entries(vendor="board")
    assert len([one for one in sent if one.path.endswith("/transitions")]) == 2
    assert len(sent) <= 2 + 3 + 2 + 1 + 5


def test_a_wait_for_a_vendor_is_seen_at_the_command_line(shop):
    shop.served.fail("status", path="*/protected_tags")
    done = subprocess.run(
        [sys.executable, "-m", "gare", "plan", "shop"], cwd=shop.root, capture_output=True, text=True, timeout=60
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"GitLab cannot be used now: it answered 503\. \(GitLab .*\) Again in", done.stderr
    ), done.stdout


TICKETS = """
  tracker: {{type: jira, connection: board, project: SHOP}}
  on_release: {{transition: {transition}, comment: 'Out with {{version}}'}}
  change: {{type: {kind}}}"""
