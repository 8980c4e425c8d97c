"""A release over HTTP, through the gateway of a real station."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import select
from waiting import wait_until

from gare.domain.releases import ReleaseState
from gare.ledger.schema import leases
from gare.rescue import lease_of
from gare.station_state import running

pytestmark = pytest.mark.engine

CALLERS = 6
"""How many call at the same moment."""


@pytest.fixture
def gateway(shop):
    """Give the gateway to alice."""
    address = running(shop.root / ".gare").gateway_url
    headers = {"Authorization": f"Bearer {shop.token('alice')}"}
    with httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=30) as client:
        yield client


def insist(gateway: httpx.Client, body: dict[str, str]) -> httpx.Response:
    """Call as the manual says: again when the engine is busy (its SQLite is locked), with the same key."""
    replies: list[httpx.Response] = []

    def is_answered() -> bool:
        replies.append(gateway.post("/api/v1/releases", json=body))
        return replies[-1].status_code != 503

    wait_until(is_answered)
    return replies[-1]


def test_a_call_starts_a_release_and_the_same_key_starts_no_second_one(shop, gateway):
    body = {"project": shop.name, "reason": "by curl", "idempotency_key": shop.name}
    with ThreadPoolExecutor(CALLERS) as callers:
        calls = [callers.submit(insist, gateway, body) for _ in range(CALLERS)]
    first, *others = (call.result() for call in calls)
    assert first.status_code == 202
    run = first.json()["run"]
    assert first.json()["address"].endswith(f"/runs/flow-run/{run}")
    for again in (*others, insist(gateway, body)):
        assert (again.status_code, again.json()) == (202, first.json())
    other = gateway.post("/api/v1/releases", json=body | {"reason": "another"})
    assert other.status_code == 409
    assert other.json()["where"] == f"run {run}"

    status = first.headers["location"]
    wait_until(lambda: gateway.get(status).json()["release"])
    released = shop.wait_for(ReleaseState.RELEASED)
    assert (released.flow_run_id, released.requested_by) == (run, "alice")
    assert len(shop.gare().ledger.releases.find(project=shop.name)) == 1
    followed = gateway.get(status).json()
    name = f"{released.id} {shop.name} 1.1.0"
    assert (followed["release"], followed["name"]) == (released.id, name)
    told = gateway.get(f"/api/v1/releases/{released.id}").json()
    assert (told["state"], told["reason"]) == ("released", "by curl")


def test_what_only_the_engine_would_render_never_reaches_it(shop, gateway):
    template = {"__prefect_kind": "jinja", "template": "{{ 7*7 }}"}
    body = {"project": shop.name, "reason": template}
    assert gateway.post("/api/v1/releases", json=body).status_code == 422
    assert shop.gare().ledger.releases.find(project=shop.name) == []


def test_a_hotfix_does_exactly_what_was_seen_and_one_of_an_unknown_commit_is_refused(shop, gateway):
    fix = shop.commit("fix: wrong total", "total.py")
    seen = json.loads(shop.run("hotfix", shop.name, "--commit", fix, "--plan-only", "--json"))
    assert shop.git("for-each-ref", "refs/gare") == ""
    shop.commit("fix: another", "other.py")
    unknown = {"project": shop.name, "commits": ["0123456789abcdef"]}
    refused = gateway.post("/api/v1/hotfixes", json=unknown).headers["location"]
    wait_until(lambda: gateway.get(refused).json()["state"] == "FAILED")
    told = gateway.get(refused).json()
    assert told["state_name"] == "Refused"
    assert "There is no commit 0123456789abcdef." in told["message"]
    gateway.post("/api/v1/hotfixes", json={"project": shop.name, "plan": seen["digest"]})
    wait_until(lambda: shop.gare().ledger.releases.find(project=shop.name))
    released = shop.wait_for(ReleaseState.RELEASED)
    assert (released.plan, released.version) == (seen["digest"], "1.0.1")
    assert released.requested_by == "alice"


def test_a_run_that_the_engine_cannot_tell_of_stops_nothing_and_the_doctor_names_it(shop, gateway):
    """Its server keeps an integer beyond 64 bits and fails for every list with that run from then on."""
    engine = shop.gare().engine
    later = datetime.now(UTC) + timedelta(days=1)
    bad = engine.start({"project": shop.name}, idempotency_key=f"bad {shop.name}", at=later)
    with httpx.Client(base_url=engine.url, trust_env=False, timeout=30) as api:
        api.patch(
            f"/flow_runs/{bad.id}", json={"parameters": {"request": 10**23}}
        ).raise_for_status()
        ended = {"state": {"type": "CANCELLED"}, "force": True}
        api.post(f"/flow_runs/{bad.id}/set_state", json=ended)
        every = {"flow_runs": {"id": {"any_": [bad.id]}}}
        assert api.post("/flow_runs/filter", json=every).status_code == 500
        shop.configure(build="{commands: [\"python3 make.py build\", \"sleep 5\"], "
                       "artifacts: [dist/*.tar.gz], sbom: none}")  # fmt: skip
        shop.release("--no-follow")
        release = shop.last()
        wait_until(lambda: process_of(shop, release.flow_run_id))
        os.kill(process_of(shop, release.flow_run_id), signal.SIGKILL)
        assert shop.wait_for(ReleaseState.RELEASED, timeout_s=120).id == release.id
        assert "run brought on" in shop.events()
        said = shop.run("doctor", code=None)
        assert f"fails for lists with these runs, whose parameters it cannot tell: {bad.id}" in said
        api.delete(f"/flow_runs/{bad.id}").raise_for_status()
    assert "The server can list its runs" in shop.run("doctor", code=None)


def process_of(shop, run_id: str) -> int:
    """Return the process that holds the lease of a run; 0 for none."""
    query = select(leases.c.holder).where(leases.c.name == lease_of(run_id))
    with shop.gare().ledger.database.read() as connection:
        holder = connection.execute(query).scalar()
    return int(holder.split(":")[1]) if holder else 0
