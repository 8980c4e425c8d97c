"""The sandbox itself: what it refuses, what it logs, its clock and its failures."""

import gzip
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from gitlab_project import GITLAB, PATH, TOKEN
from sandbox import MISSING, Served, descriptions, sandboxed

from gare.errors import ConfigError
from gare.sandbox.host import Sandbox
from gare.sandbox.seed import load_seed

PROJECT = f"/gitlab/api/v4/projects/{PATH.replace('/', '%2F')}"
checked = pytest.mark.skipif(descriptions() is None, reason=MISSING)


@pytest.fixture
def served() -> Iterator[Served]:
    with sandboxed({"gitlab": GITLAB}, is_counted=False) as up:
        yield up


@pytest.fixture
def http(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, headers={"PRIVATE-TOKEN": TOKEN}) as client:
        yield client


@checked
@pytest.mark.parametrize(
    ("method", "path", "fields", "told"),
    [
        ("GET", "/nothing", None, "has no GET"),
        ("GET", "/releases?colour=red", None, "has no query parameter colour"),
        ("POST", "/releases", {"tag_name": "v1", "colour": "red"}, "has no body field colour"),
        ("POST", "/releases", {"tag_name": 1}, "tag_name: 1 is not of type 'string'"),
        ("POST", "/deployments", {"environment": "x"}, "'ref' is a required property"),
    ],
)
def test_what_the_description_does_not_declare_is_answered_400(
    http: httpx.Client, method: str, path: str, fields: object, told: str
) -> None:
    reply = http.request(method, PROJECT + path, json=fields)
    assert reply.status_code == 400
    assert told in reply.json()["message"]


@checked
def test_a_wrong_answer_of_the_sandbox_is_a_500(served: Served, http: httpx.Client) -> None:
    project = served.sandbox.vendors["gitlab"].projects[0]
    project.kept["releases"] = {}
    served.sandbox.vendors["gitlab"].releases_of(project)["v0.1.0"] = {
        "tag_name": "v0.1.0",
        "name": 7,
        "released_at": "2026-01-01T00:00:00+00:00",
        "links": [],
    }
    reply = http.get(f"{PROJECT}/releases/v0.1.0")
    assert reply.status_code == 500
    assert "name: 7 is not of type 'string'" in reply.json()["message"]


def test_pages_are_linked_to_the_end(http: httpx.Client) -> None:
    seen, address = [], f"{PROJECT}/issues?per_page=3"
    while address:
        reply = http.get(address)
        seen += [issue["iid"] for issue in reply.json()]
        assert reply.headers["X-Total"] == "4"
        address = reply.links.get("next", {}).get("url")
    assert seen == [4, 3, 2, 1]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (gzip.compress(b"tea", mtime=0), "(23 bytes)"),
        (b"tea\0cups", "(8 bytes)"),
        ("thé".encode(), "thé"),
        (b"x" * 3999 + "é and more".encode(), "x" * 3999 + "\ufffd… (4010 bytes)"),
    ],
)
def test_a_body_that_nobody_could_read_is_logged_by_its_length(
    served: Served, http: httpx.Client, body: bytes, told: str
) -> None:
    http.put(f"{PROJECT}/packages/generic/app/0.1.0/app.gz", content=body)
    assert served.sandbox.journal.entries()[-1].body == told


def test_every_request_is_logged_without_its_token(http: httpx.Client) -> None:
    http.post(f"{PROJECT}/issues", json={"title": "Cups"})
    (entry,) = http.get("/_sandbox/requests").json()
    assert (entry["method"], entry["status"], entry["body"]) == ("POST", 201, {"title": "Cups"})
    assert TOKEN not in str(entry)


def test_a_project_is_made_by_hand(http: httpx.Client) -> None:
    said = {"path": "shop/new", "members": {"gare": "maintainer"}}
    made = http.post("/_sandbox/vendors/gitlab/project", json=said).json()
    reply = http.get("/gitlab/api/v4/projects/shop%2Fnew")
    assert (reply.status_code, reply.json()["id"]) == (200, made["id"])


def test_the_clock_is_moved_from_outside(http: httpx.Client) -> None:
    http.post("/_sandbox/clock", json={"at": "2026-05-01T00:00:00+00:00"})
    reply = http.post("/_sandbox/clock", json={"advance_s": 90})
    assert reply.json() == {"now": "2026-05-01T00:01:30.000Z"}


def test_a_failure_strikes_where_and_as_often_as_it_was_armed(http: httpx.Client) -> None:
    fault = {"kind": "status", "status": 502, "path": "*/issues", "skip": 1, "count": 2}
    http.post("/_sandbox/faults", json=fault)
    assert [http.get(f"{PROJECT}/issues").status_code for _ in range(4)] == [200, 502, 502, 200]
    assert http.get(PROJECT).status_code == 200


def test_a_vendor_can_be_away_for_an_hour_of_the_sandboxes_time(http: httpx.Client) -> None:
    http.post("/_sandbox/faults", json={"kind": "status", "for_s": 3600})
    assert http.get(PROJECT).status_code == 503
    http.post("/_sandbox/clock", json={"advance_s": 3599})
    assert http.get(PROJECT).status_code == 503
    http.post("/_sandbox/clock", json={"advance_s": 1})
    assert http.get(PROJECT).status_code == 200


