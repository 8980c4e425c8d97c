"""The real systems as the sandbox's seed: what a rehearsal meets is what is there, and nothing is written."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from company import Company, company
from gitlab_project import connected
from sandbox import sandboxed

from gare.config.loader import load_station
from gare.connectors.gitlab_settings import GitLabTrackerSettings
from gare.domain.plan import PlannedTicket
from gare.rehearsal.folder import Backstage
from gare.rehearsal.gitlab import read_gitlab
from gare.rehearsal.reading import Reading
from gare.requests import ReleaseRequest


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Company]:
    with company(tmp_path, lacks=("ADD_COMMENTS",)) as made:
        yield made


def read(shop: Company, folder: Path) -> tuple[Backstage, dict[str, Reading]]:
    _, plan = shop.gare.drafting.make(ReleaseRequest(project="shop"))
    folder.mkdir()
    backstage = Backstage(shop.gare, shop.gare.project("shop"), plan, folder)
    return backstage, backstage.read()


def test_the_rehearsed_gitlab_answers_as_the_real_one(shop, tmp_path):
    backstage, readings = read(shop, tmp_path / "rehearsal")
    section = readings["forge"].seed
    (token,) = section["tokens"]
    assert token != "glpat-real"
    with sandboxed({"gitlab": section}) as served:
        hosted = connected(served.url, token=token, project="shop/web/app")
        mine, theirs = hosted.site, backstage.gare.hosting.of(backstage.project.config).site
        for path in ("members/all", "protected_tags", "protected_branches", "environments"):
            assert _bare(mine.rows(path)) == _bare(theirs.rows(path)), path
        for path in ("protected_environments", "repository/tags", "repository/branches"):
            assert _bare(mine.rows(path)) == _bare(theirs.rows(path)), path
        assert mine.account() == theirs.account()
        (merged,) = mine.rows("merge_requests")
        assert (merged["iid"], merged["title"], merged["state"]) == (7, "Cups", "merged")
    assert section["projects"]["shop/web/app"]["pipeline"]["jobs"] == {
        "unit": {
            "stage": "test",
            "takes_s": 1,
            "allow_failure": False,
            "tests": {"passed": 4, "skipped": 1},
        },
        "review": {"stage": "ship", "takes_s": 1, "allow_failure": False, "when": "manual"},
    }
    assert shop.writes() == []


def _bare(rows) -> list[dict]:
    """Return rows without what each server makes up: ids and times."""
    own = ("id", "created_at", "updated_at", "web_url", "target")
    return [{key: value for key, value in row.items() if key not in own} for row in rows]


def test_the_rehearsed_jira_has_the_versions_the_tickets_in_scope_and_the_rights(shop, tmp_path):
    _, readings = read(shop, tmp_path / "rehearsal")
    section = readings["board"].seed
    project = section["projects"]["SHOP"]
    assert section["deployment"] == "data-center"
    assert section["users"][0]["lacks"] == ["ADD_COMMENTS"]
    assert [one["name"] for one in project["versions"] if one["released"]] == ["1.0.0"]
    assert project["issues"] == [
        {
            "key": "SHOP-2",
            "title": "Cups",
            "kind": "Task",
            "status": "To Do",
            "versions": ["1.0.0"],
            "labels": ["urgent"],
        }
    ]
    assert project["workflow"]["statuses"] == {
        "To Do": "new",
        "In Progress": "indeterminate",
        "Done": "done",
    }
    arrows = {(one["name"], one["to"]): one["from"] for one in project["workflow"]["transitions"]}
    assert arrows["Finish", "Done"] == ["To Do"]
    assert arrows["Reopen", "To Do"] == ["Done"]  # told by SHOP-1, which is not in the release
    assert arrows["Done", "Done"] == ["In Progress"]  # nobody is there: not known, so allowed
    assert any("no ticket is In Progress" in note for note in readings["board"].notes)
    assert [board["name"] for board in project["boards"]] == ["Shop board"]
    assert project["boards"][0]["sprints"] == [{"name": "Sprint 1", "state": "active"}]
    assert shop.writes() == []


def test_many_tickets_take_few_requests(shop, tmp_path):
    state = shop.served.sandbox.vendors["board"].state
    keys = []
    for _ in range(250):
        said = {"kind": "Task", "summary": "More", "status": "To Do", "versions": ["1.1.0"]}
        keys.append(state.add_issue("SHOP", said, shop.served.sandbox.clock.now()).key)
    shop.commit("feat: more " + " ".join(keys))
    before = len(shop.served.sandbox.journal.entries(vendor="board"))
    _, readings = read(shop, tmp_path / "rehearsal")
    assert len(readings["board"].seed["projects"]["SHOP"]["issues"]) == 251
    sent = shop.served.sandbox.journal.entries(vendor="board")[before:]
    planning = [one for one in sent if "fixVersion" in str(one.query)]
    assert len(sent) - len(planning) < 25


def test_issues_keep_their_numbers(shop, tmp_path):
    forge = shop.served.sandbox.vendors["forge"]
    forge.projects[0].seed["issues"] = [
        {"title": "Cups", "milestone": "1.1.0"},
        {"title": "Saucers"},
        {"title": "Spoons", "state": "closed", "labels": ["urgent"]},
    ]
    backstage, _ = read(shop, tmp_path / "rehearsal")
    tickets = [PlannedTicket(key, "", "task", "todo", "", "matched") for key in ("#3", "#1", "X-1")]
    reading = read_gitlab(
        backstage.gare.hosting.of(backstage.project.config).site,
        replace(backstage.plan, tickets=tuple(tickets)),
        token="t",
        remote=backstage.remote,
        tracker=GitLabTrackerSettings(type="gitlab"),
    )
    with sandboxed({"gitlab": reading.seed}) as served:
        site = connected(served.url, token="t", project="shop/web/app").site
        rows = [(one["iid"], one["title"], one["state"]) for one in site.rows("issues")]
    assert rows == [(3, "Spoons", "closed"), (1, "Cups", "opened")]


def test_the_written_station_can_be_loaded_and_is_the_stand_in(shop, tmp_path):
    shop.configure(gitlab='{connection: forge, project: "101", freeze_periods: true}')
    backstage, readings = read(shop, tmp_path / "rehearsal")
    stood_in = backstage.write(readings, "http://127.0.0.1:1")
    station = load_station(backstage.folder)
    assert station.project("shop").config == stood_in.config
    assert stood_in.config.gitlab.project == "shop/web/app"
    assert not stood_in.config.gitlab.freeze_periods
    assert {one.url for one in station.config.connections.values()} == {
        "http://127.0.0.1:1/forge",
        "http://127.0.0.1:1/board",
    }
    assert str(shop.root) not in (backstage.folder / "station.yaml").read_text()


def test_a_project_that_was_never_released_can_be_rehearsed(shop, tmp_path):
    for place in (shop.work, shop.remote):
        shop.git("tag", "-d", "v1.0.0", at=place)
    backstage, readings = read(shop, tmp_path / "rehearsal")
    assert (backstage.plan.version, backstage.plan.previous_tag) == ("0.1.0", "")
    assert readings["forge"].seed["projects"]["shop/web/app"]["merge_requests"]
    assert "refs/tags" not in shop.git("for-each-ref", at=backstage.remote)


def test_the_clone_is_at_the_planned_commit_and_knows_no_real_address(shop, tmp_path):
    backstage, _ = read(shop, tmp_path / "rehearsal")
    work = backstage.folder / "source"
    assert shop.git("rev-parse", "main", at=work) == backstage.plan.commit
    assert shop.git("remote", "get-url", "origin", at=work) == str(backstage.remote)
    branches = shop.git("for-each-ref", "--format=%(refname)", at=backstage.remote).split()
    assert branches == ["refs/heads/main", "refs/heads/maintenance/1.0", "refs/tags/v1.0.0"]
