"""What is told: releases, runs, the API's own description, the access log."""

import re

import pytest


def test_releases_and_one_of_them(api, release, told):
    (line,) = api.get("/api/v1/releases").json()
    assert (line["id"], line["project"], line["state"]) == (release.id, release.project, "released")
    assert api.get("/api/v1/releases", params={"project": "other"}).json() == []
    assert api.get("/api/v1/releases", params={"newest": 0}).json() == []
    found = api.get(f"/api/v1/releases/{release.id}").json()
    assert found["id"] == release.id
    assert found["plan_steps"][0]["step"] == "plan"
    assert told(api.get("/api/v1/releases/R-99"))[:2] == (404, "There is no release R-99.")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/v1/releases/7", "path: release_id"),
        ("/api/v1/releases/R-0", "path: release_id"),
        ("/api/v1/runs/7", "path: run_id"),
        ("/api/v1/releases?newest=1000", "query: newest"),
        ("/api/v1/releases?stat=1", "query: stat"),
    ],
)
def test_what_cannot_be_asked(api, path, field):
    reply = api.get(path)
    assert reply.status_code == 422
    assert [one["field"] for one in reply.json()["fields"]] == [field]


def test_a_run_that_is_not_known(api, told):
    reply = api.get("/api/v1/runs/00000000-0000-0000-0000-000000000001")
    assert told(reply)[0] == 404


def test_the_description_names_every_field_status_and_the_token(api):
    found = api.get("/api/v1/openapi.json").json()
    post = found["paths"]["/api/v1/hotfixes"]["post"]
    assert set(post["responses"]) == {
        "202", "400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "500", "502", "503"
    }  # fmt: skip
    body = found["components"]["schemas"]["HotfixBody"]
    assert body["additionalProperties"] is False
    assert {"project", "commits", "idempotency_key"} < set(body["properties"])
    assert "requested_by" not in body["properties"]
    assert body["properties"]["ticket"]["description"] == "The ticket of what is fixed."
    assert post["security"] == [{"token": []}]
    assert "security" not in found["paths"]["/health"]["get"]


def test_a_line_for_each_request_without_secrets(api, capsys):
    token = api.token("alice")
    api.get(f"/api/v1/releases?project={token}", headers={"X-Request-ID": "ci-7"})
    api.get("/no%0Athing", person="", headers={"X-Request-ID": "a b"})
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\S+ 127\.0\.0\.1 alice GET /api/v1/releases \d+ \d+ms ci-7", first)
    assert re.fullmatch(r"\S+ 127\.0\.0\.1 - GET /no%0Athing 401 \d+ms [0-9a-f]{32}", second)


def test_a_defect_is_in_the_log_under_the_requests_id(api, capsys):
    api.engine.fail_next(RuntimeError("a defect"))
    reply = api.post("/api/v1/releases", {"project": "shop"}, headers={"X-Request-ID": "ci-8"})
    assert reply.json()["request_id"] == "ci-8"
    written = capsys.readouterr()
    assert "RuntimeError: a defect" in written.err
    assert "ci-8" in written.out


def test_a_run_that_is_not_there_is_told_without_a_word_of_the_engine(api, told):
    run = "00000000-0000-4000-8000-000000000000"
    reply = api.get(f"/api/v1/runs/{run}")
    assert told(reply) == (404, f"There is no run {run}.", f"/api/v1/runs/{run}")
    for inside in ("Prefect", "4720", "gare up"):
        assert inside not in reply.text
