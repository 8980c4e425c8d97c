"""What the demo shows of GitLab and Jira: what is there, and what a release has changed there."""

import json
from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest

from gare.demo.project import TOKENS, free_ports, make_demo
from gare.demo.vendors import Row, Vendors, changed, listed, served


@pytest.fixture(scope="module")
def vendors(tmp_path_factory) -> Iterator[Vendors]:
    with free_ports() as ports:
        demo = make_demo(tmp_path_factory.mktemp("shown") / "demo", ports)
        with served(demo) as up:
            yield up


def _post(address: str, header: str, token: str, body: object) -> None:
    headers = {header: token, "Content-Type": "application/json"}
    asked = Request(address, json.dumps(body).encode(), headers, method="POST")
    urlopen(asked, timeout=10).close()


def test_it_shows_what_stands_in_gitlab_and_jira(vendors):
    shown = {row.name: row for row in vendors.look()}
    assert shown["!2"] == Row("!2", "merged", "Prices in euros")
    assert shown["!3"].stands == "draft"
    assert (shown["pipelines"].stands, shown["releases"].stands) == ("none", "none")
    assert shown["production"].stands == "never deployed to"
    assert shown["version 1.3.0"].stands == "unreleased"
    assert shown["TEA-16"] == Row("TEA-16", "To Do, in 1.3.0", "Gift cards")
    assert not [name for name in shown if name.startswith("branch")]


def test_what_somebody_does_there_is_seen_at_the_next_look(vendors):
    before = vendors.look()
    gitlab = f"{vendors.url}/gitlab/api/v4/projects/shop%2Fteashop"
    text = {"type": "doc", "version": 1, "content": []}
    _post(f"{gitlab}/pipeline", "PRIVATE-TOKEN", TOKENS["gitlab"], {"ref": "main"})
    _post(
        f"{vendors.url}/jira/rest/api/3/issue/TEA-16/comment",
        "Authorization", f"Bearer {TOKENS['jira']}", {"body": text},
    )  # fmt: skip
    pipeline, moved, same = changed(before, vendors.look(), [])
    assert "style, browsers; main at " in pipeline
    assert moved == "  TEA-16: To Do, in 1.3.0 -> To Do, in 1.3.0, 1 comment"
    assert same == f"  as before: {len(before) - 2} others"


def test_changes_are_told_together_and_what_is_named_by_name():
    before = [Row(name, "open") for name in "ABCD"]
    after = [*(Row(name, "done") for name in "AB"), *before[2:], Row("E", "new", "Tea")]
    assert changed(before, after, ["C"]) == [
        "  E  new  Tea",
        "  A, B: open -> done",
        "  as before: C (open), 1 other",
    ]


def test_rows_stand_below_each_other():
    assert listed([Row("A", "open", "Tea"), Row("LONG", "done")]) == [
        "  A     open  Tea",
        "  LONG  done",
    ]
