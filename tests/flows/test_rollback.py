"""An environment goes back to what was good there, on the real engine; automation then waits for a person."""

import json

import pytest
from waiting import wait_until

from gare.domain.plan import Kind
from gare.domain.releases import ReleaseState
from gare.engine import deployment_of
from gare.requests import ReleaseRequest

pytestmark = pytest.mark.engine


def live(shop) -> str:
    return (shop.production / "current" / "version.txt").read_text()


def test_a_rollback_its_hold_and_the_release_that_lifts_it(shop):
    shop.release()
    first = shop.last()
    shop.commit("feat: the bad thing", text="3")
    shop.release()
    second = shop.last()
    assert live(shop) == "1.2.0"

    said = shop.run(
        "rollback", shop.name, "--env", "production", "--reason", "slow", person="carol"
    )
    back = shop.last()
    assert "production goes back from 1.2.0 to 1.1.0" in said
    assert f"note: stays of {second.id}: create annotated tag v1.2.0" in said
    assert live(shop) == "1.1.0"
    assert (back.kind, back.version, back.state) == (Kind.ROLLBACK, "1.1.0", ReleaseState.RELEASED)
    assert back.end == "production is back at 1.1.0"
    shop.assert_once()
    taken = [event for event in shop.gare().ledger.database.events(second.id) if event.kind == "taken back"]
    assert json.loads(taken[0].body) == {"environment": "production", "by": back.id, "to": "1.1.0"}
    assert first.id != second.id

    assert "slow" in shop.run("hold", "list")
    said = shop.run("rollback", shop.name, "--env", "production", code=3)
    assert f"production runs 1.1.0 because {back.id} rolled it back" in said

    # What no person asks for waits, and gives its locks up.
    shop.commit("feat: the next thing", text="4")
    engine = shop.gare().engine
    request = ReleaseRequest(project=shop.name).model_dump(mode="json")
    engine.start(request, deployment=deployment_of(Kind.RELEASE))
    wait_until(lambda: shop.last().id != back.id and shop.last().state is ReleaseState.WAITING)
    held = shop.last()
    assert f"deploy-production: {shop.name}/production is on hold since {back.id}" in held.waiting[0]
    assert f"on hold since {back.id}" in shop.run("why", held.id)
    wait_until(lambda: not shop.gare().ledger.locks.held(held.id))

    # A person's release goes, and lifts the hold.
    shop.release(person="alice")
    assert shop.last().state is ReleaseState.RELEASED
    assert shop.run("hold", "list").startswith("Nothing is on hold.")
    assert shop.run("audit", code=0)
