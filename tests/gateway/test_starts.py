"""Starting releases and hotfixes over HTTP: what the engine is given, and what the caller gets at once."""

import pytest

from gare.errors import NotFound, Refused, Unavailable, UnexpectedReply

FIX = {
    "project": "shop",
    "commits": ["4f2c9e1"],
    "ticket": "SHOP-142",
    "reason": "prices are wrong",
}


def test_the_run_and_its_addresses_come_back_at_once(api):
    reply = api.post("/api/v1/hotfixes", FIX)
    run = next(iter(api.engine.started))
    assert reply.status_code == 202
    assert reply.json() == {
        "run": run,
        "status": f"/api/v1/runs/{run}",
        "address": f"http://127.0.0.1:4200/runs/flow-run/{run}",
    }
    assert reply.headers["location"] == f"/api/v1/runs/{run}"
    followed = api.get(reply.headers["location"]).json()
    assert (followed["run"], followed["state"], followed["release"]) == (run, "SCHEDULED", "")


def test_the_engine_is_asked_in_the_callers_name(api):
    api.post("/api/v1/hotfixes", FIX, person="bob")
    ((deployment, request, key),) = api.engine.calls
    assert deployment == "hotfix/gare"
    assert key == ""
    assert request["requested_by"] == "bob"
    assert request["commits"] == ["4f2c9e1"]
    assert request["ticket"] == "SHOP-142"


def test_releases_are_started_the_same_way(api):
    reply = api.post("/api/v1/releases", {"project": "shop", "version": "2.0.0"})
    assert reply.status_code == 202
    ((deployment, request, _),) = api.engine.calls
    assert deployment == "release/gare"
    assert (request["version"], request["requested_by"]) == ("2.0.0", "alice")


@pytest.mark.parametrize("where", ["header", "body"])
def test_the_same_key_gives_the_same_run(api, where):
    def send():
        if where == "header":
            return api.post("/api/v1/hotfixes", FIX, headers={"Idempotency-Key": "SHOP-142"})
        return api.post("/api/v1/hotfixes", FIX | {"idempotency_key": "SHOP-142"})

    first, second = send(), send()
    assert first.status_code == second.status_code == 202
    assert first.json() == second.json()
    assert len(api.engine.started) == 1


def test_without_a_key_each_call_is_a_run_of_its_own(api):
    api.post("/api/v1/hotfixes", FIX)
    api.post("/api/v1/hotfixes", FIX)
    assert len(api.engine.started) == 2


def test_the_same_key_with_another_body_is_a_conflict(api, told):
    key = {"Idempotency-Key": "k1"}
    run = api.post("/api/v1/hotfixes", FIX, headers=key).json()["run"]
    other = api.post("/api/v1/hotfixes", FIX | {"reason": "another"}, headers=key)
    assert told(other) == (
        409, "The idempotency key 'k1' was used for another request of yours.", f"run {run}"
    )  # fmt: skip


def test_one_key_is_for_one_request_of_whatever_kind(api, told):
    key = {"Idempotency-Key": "k1"}
    run = api.post("/api/v1/hotfixes", FIX, headers=key).json()["run"]
    rollback = {"project": "shop", "environment": "production"}
    for path, body in (("releases", {"project": "shop"}), ("rollbacks", rollback)):
        reply = api.post(f"/api/v1/{path}", body, headers=key)
        assert told(reply)[::2] == (409, f"run {run}")
    assert list(api.engine.started) == [run]
    assert api.post("/api/v1/hotfixes", FIX, headers=key).json()["run"] == run


def test_exactly_a_plan_that_was_seen_is_started(api):
    digest = f"sha256:{'5d' * 32}"
    assert api.post("/api/v1/hotfixes", {"project": "shop", "plan": digest}).status_code == 202
    ((_, request, _),) = api.engine.calls
    assert (request["plan"], request["commits"]) == (digest, [])


