"""A release over HTTP, through the gateway of a real station."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from waiting import wait_until

from gare.domain.releases import ReleaseState
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
