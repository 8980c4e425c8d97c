"""Several releases of one project at once, on the real engine: a queue, and a new plan for who was overtaken."""

import json

import pytest
from waiting import wait_until

from gare.domain.releases import ReleaseState

pytestmark = pytest.mark.engine


@pytest.fixture
def busy(shop):
    """Its first release waits for votes and holds the locks."""
    shop.configure_approval("{groups: {qa: 1}}")
    shop.release()
    shop.wait_for(ReleaseState.WAITING)
    return shop


def queue_one(shop, *words):
    """Start one more release; return what was said once it is queued."""
    said = json.loads(shop.run("release", shop.name, "--json", *words, person="alice"))
    wait_until(lambda: stands(shop, said["release"]).state is ReleaseState.WAITING)
    return said


def stands(shop, release_id):
    return shop.gare().ledger.releases.get(release_id)


def wait_for(shop, release_id, *states):
    wait_until(lambda: stands(shop, release_id).state in states)
    return stands(shop, release_id)


def ask_again(shop, release_id):
    """Let bob say yes as soon as the release asks."""
    approvals = shop.gare().ledger.approvals
    wait_until(lambda: approvals.get(release_id, "approve-production") is not None)
    shop.run("approve", release_id, "--env", "production", person="bob")


def test_the_second_is_planned_anew_when_the_first_is_released_and_a_third_ends(busy):
    shop, first = busy, busy.last()
    under_way = f"note: {first.id} (1.1.0) is waiting; a release started now is queued behind it"
    assert under_way in shop.run("plan", shop.name)
    second = queue_one(shop)
    place = f"queued behind {first.id} ({shop.name}/production and the version line), place 1 of 1"
    assert second["queue"]["behind"] == first.id
    assert stands(shop, second["release"]).waiting == (place,)
    assert f"waiting (queued 1/1 behind {first.id})" in shop.run("status", "--project", shop.name)
    why = shop.run("why", second["release"])
    assert f"It is {place}" in why
    assert f"{first.id} waits for: production: 1 vote of qa missing (bob)" in why
    third = shop.run("release", shop.name, "--no-follow", person="alice").splitlines()[-1]
    third_id = shop.last().id
    assert third == (
        f"{third_id} is queued behind {first.id} ({shop.name}/production and the version line), place 2 of 2; "
        f"follow it with `gare watch {third_id}`."
    )
    engine = shop.gare().engine
    for release_id in (second["release"], third_id):
        run = stands(shop, release_id).flow_run_id
        wait_until(lambda run=run: engine.run(run).is_suspended)
    # Somebody goes on working meanwhile: the second has something left, the third has not.
    shop.commit("fix: the third thing", text="3")
    shop.run("approve", first.id, "--env", "production", person="bob")
    wait_for(shop, first.id, ReleaseState.RELEASED)
    ask_again(shop, second["release"])
    again = wait_for(shop, second["release"], ReleaseState.RELEASED)
    assert again.version == "1.1.1"
    assert {"v1.1.0", "v1.1.1"} <= set(shop.git("tag").splitlines())
    [event] = [
        json.loads(event.body)
        for event in shop.gare().ledger.database.events(again.id)
        if event.kind == "planned anew"
    ]
    assert (event["version"], event["plan"]) == ("1.1.1", again.plan)
    assert event["reason"] == f"{first.id} took it with 1.1.0"
    assert engine.run(again.flow_run_id).name == f"{again.id} {shop.name} 1.1.1"
    ended = wait_for(shop, third_id, ReleaseState.CANCELLED)
    assert ended.end == (
        f"nothing left to release: {again.id} took it with 1.1.1. "
        "Nothing to release: there is no commit since 1.1.1."
    )
    wait_until(lambda: engine.run(ended.flow_run_id).is_over)
    assert engine.run(ended.flow_run_id).state_name == "Cancelled"
    bundle = shop.root / f"{shop.name}.zip"
    shop.run("evidence", again.id, "-o", str(bundle))
    assert "sound" in shop.run("evidence", "verify", str(bundle))


def test_what_was_asked_for_exactly_and_is_taken_ends_with_the_reason(busy):
    shop, first = busy, busy.last()
    plan = json.loads(shop.run("plan", shop.name, "--json"))
    assert plan["under_way"] == [first.id]
    exactly = queue_one(shop, "--plan", plan["digest"])["release"]
    version = queue_one(shop, "--version", "1.1.0")["release"]
    shop.commit("fix: the third thing", text="3")
    shop.run("approve", first.id, "--env", "production", person="bob")
    wait_for(shop, first.id, ReleaseState.RELEASED)
    ended = wait_for(shop, exactly, ReleaseState.CANCELLED)
    assert ended.end == f"1.1.0 is taken: {first.id} took it with 1.1.0"
    ended = wait_for(shop, version, ReleaseState.CANCELLED)
    assert ended.end.startswith(f"1.1.0 is taken: {first.id} took it with 1.1.0. Version 1.1.0")
    assert shop.events().count("step started") == 1, "nothing but its plan"


def test_the_next_goes_on_with_its_own_plan_when_the_first_is_cancelled(busy):
    shop, first = busy, busy.last()
    second = queue_one(shop)["release"]
    plan = stands(shop, second).plan
    shop.run("cancel", first.id)
    ask_again(shop, second)
    assert wait_for(shop, second, ReleaseState.RELEASED).plan == plan
    kinds = [event.kind for event in shop.gare().ledger.database.events(second)]
    assert "planned anew" not in kinds
    assert kinds.index("lock granted") < kinds.index("approval asked")


def test_a_resumed_one_does_not_put_its_older_version_over_that_of_a_later_release(shop):
    flag = shop.root / f"{shop.name}.flag"
    commands = f'["python3 make.py build", ["test", "-e", "{flag}"]]'
    shop.configure(build=f'{{commands: {commands}, artifacts: ["dist/*.tar.gz"], sbom: none}}')
    shop.release(code=1)
    failed = shop.last()
    flag.write_text("")
    shop.commit("fix: the next one", text="3")
    shop.release()
    newer = shop.last()
    assert newer.state is ReleaseState.RELEASED
    said = shop.run("resume", failed.id, code=1)
    assert f"production has {newer.version} of {newer.id} by now" in said
    assert (shop.production / "current" / "version.txt").read_text() == newer.version


def test_a_failed_one_holds_nothing_and_is_queued_again_when_it_is_resumed(shop):
    flag = shop.root / f"{shop.name}.flag"
    commands = f'["python3 make.py build", ["test", "-e", "{flag}"]]'
    shop.configure(build=f'{{commands: {commands}, artifacts: ["dist/*.tar.gz"], sbom: none}}')
    shop.release(code=1)
    failed = shop.last()
    assert shop.gare().ledger.locks.held(failed.id) == []
    flag.write_text("")
    shop.configure_approval("{groups: {qa: 1}}")
    second = shop.run("release", shop.name, "--until-waiting", person="alice")
    second_id = shop.last().id
    assert "waits for approve-production" in second
    shop.run("resume", failed.id, "--no-follow")
    wait_until(lambda: shop.gare().ledger.locks.place(failed.id) is not None)
    wait_for(shop, failed.id, ReleaseState.WAITING)
    assert "queued 1/1 behind" in shop.run("status", "--project", shop.name)
    shop.run("cancel", second_id)
    wait_for(shop, failed.id, ReleaseState.RELEASED)