def test_keys_are_each_persons_own(api):
    key = {"Idempotency-Key": "k1"}
    mine = api.post("/api/v1/hotfixes", FIX, headers=key)
    theirs = api.post("/api/v1/hotfixes", FIX, headers=key, person="bob")
    assert theirs.status_code == 202
    assert theirs.json()["run"] != mine.json()["run"]


def test_two_keys_that_differ_are_refused(api, told):
    body = FIX | {"idempotency_key": "a"}
    reply = api.post("/api/v1/hotfixes", body, headers={"Idempotency-Key": "b"})
    assert told(reply)[:2] == (409, "There are two idempotency keys, and they differ.")
    assert api.engine.calls == []


def test_rights_of_the_station_and_of_the_project(new_api, told):
    station = "rights: {hotfix: [managers], release: [developers]}\n"
    api = new_api(station, "rights: {release: [managers]}\n")
    assert told(api.post("/api/v1/hotfixes", FIX, person="bob")) == (
        403, "bob may not start a hotfix of shop.", "station.yaml: rights.hotfix"
    )  # fmt: skip
    refused = api.post("/api/v1/releases", {"project": "shop"}, person="bob")
    assert told(refused)[2] == "gare.yaml: rights.release"
    assert refused.json()["hint"].startswith("Who is in `managers` may.")
    assert api.engine.calls == []
    assert api.post("/api/v1/hotfixes", FIX).status_code == 202
    assert api.post("/api/v1/releases", {"project": "shop"}).status_code == 202


def test_a_right_that_nobody_has(new_api):
    api = new_api("rights: {hotfix: []}\n")
    reply = api.post("/api/v1/hotfixes", FIX)
    assert reply.status_code == 403
    assert reply.json()["hint"].startswith("Nobody may.")


def test_a_freeze_of_a_project_that_there_is_not_lets_nothing_start_but_rollbacks(new_api, told):
    api = new_api()
    with (api.root / "station.yaml").open("a") as file:
        file.write("freezes: [{name: one, days: [friday], projects: [shpo]}]\n")
    assert "there is no project `shpo`." in told(api.post("/api/v1/hotfixes", FIX))[1]
    back = {"project": "shop", "environment": "production"}
    assert api.post("/api/v1/rollbacks", back).status_code == 202


def test_changed_files_count_from_the_next_request_on(new_api):
    api = new_api()
    assert api.post("/api/v1/hotfixes", FIX, person="bob").status_code == 202
    new_api("rights: {hotfix: [managers]}\n")
    assert api.post("/api/v1/hotfixes", FIX, person="bob").status_code == 403
    (api.root / "projects" / "tea.yaml").write_text("name: tea\nsource: {type: git, path: ../t}\n")
    assert api.post("/api/v1/releases", {"project": "tea"}).status_code == 202


def test_somebody_who_was_taken_out_of_the_station_comes_in_no_more(api, told):
    assert api.get("/api/v1/releases", person="bob").status_code == 200
    file = api.root / "station.yaml"
    file.write_text("\n".join(line for line in file.read_text().splitlines() if "bob" not in line))
    status, detail, where = told(api.get("/api/v1/releases", person="bob"))
    assert (status, where) == (401, "Authorization")
    assert detail == "bob is not among the people of this station."


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (Unavailable("The Prefect server does not answer.", where="http://x:4720/api"), 503, "5"),
        (NotFound("The Prefect server does not know it.", where="http://x:4720/api"), 503, "5"),
        (UnexpectedReply("HTTP 500", where="POST http://x:4720/api"), 502, None),
        (Refused("Cannot start the run: wrong."), 409, None),
        (RuntimeError("kaputt"), 500, None),
    ],
)
def test_what_the_engine_says_is_told(api, told, error, status, retry):
    api.engine.fail_next(error)
    reply = api.post("/api/v1/releases", {"project": "shop"})
    assert told(reply)[0] == status
    assert reply.headers.get("retry-after") == retry
    for inside in ("kaputt", "Prefect", "4720"):
        assert inside not in reply.text