def test_a_lost_reply_was_done_and_a_cut_was_not(http: httpx.Client) -> None:
    for kind, number in (("cut", 4), ("lost reply", 5)):
        http.post("/_sandbox/faults", json={"kind": kind, "method": "POST"})
        with pytest.raises(httpx.RemoteProtocolError):
            http.post(f"{PROJECT}/issues", json={"title": "Cups"})
        assert len(http.get(f"{PROJECT}/issues").json()) == number


def test_an_unknown_failure_is_refused(http: httpx.Client) -> None:
    assert http.post("/_sandbox/faults", json={"kind": "fire"}).status_code == 400
    assert http.post("/_sandbox/faults", json={"kind": "cut", "when": 1}).status_code == 400


def test_every_route_of_the_simulator_is_declared() -> None:
    folder = descriptions()
    if folder is None:
        pytest.skip(MISSING)
    sandbox = Sandbox({"vendors": {"gitlab": GITLAB}}, descriptions=folder)
    vendor = sandbox.vendors["gitlab"]
    assert sandbox.contracts["gitlab"].undeclared(vendor.routes.operations()) == []


def test_the_built_in_seed_can_be_served() -> None:
    assert set(Sandbox(load_seed()).vendors) >= {"gitlab"}


@pytest.mark.parametrize(
    ("vendors", "told"),
    [
        ({"gitlab": None}, "says nothing about gitlab"),
        ({"gitlab": {"projekts": {}}}, "`projekts` is not known (did you mean `projects`?)"),
        ({"gitlab": {"tokens": {"t": {"usr": "gare"}}}}, "`tokens.t.usr` is not known (did you mean `user`?)"),
        (
            {"gitlab": {"projects": {"a/b": {"members": {"gare": "boss"}}}}},
            "`projects.a/b.members.gare`: input should be 'nobody', 'guest'",
        ),
        (
            {"gitlab": {"projects": {"a/b": {"repository": "/nowhere/x.git"}}}},
            "`projects.a/b.repository`: there is no Git repository in /nowhere/x.git",
        ),
        (
            {"gitlab": {"projects": {"a/b": {"pipeline": {"jobs": {"unit": {"fials": True}}}}}}},
            "`projects.a/b.pipeline.jobs.unit.fials` is not known (did you mean `fails`?)",
        ),
        ({"jira": {"deployment": "datacenter"}}, "`deployment`: input should be 'cloud' or 'data-center'"),
        ({"jira": {"projects": {"SHOP": {"issues": [{"title": "x"}]}}}}, "`projects.SHOP.issues.0.key` is missing"),
        ({"jira": {"projects": {"SHOP": {"nme": "Shop"}}}}, "`projects.SHOP.nme` is not known (did you mean `name`?)"),
        (
            {"jira": {"projects": {"SHOP": {"issues": [{"key": "SHOP-1", "title": "x", "status": "Nope"}]}}}},
            "`projects.SHOP`: SHOP-1 is 'Nope'; statuses are To Do, In Progress, Done",
        ),
        (
            {"jira": {"projects": {"SHOP": {"issues": [{"key": "OPS-1", "title": "x"}]}}}},
            "OPS-1 stands under the project SHOP",
        ),
        (
            {"jira": {"users": [{"name": "a", "token": "t", "lacks": ["EDIT"]}]}},
            "`users.0.lacks.0`: input should be 'BROWSE_PROJECTS'",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_a_seed_is_told_with_its_key(vendors: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Sandbox({"vendors": vendors})
    assert told in raised.value.what
    assert raised.value.where.startswith("seed: vendors, ")


def test_tags_are_listed_after_a_release(http: httpx.Client) -> None:
    http.post(f"{PROJECT}/releases", json={"tag_name": "v0.1.0", "description": "notes"})
    reply = http.get(f"{PROJECT}/repository/tags")
    assert (reply.status_code, reply.json()[0]["release"]["description"]) == (200, "notes")


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("clock", [1], "an object of fields"),
        ("clock", {"at": "tomorrow"}, "Invalid isoformat"),
        ("vendors/gitlab/play", {"project": "shop/nowhere", "job": "x"}, "no project 'shop/nowhere'"),
        ("vendors/gitlab/approve", {"project": PATH, "environment": "moon"}, "nothing of that name"),
        ("vendors/gitlab/project", {"path": "a/b", "membres": {}}, "`membres` is not known"),
        ("vendors/nobody/play", {}, "no vendor 'nobody'; there are gitlab"),
        ("vendors/gitlab/plya", {}, "there are approve, approve_merge_request, merge, play, "),
        ("vendors/gitlab/play", {"project": PATH}, "`job` is missing; fields: project, job"),
        ("vendors/gitlab/merge", {"project": PATH, "iid": 99}, f"or not now: project '{PATH}', iid 99"),
    ],
)  # fmt: skip
def test_what_the_controls_cannot_do_is_answered_400(
    http: httpx.Client, path: str, body: Any, told: str
) -> None:
    reply = http.post(f"/_sandbox/{path}", json=body)
    assert reply.status_code == 400
    assert told in reply.json()["message"]


def test_a_seed_with_an_unknown_vendor_is_refused() -> None:
    with pytest.raises(ConfigError, match="no vendor of type 'svn'"):
        Sandbox({"vendors": {"x": {"type": "svn"}}})
