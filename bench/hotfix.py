"""hotfix: from the call of the gateway to the id of the run, beside the engine's own call that creates a run.

Both start hotfixes of the same deployment, over connections that stay open, in turns. The work pool is paused: what is
measured is the call, not the runs.
"""

import sys
import time

import httpx

from bench.durable import station
from bench.measure import compare, medians
from gare.engine import deployment_of
from gare.station_state import running
from gare.wiring import Gare

CALLS = 40
HOTFIX = {"project": "shop", "commits": ["4f2c9e1"], "ticket": "SHOP-142", "reason": "measured"}


def call_to_id(gare: Gare) -> bool:
    """Measure the two calls; tell whether the goal holds."""
    record = running(gare.station.state)
    assert record is not None
    token = gare.ledger.tokens.create("alice", actor="bench")
    headers = {"Authorization": f"Bearer {token}"}
    with (
        httpx.Client(base_url=record.api_url, trust_env=False, timeout=60) as engine,
        httpx.Client(
            base_url=record.gateway_url, trust_env=False, timeout=60, headers=headers
        ) as gateway,
    ):
        engine.patch("/work_pools/gare", json={"is_paused": True}).raise_for_status()
        found = engine.get(f"/deployments/name/{deployment_of('hotfix')}").raise_for_status()
        create = f"/deployments/{found.json()['id']}/create_flow_run"
        taken = medians(
            {
                "ours": lambda: _seconds(gateway, "/api/v1/hotfixes", HOTFIX),
                "yardstick": lambda: _seconds(engine, create, {"parameters": {"request": HOTFIX}}),
            },
            CALLS,
            warm_up=5,
        )
    return compare("hotfix-call-to-id", taken["ours"], taken["yardstick"], 3)


def _seconds(client: httpx.Client, path: str, body: object) -> float:
    started = time.perf_counter()
    client.post(path, json=body).raise_for_status()
    return time.perf_counter() - started


def main() -> int:
    """Measure and print; return 1 when the goal is missed."""
    with station() as gare:
        return int(not call_to_id(gare))


if __name__ == "__main__":
    sys.exit(main())
