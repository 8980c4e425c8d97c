"""What does not come through: no person, no JSON, too much of it, wrong fields, templates."""

import asyncio
import json
import time

import httpx
import pytest

from gare.gateway.app import make_app
from gare.gateway.problems import Unacceptable, status_of
from gare.gateway.sieve import Sieve

FIX = {"project": "shop", "commits": ["4f2c9e1"]}
HOTFIXES = "/api/v1/hotfixes"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/releases"),
        ("GET", "/api/v1/releases/R-1"),
        ("GET", "/api/v1/openapi.json"),
        ("POST", HOTFIXES),
        ("GET", "/docs"),
        ("GET", "/health/"),
        ("HEAD", "/health"),
        ("POST", "/health"),
        ("GET", "/nothing"),
    ],
)
def test_nothing_without_a_token_but_health(api, method, path):
    reply = api.call(method, path, person="")
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert api.call("GET", "/health", person="").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("Bearer gare_wrong", "The personal token is not valid."),
        ("Basic YWxpY2U6eA==", "The gateway takes bearer tokens only."),
        ("Bearer ", "The gateway takes bearer tokens only."),
        ("", "The gateway takes bearer tokens only."),
    ],
)
def test_a_token_that_is_none(api, told, header, detail):
    reply = api.get("/api/v1/releases", person="", headers={"Authorization": header})
    assert told(reply) == (401, detail, "Authorization")
    assert reply.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_a_revoked_token(api, told):
    api.token("alice")
    api.gare.ledger.tokens.revoke("alice", actor="test")
    reply = api.get("/api/v1/releases")
    assert told(reply)[:2] == (401, "The personal token is not valid: it was revoked.")


def test_a_body_that_is_read_only_after_the_token(api):
    reply = api.post(HOTFIXES, person="", content=b"{" * 100_000, headers=JSON)
    assert reply.status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b'{"project": ', 400, "The body is no JSON: Expecting value: line 1 column 13 (char 12)."),
        (b'{"project": "a", "project": "b"}', 400,
         "The body is no JSON: a key stands twice in one object."),
        (b'{"commits": [NaN]}', 400, "The body is no JSON: NaN is no number of JSON."),
        (b"\xff", 400, None),
        (b"[" * 50_000, 400, "The body is no JSON: it is nested too deep."),
        (b"[" * 20 + b"]" * 20, 400, "The body is nested deeper than 16 levels."),
        (b'"' + b"x" * 65_536 + b'"', 413, "The body is larger than 64 KiB."),
        (b'{"project": "a\\u0000"}', 422,
         "A text holds a character that cannot be kept (NUL, or half of one)."),
        (b'{"\\ud800": 1}', 422, "A text holds a character that cannot be kept (NUL, or half of one)."),
        (b"", 422, "body: this is missing"),
        (b"[]", 422, None),
        (b"null", 422, None),
    ],
)  # fmt: skip
def test_bodies_that_are_none(api, told, body, status, detail):
    found = told(api.post(HOTFIXES, content=body, headers=JSON))
    assert found[0] == status
    assert detail in (None, found[1])
    assert api.engine.calls == []


def test_a_body_without_end_is_not_read_to_its_end(api, told):
    sent = 0

    async def chunks():
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 1024

    assert told(api.post(HOTFIXES, content=chunks(), headers=JSON))[0] == 413
    assert sent <= 66


def test_a_body_that_never_comes_is_not_waited_for():
    reached = []

    async def app(scope, receive, send):
        reached.append(scope)

    scope = {"type": "http", "method": "POST", "query_string": b"", "headers": []}
    with pytest.raises(Unacceptable, match=r"The body did not come within 0\.01 s\.") as refused:
        asyncio.run(Sieve(app, read_s=0.01)(scope, asyncio.Event().wait, app))
    assert status_of(refused.value) == 408
    assert reached == []


def test_a_body_of_another_kind(api, told):
    reply = api.post(HOTFIXES, content=json.dumps(FIX), headers={"Content-Type": "text/plain"})
    assert told(reply) == (415, "The body is not said to be JSON.", "Content-Type")


