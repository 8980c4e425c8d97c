"""The simulated Jira keeps Jira's rules: who asks, which queries, how pages end, sprints that go one way."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from sandbox import MISSING, Served, descriptions, sandboxed

SEED = {
    "projects": {
        "SHOP": {
            "versions": [{"name": "1.0.0", "archived": True}, "1.1.0"],
            "issues": [
                {"key": "SHOP-1", "title": "One", "status": "Done", "versions": ["1.1.0"]},
                {"key": "SHOP-2", "title": "Two", "labels": ["web"]},
                {"key": "SHOP-10", "title": "Ten", "kind": "Bug"},
            ],
            "boards": [{"name": "Shop", "sprints": [{"name": "S1"}, {"name": "S2"}]}],
        }
    }
}
LIMIT = {"requests": 2, "interval_s": 60}
BODY = {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": []}]}


@pytest.fixture
def served() -> Iterator[Served]:
    vendors = {
        "cloud": {"type": "jira", **SEED},
        "center": {"type": "jira", "deployment": "data-center", **SEED},
        "busy": {"type": "jira", "deployment": "data-center", "limit": LIMIT, **SEED},
    }
    with sandboxed(vendors, is_counted=False) as up:
        yield up


@pytest.fixture
def cloud(served: Served) -> Iterator[httpx.Client]:
    auth = ("gare@example.org", "sandbox-token")
    with httpx.Client(base_url=f"{served.url}/cloud", auth=auth) as client:
        yield client


@pytest.fixture
def center(served: Served) -> Iterator[httpx.Client]:
    headers = {"Authorization": "Bearer sandbox-token"}
    with httpx.Client(base_url=f"{served.url}/center", headers=headers) as client:
        yield client


def keys(reply: httpx.Response) -> list[str]:
    assert reply.status_code == 200, reply.text
    return [issue["key"] for issue in reply.json()["issues"]]


@pytest.mark.parametrize(
    ("jql", "found"),
    [
        ("project = SHOP ORDER BY key", ["SHOP-1", "SHOP-2", "SHOP-10"]),
        ("key in (SHOP-10, 'SHOP-2')".replace("'", '"'), ["SHOP-2", "SHOP-10"]),
        ('fixVersion = "1.1.0" AND statusCategory = Done', ["SHOP-1"]),
        ("fixVersion is EMPTY AND NOT issuetype = Bug", ["SHOP-2"]),
        ("labels = web OR issuetype in (Bug)", ["SHOP-2", "SHOP-10"]),
        ('status not in ("Done") AND (key = SHOP-1 OR key = SHOP-2)', ["SHOP-2"]),
        ("status was Done", ["SHOP-1"]),
        ("labels = nowhere", []),
    ],
)
def test_queries(center, cloud, jql, found):
    assert keys(center.get("/rest/api/2/search", params={"jql": jql})) == found
    query = {"jql": jql, "fields": "summary"}
    assert keys(cloud.get("/rest/api/3/search/jql", params=query)) == found


@pytest.mark.parametrize(
    ("jql", "told"),
    [
        ("key in (SHOP-1, SHOP-99)", "An issue with key 'SHOP-99' does not exist for field 'key'."),
        ("key = UTF-8x", "The issue key 'UTF-8x' for field 'key' is invalid."),
        ('fixVersion = "9.9"', "The value '9.9' does not exist for the field 'fixVersion'."),
        ("colour = red", "Field 'colour' does not exist"),
        ("key in (SHOP-1", "Expecting ')'"),
        ("project = SHOP AND", "ends too early"),
        ("project = SHOP ORDER BY created", "orders by key alone"),
        ('status changed after "soon"', "Date value 'soon'"),
    ],
)
def test_a_query_that_is_wrong_or_not_known_is_refused_whole(center, jql, told):
    reply = center.get("/rest/api/2/search", params={"jql": jql})
    assert reply.status_code == 400
    assert told in " ".join(reply.json()["errorMessages"])


def test_cloud_pages_by_token_and_refuses_unbounded_queries(cloud):
    query = {"jql": "project = SHOP", "maxResults": 2}
    first = cloud.get("/rest/api/3/search/jql", params=query).json()
    assert (len(first["issues"]), first["isLast"], "total" in first) == (2, False, False)
    assert set(first["issues"][0]["fields"]) == set()
    query["nextPageToken"] = first["nextPageToken"]
    last = cloud.get("/rest/api/3/search/jql", params=query).json()
    assert (len(last["issues"]), last["isLast"], "nextPageToken" in last) == (1, True, False)
    refused = cloud.get("/rest/api/3/search/jql", params={"jql": "ORDER BY key"})
    assert "Unbounded" in refused.json()["errorMessages"][0]


def test_the_old_search_is_gone_on_cloud(cloud):
    for version in ("2", "3"):
        assert cloud.get(f"/rest/api/{version}/search", params={"jql": "x"}).status_code == 410


def test_a_project_is_made_by_hand(center, served):
    said = {"key": "NEW", "versions": ["0.1.0"], "issues": [{"key": "NEW-1", "title": "First"}]}
    httpx.post(f"{served.url}/_sandbox/vendors/center/project", json=said).raise_for_status()
    found = center.get("/rest/api/2/project/NEW/versions").json()
    assert [version["name"] for version in found] == ["0.1.0"]
    assert center.get("/rest/api/2/issue/NEW-1").json()["fields"]["summary"] == "First"


def test_who_is_not_known_is_told_so(served):
    url = f"{served.url}/cloud/rest/api/3/myself"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, auth=("gare@example.org", "wrong")).status_code == 401
    assert httpx.get(url, auth=("gare@example.org", "sandbox-token")).json()["active"]


@pytest.mark.skipif(descriptions() is None, reason=MISSING)
def test_what_no_description_declares_is_answered_400(center, served):
    reply = center.post("/rest/api/2/version", json={"name": "2.0", "project": "SHOP", "colour": 1})
    assert (reply.status_code, "no body field colour" in reply.text) == (400, True)
    assert served.sandbox.contracts["center"].invalid


def test_texts_are_adf_on_cloud_and_words_on_data_center(cloud, center):
    path = "/rest/api/{}/issue/SHOP-1/comment"
    assert cloud.post(path.format(3), json={"body": BODY}).status_code == 201
    assert center.post(path.format(2), json={"body": "*words*"}).status_code == 201
    assert cloud.post(path.format(3), json={"body": "*words*"}).status_code == 400
    bad = {**BODY, "content": [{"type": "paragraph", "content": [{"type": "text", "text": ""}]}]}
    assert cloud.post(path.format(3), json={"body": bad}).status_code == 400
    assert center.post(path.format(2), json={"body": BODY}).status_code == 400


def test_versions_are_unique_by_name_and_an_archived_one_stays_as_it_is(center):
    again = center.post("/rest/api/2/version", json={"name": "1.1.0", "project": "SHOP"})
    assert "already exists" in again.json()["errors"]["name"]
    archived = center.get("/rest/api/2/project/SHOP/versions").json()[0]
    path = f"/rest/api/2/version/{archived['id']}"
    assert center.put(path, json={"released": True}).status_code == 400
    assert center.put(path, json={"archived": False}).status_code == 200
    assert center.put(path, json={"released": True}).json()["released"]


def test_releasing_a_version_moves_what_is_left_where_it_is_told(center):
    versions = center.get("/rest/api/2/project/SHOP/versions").json()
    center.put(f"/rest/api/2/version/{versions[0]['id']}", json={"archived": False})
    add = {"update": {"fixVersions": [{"add": {"name": "1.1.0"}}]}}
    assert center.put("/rest/api/2/issue/SHOP-2", json=add).status_code == 204
    path = f"/rest/api/2/version/{versions[1]['id']}"
    assert center.get(f"{path}/unresolvedIssueCount").json()["issuesUnresolvedCount"] == 1
    center.put(path, json={"released": True, "moveUnfixedIssuesTo": versions[0]["self"]})
    assert center.get(f"{path}/unresolvedIssueCount").json()["issuesUnresolvedCount"] == 0


def test_a_sprint_goes_from_future_over_active_to_closed_and_not_back(center):
    board = center.get("/rest/agile/1.0/board").json()["values"][0]["id"]
    first, second = center.get(f"/rest/agile/1.0/board/{board}/sprint").json()["values"]
    path = f"/rest/agile/1.0/sprint/{first['id']}"
    dates = {"startDate": "2026-03-02T08:00:00.000Z", "endDate": "2026-03-16T08:00:00.000Z"}
    assert center.post(path, json={"state": "closed"}).status_code == 400
    assert center.post(path, json={"state": "active"}).status_code == 400
    assert center.post(path, json={"state": "active", **dates}).json()["state"] == "active"
    other = f"/rest/agile/1.0/sprint/{second['id']}"
    assert "active sprint" in center.post(other, json={"state": "active", **dates}).text
    assert center.post(f"{path}/issue", json={"issues": ["SHOP-1", "SHOP-2"]}).status_code == 204
    assert keys(center.get(f"{path}/issue")) == ["SHOP-1", "SHOP-2"]
    assert center.post(path, json={"state": "closed"}).json()["completeDate"]
    assert center.post(path, json={"state": "active"}).status_code == 400
    assert center.post(f"{path}/issue", json={"issues": ["SHOP-10"]}).status_code == 400


def test_more_requests_than_the_limit_are_asked_to_wait(served):
    headers = {"Authorization": "Bearer sandbox-token"}
    url = f"{served.url}/busy/rest/api/2/serverInfo"
    replies = [httpx.get(url, headers=headers) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert replies[1].headers["X-RateLimit-Remaining"] == "0"
    wait = int(replies[2].headers["Retry-After"])
    served.sandbox.clock.advance(timedelta(seconds=wait))
    assert httpx.get(url, headers=headers).status_code == 200
