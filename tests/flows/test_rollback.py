"""An environment goes back to what was good there, on the real engine; automation then waits for a person."""

import json
import logging

import pytest
from waiting import wait_until

from gare.domain.plan import Kind
from gare.domain.releases import ReleaseState
from gare.engine import deployment_of
from gare.requests import ReleaseRequest

pytestmark = pytest.mark.engine


def live(shop) -> str:
    return (shop.production / "current" / "version.txt").read_text()


STEPS = """
steps:
  - {{id: migrate, type: run, environment: production, command: "cp version.txt {folder}/schema",
     undo: "rm {folder}/schema", before: [deploy-production]}}
  - {{id: warm, type: run, command: "cp {folder}/schema {folder}/warm", needs: [verify-production],
     undo: "mv {folder}/warm {folder}/cold"}}
"""


def test_a_rollback_its_hold_and_the_release_that_lifts_it(shop):
    shop.release()
    folder = shop.root / f"{shop.name}-made"
    folder.mkdir()
    shop.configure(STEPS.format(folder=folder))
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
    for step in ("warm", "migrate"):
        assert f"undo-{step}-1.2.0: done" in said
    assert [path.name for path in folder.iterdir()] == ["cold"]
    assert (back.kind, back.version, back.state) == (Kind.ROLLBACK, "1.1.0", ReleaseState.RELEASED)
    assert back.end == "production is back at 1.1.0"
    shop.assert_once()
    taken = [
        event
        for event in shop.gare().ledger.database.events(second.id)
        if event.kind == "taken back"
    ]
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
    assert (
        f"deploy-production: {shop.name}/production is on hold since {back.id}" in held.waiting[0]
    )
    assert f"on hold since {back.id}" in shop.run("why", held.id)
    wait_until(lambda: not shop.gare().ledger.locks.held(held.id))

    # A person's release goes, and lifts the hold.
    shop.release(person="alice")
    assert shop.last().state is ReleaseState.RELEASED
    assert shop.name not in shop.run("hold", "list")
    shop.run("audit", "verify")


def test_a_release_asked_for_before_a_rollback_waits_until_a_person_lets_it_go(shop):
    shop.release()
    shop.commit("feat: the bad thing", text="3")
    shop.release()
    shop.configure(
        "steps: [{id: call, type: manual, instructions: call, before: [deploy-production]}]\n"
    )
    shop.commit("feat: on top of it", text="4")
    shop.run("release", shop.name, "--until-waiting", person="alice")
    early = shop.last()
    shop.run("rollback", shop.name, "--env", "production", "--reason", "slow", person="carol")
    back = shop.last()

    shop.run("done", early.id, "call", person="alice")
    wait_until(lambda: "on hold" in "".join(shop.gare().ledger.releases.get(early.id).waiting))
    assert live(shop) == "1.1.0"
    said = shop.run("why", early.id)
    assert (
        f"is on hold since {back.id} (slow): a release that no person has asked for since" in said
    )
    shop.run("hold", "release", shop.name, "production", "--reason", "repaired", person="carol")
    wait_until(lambda: shop.gare().ledger.releases.get(early.id).state is ReleaseState.RELEASED)
    assert live(shop) == "1.3.0"
    shop.assert_once()
    # It has waited three times; that is no error in its log.
    errors = {"flow_run_id": {"any_": [early.flow_run_id]}, "level": {"ge_": logging.ERROR}}
    api = shop.gare().engine.api
    assert api.call("POST", "/logs/filter", {"logs": errors}, what="read the log") == []