@pytest.mark.parametrize(
    ("change", "field", "detail"),
    [
        ({"project": "Shop"}, "project", None),
        ({"commits": ["4f2c9e1", "zzz"]}, "commits[1]", None),
        ({"colour": "red"}, "colour", "this key is not known"),
        ({"requested_by": "bob"}, "requested_by", "this key is not known"),
        ({"reason": "x" * 501}, "reason", None),
        ({"idempotency_key": "a b"}, "idempotency_key", None),
        ({"idempotency_key": ""}, "idempotency_key", None),
        ({"merge_requests": [0]}, "merge_requests[0]", None),
        ({"merge_requests": 1e400}, "merge_requests", None),
    ],
)
def test_a_wrong_field_is_named(api, told, change, field, detail):
    body = json.dumps(FIX | change).replace("Infinity", "1e400")
    reply = api.post(HOTFIXES, content=body, headers=JSON)
    assert told(reply)[0] == 422
    found = {one["field"]: one["detail"] for one in reply.json()["fields"]}
    assert detail in (None, found[field])
    assert api.engine.calls == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"merge_requests": [True]}, "merge_requests[0]"),
        ({"merge_requests": [1, "7"]}, "merge_requests[1]"),
        ({"merge_requests": [2.5]}, "merge_requests[0]"),
        ({"merge_requests": [99999999999999999999999]}, "merge_requests[0]"),
        ({"parents": {"4f2c9e1": "1"}}, "parents.4f2c9e1"),
        ({"allow_older": "yes"}, "allow_older"),
        ({"allow_older": 1}, "allow_older"),
        ({"plan": "sha256:5d0e"}, "plan"),
    ],
)
def test_values_are_of_the_types_that_the_description_says(api, told, change, field):
    reply = api.post(HOTFIXES, FIX | change)
    assert told(reply)[0] == 422
    assert [one["field"] for one in reply.json()["fields"]] == [field]
    assert api.engine.calls == []


def test_two_and_two_point_nought_are_the_same_integer(api):
    """As in JSON Schema, by which programs and the engine go."""
    assert api.post(HOTFIXES, FIX | {"merge_requests": [2.0]}).status_code == 202
    assert str(api.engine.calls[0][1]["merge_requests"]) == "[2]"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"project": "shop"}, ["plan", "commits", "merge_requests"]),
        ({"project": "shop", "commits": [], "plan": ""}, ["plan", "commits", "merge_requests"]),
        (FIX | {"plan": f"sha256:{'0' * 64}"}, ["plan", "commits"]),
    ],
)
def test_a_hotfix_is_asked_for_by_its_fixes_or_by_a_plan(api, told, body, fields):
    reply = api.post(HOTFIXES, body)
    assert told(reply)[0] == 422
    assert "by `plan` or `commits`/`merge_requests`: send" in reply.json()["detail"]
    assert [one["field"] for one in reply.json()["fields"]] == fields
    assert api.engine.calls == []


def test_an_address_with_a_slash_too_many_is_no_redirection(api, told):
    reply = api.post(f"{HOTFIXES}/", FIX)
    assert told(reply) == (404, "There is nothing there.", f"{HOTFIXES}/")
    assert "location" not in reply.headers


def test_a_broken_file_of_another_project_is_not_in_the_way(api, told):
    (api.root / "projects" / "tea.yaml").write_text("name: tea\nsuorce: {type: git}\n")
    assert api.post(HOTFIXES, FIX).status_code == 202
    assert told(api.post(HOTFIXES, FIX | {"project": "coffee"}))[0] == 404
    reply = api.post(HOTFIXES, FIX | {"project": "tea"})
    assert told(reply)[0] == 503
    assert "suorce" in reply.json()["detail"]
    assert reply.json()["error"] == "ConfigError", "as the manual's table has it"