def test_a_version_that_was_rolled_back_is_released_again_as_it_was(shop):
    shop.release()
    shop.commit("feat: the good thing", text="3")
    shop.release()
    first = shop.last()
    tags = shop.git("ls-remote", "--tags", "origin")
    shop.run("rollback", shop.name, "--env", "production", "--reason", "not sure", person="carol")
    back = shop.last()
    said = shop.run("release", shop.name, code=3, person="alice")
    assert f"`gare release {shop.name} --again 1.2.0`" in said
    assert f"note: 1.2.0, which {back.id} rolled back in production: not sure" in shop.run(
        "plan", shop.name, "--again", "1.2.0"
    )
    shop.release("--again", "1.2.0")
    again = shop.last()
    assert (again.version, again.state) == ("1.2.0", ReleaseState.RELEASED)
    assert live(shop) == "1.2.0"
    assert shop.git("ls-remote", "--tags", "origin") == tags
    steps = shop.gare().ledger.releases.steps
    built, before = steps(again.id)["build"].value, steps(first.id)["build"].value
    assert built["artifacts"] == before["artifacts"]
    assert built["summary"] == f"1 artifact of {first.id}"
    shop.assert_once()
    assert shop.name not in shop.run("hold", "list")
    shop.run("audit", "verify")
    # And it can be rolled back once more, to what was good before it.
    shop.run("rollback", shop.name, "--env", "production", person="carol")
    assert live(shop) == "1.1.0"


SOAKING = """
name: {name}
source: {{type: git, path: ../{name}, branch: main}}
build: {{commands: ["python3 make.py build"], artifacts: ["dist/*.tar.gz"], sbom: none}}
test: {{commands: ["python3 make.py test"], junit: ["report.xml"]}}
gates: []
environments:
  production:
    soak: {soak}
    target: {{type: directory, path: ../{name}-production, version: {{command: "cat version.txt", timeout: 2s}}}}
"""


def said_by(shop) -> str:
    return (shop.root / f"{shop.name}-said.md").read_text()


def soak(shop, length: str) -> None:
    text = SOAKING.format(name=shop.name, soak=length)
    text += f"announce: [{{type: file, path: ../{shop.name}-said.md}}]\n"
    (shop.root / "projects" / f"{shop.name}.yaml").write_text(text)


def test_a_version_soaks_without_a_process_and_a_rollback_ends_it_at_once(shop):
    soak(shop, "3s")
    assert "soak-production: looked" in shop.release()
    shop.run("watch", shop.last().id)
    first = shop.last()
    assert first.state is ReleaseState.RELEASED
    assert shop.gare().ledger.verified_by(shop.name, "production") == first.id

    soak(shop, "1h")
    shop.commit("feat: the bad thing", text="3")
    shop.release()
    soaking = shop.wait_for(ReleaseState.WAITING)
    assert soaking.waiting[0].startswith("soak-production: production soaks 1.2.0 until")
    assert "gare rollback" in shop.run("why", soaking.id)
    assert shop.gare().ledger.verified_version(shop.name, "production") == "1.1.0"
    assert f"{soaking.id} is under way there" in shop.run("environments", shop.name)

    shop.run("rollback", shop.name, "--env", "production", person="carol")
    assert live(shop) == "1.1.0"
    ended = shop.gare().ledger.releases.get(soaking.id)
    assert ended.state is ReleaseState.ROLLED_BACK
    assert ended.end == f"production: rolled back to 1.1.0 by {shop.last().id}"
    engine = shop.gare().engine
    wait_until(lambda: engine.run(soaking.flow_run_id).state_name == "RolledBack")
    assert "as recorded, on hold since" in shop.run("environments", shop.name)


def test_a_version_that_does_not_hold_its_soak_is_put_back(shop):
    soak(shop, "4s")
    shop.release()
    shop.run("watch", shop.last().id)
    shop.commit("feat: the bad thing", text="3")
    shop.release()
    broken = shop.last()
    (shop.production / "current" / "version.txt").write_text("0.0.0")
    shop.run("watch", broken.id, code=5)
    assert live(shop) == "1.1.0"
    assert "1.1.0 is live again" in shop.last().end
    assert broken.id in shop.run("hold", "list")
    wait_until(lambda: f"{shop.name} 1.2.0 was rolled back in production" in said_by(shop))
    # Whoever lets automation go on has not made the version that is live again a bad one.
    shop.run("hold", "release", shop.name, "production", person="alice")
    said = shop.run("rollback", shop.name, "--env", "production", code=3)
    assert f"production was put back to 1.1.0 by {broken.id} itself" in said