def test_wrong_tokens_wait_one_after_the_other_and_a_right_one_does_not(api):
    slow = make_app(api.gare, wrong_token_s=0.05)

    async def call(client: httpx.AsyncClient, token: str) -> tuple[int, float]:
        headers = {"Authorization": f"Bearer {token}"}
        began = time.perf_counter()
        reply = await client.get("/api/v1/releases", headers=headers)
        return reply.status_code, time.perf_counter() - began

    async def many() -> list[tuple[int, float]]:
        transport = httpx.ASGITransport(app=slow)
        async with httpx.AsyncClient(transport=transport, base_url="http://gate") as client:
            right = api.token("alice")
            tokens = [*(f"gare_{number}" for number in range(25)), right]
            return await asyncio.gather(*(call(client, token) for token in tokens))

    *wrong, right = asyncio.run(many())
    assert right[0] == 200
    assert right[1] < min(took for status, took in wrong if status == 401)
    assert [status for status, _ in wrong].count(429) == 5, "more than twenty do not wait"
    assert max(took for _, took in wrong) >= 20 * 0.05


def test_a_project_that_is_not_there(api, told):
    reply = api.post(HOTFIXES, FIX | {"project": "shopp"})
    assert told(reply) == (404, "There is no project `shopp`.", "project")
    assert reply.json()["hint"] == "Did you mean `shop`? Projects are `shop`."


def test_a_member_of_a_train_is_made_by_its_train_alone(api):
    reply = api.post("/api/v1/releases", {"project": "shop", "train": "R-7"})
    assert [one["field"] for one in reply.json()["fields"]] == ["train"]


@pytest.mark.parametrize(
    "body",
    [
        FIX | {"__prefect_kind": "jinja", "template": "{{ 7*7 }}"},
        FIX | {"reason": {"__prefect_kind": "jinja", "template": "{{ 7*7 }}"}},
        FIX | {"commits": [{"__prefect_kind": "json", "value": "1"}]},
        FIX | {"parents": {"4f2c9e1": {"x": [{"__prefect_kind": None}]}}},
        [{"__prefect_kind": "none"}],
    ],
)
def test_templates_of_the_engine_are_refused_anywhere(api, told, body):
    status, detail, _ = told(api.post(HOTFIXES, body))
    assert status == 422
    assert detail.startswith("The key `__prefect_kind` is not allowed")
    spelled = json.dumps(body).replace("__prefect", "__prefect").replace("_kind", "\\u005fkind")
    assert api.post(HOTFIXES, content=spelled, headers=JSON).status_code == 422
    assert api.engine.calls == []


@pytest.mark.parametrize(
    "query",
    [
        "__prefect_kind=x",
        'project={"__prefect_kind":1}',
        "a=%5F_prefect_kind",
        "a=%255F_prefect_kind",
    ],
)
def test_templates_of_the_engine_are_refused_in_the_query(api, told, query):
    status, detail, where = told(api.get(f"/api/v1/releases?{query}"))
    assert (status, where) == (422, "query")
    assert detail.startswith("The key `__prefect_kind` is not allowed")


def test_text_that_speaks_of_the_key_is_only_text(api):
    reply = api.post(HOTFIXES, FIX | {"reason": "the form sent __prefect_kind"})
    assert reply.status_code == 202


def test_nothing_there(api, told):
    assert told(api.get("/api/v2/releases")) == (404, "There is nothing there.", "/api/v2/releases")
    reply = api.call("DELETE", "/api/v1/releases")
    assert told(reply)[:2] == (405, "DELETE is not possible there.")
    assert reply.headers["allow"] == "GET, POST"


def test_a_stations_file_that_is_wrong_lets_nobody_in(api, told):
    api.token("alice")
    (api.root / "station.yaml").write_text("name: test\nnmae: x\n")
    status, detail, _ = told(api.get("/api/v1/releases"))
    assert status == 503
    assert "nmae" in detail
    assert api.get("/health", person="").status_code == 200


def test_a_ledger_that_is_away(api, told):
    api.token("alice")
    api.gare.ledger.database.engine.dispose()
    ledger = api.root / ".gare" / "ledger.db"
    for file in ledger.parent.glob("ledger.db*"):
        file.rename(file.with_name(f"away-{file.name}"))
    ledger.mkdir()
    reply = api.get("/api/v1/releases")
    assert told(reply)[0] == 503
    assert reply.headers["retry-after"] == "5"
    assert reply.json()["error"] == "LedgerAway"
