"""A release from plan to production, on the real engine: every way it can go and end."""

import json
from pathlib import Path

import httpx
import psutil
import pytest
from waiting import marked, wait_until

from gare.domain.releases import ReleaseState, StepState
from gare.requests import ReleaseRequest

pytestmark = pytest.mark.engine


def test_a_release_goes_from_history_to_a_verified_production_and_a_pushed_tag(released):
    shop, release = released, released.last()
    assert release.state is ReleaseState.RELEASED
    assert (shop.production / "current" / "version.txt").read_text() == "1.1.0"
    assert f"Gare-Release: {release.id}" in shop.git("ls-remote", "origin") + shop.git(
        "tag", "-n9", "-l", "v1.1.0"
    )
    assert "refs/tags/v1.1.0" in shop.git("ls-remote", "--tags", "origin")
    assert release.requested_by == "alice"


def test_the_tag_carries_the_head_of_the_ledger_at_that_moment(released):
    shop, release = released, released.last()
    heads = [event.hash for event in shop.gare().ledger.database.events(release.id)]
    message = shop.git("tag", "-n9", "-l", "v1.1.0")
    assert any(f"Gare-Ledger: {head}" in message for head in heads)


def test_resume_without_votes_changes_nothing_and_votes_bring_it_on(shop):
    shop.configure_approval()
    said = shop.release()
    release = shop.wait_for(ReleaseState.WAITING)
    assert "waits for approve-production: votes missing: 1 from operations, 1 from qa" in said
    engine = shop.gare().engine
    assert engine.resume(release.flow_run_id)
    wait_until(lambda: engine.run(release.flow_run_id).is_suspended)
    assert not (shop.production / "current").exists()
    asked = shop.events().count("approval asked")
    shop.run("approve", release.id, "--env", "production", person="bob")
    said = shop.run("approve", release.id, "--env", "production", person="carol")
    assert "approved" in said
    shop.run("watch", release.id)
    assert shop.last().state is ReleaseState.RELEASED
    assert asked == shop.events().count("approval asked") == 1
    assert shop.events().count("step started") == len(shop.gare().plan(release.plan).steps)


def test_no_process_of_the_run_is_left_while_it_waits(waiting):
    release = waiting.last()
    wait_until(lambda: waiting.gare().engine.run(release.flow_run_id).is_suspended)
    wait_until(lambda: not runs_of(release.flow_run_id))


@pytest.mark.parametrize(
    ("person", "message"),
    [
        ("alice", "alice is in none of the groups that decide here (operations, qa)."),
        ("erin", "erin wrote commits of this release and may not vote on it."),
    ],
)
def test_a_vote_by_the_wrong_person_is_refused_and_changes_nothing(waiting, person, message):
    shop, release = waiting, waiting.last()
    before = shop.gare().ledger.database.head(release.id)
    assert message in shop.run("approve", release.id, "--env", "production", person=person, code=3)
    assert shop.gare().ledger.database.head(release.id) == before


def test_a_rejection_ends_it_as_rejected_which_is_no_failure(shop):
    shop.configure_approval()
    shop.release()
    release = shop.wait_for(ReleaseState.WAITING)
    shop.run(
        "reject", release.id, "--env", "production", "--comment", "not on a Friday", person="bob"
    )
    shop.run("watch", release.id, code=3)
    assert shop.last().state is ReleaseState.REJECTED
    run = shop.gare().engine.run(release.flow_run_id)
    wait_until(lambda: shop.gare().engine.run(release.flow_run_id).is_over)
    run = shop.gare().engine.run(release.flow_run_id)
    assert (run.state_type, run.state_name) == ("COMPLETED", "Rejected")
    assert "has ended" in shop.run(
        "approve", release.id, "--env", "production", person="carol", code=3
    )
    assert not (shop.production / "current").exists()


def test_an_approval_that_nobody_gives_expires_by_itself(shop):
    shop.configure_approval("{groups: {qa: 1}, expires_after: 4s}")
    shop.release()
    release = shop.wait_for(ReleaseState.EXPIRED)
    wait_until(lambda: shop.gare().engine.run(release.flow_run_id).is_over)
    assert shop.gare().engine.run(release.flow_run_id).state_name == "Expired"


def test_a_version_that_does_not_run_is_taken_back_at_once(shop):
    shop.release()
    shop.commit("feat: a broken thing", "broken")
    said = shop.release(code=5)
    release = shop.last()
    assert release.state is ReleaseState.ROLLED_BACK
    assert "production runs 0.0.0, not 1.2.0. 1.1.0 is live again." in said
    assert (shop.production / "current" / "version.txt").read_text() == "1.1.0"
    assert "v1.2.0" not in shop.git("ls-remote", "--tags", "origin")
    run = shop.gare().engine.run(release.flow_run_id)
    assert (run.state_type, run.state_name) == ("FAILED", "RolledBack")
    (shop.work / "broken").unlink()
    shop.commit("fix: whole again")
    _, plan = shop.gare().drafting.make(ReleaseRequest(project=shop.name))
    assert plan.version == "1.2.1"
    assert (
        f"1.2.0 was deployed by {release.id} and is not used again: this is 1.2.1" in plan.warnings
    )


def test_a_failed_build_stops_it_and_resume_goes_on_from_there(shop):
    flag = shop.root / f"{shop.name}.flag"
    commands = f'["python3 make.py build", ["test", "-e", "{flag}"]]'
    shop.configure(build=f'{{commands: {commands}, artifacts: ["dist/*.tar.gz"], sbom: none}}')
    said = shop.release(code=1)
    assert "step build failed" in said
    assert shop.last().state is ReleaseState.FAILED
    flag.write_text("")
    shop.run("resume", shop.last().id)
    assert shop.last().state is ReleaseState.RELEASED
    steps = shop.gare().ledger.releases.steps(shop.last().id)
    assert steps["build"].attempt == 2
    assert steps["plan"].attempt == 1


def test_a_step_is_repeated_as_the_project_asks(shop):
    flag = shop.root / f"{shop.name}.flag"
    code = f"import os, sys; there = os.path.exists('{flag}'); open('{flag}', 'w'); sys.exit(not there)"
    shop.configure(
        f'\nsteps:\n  - {{id: shaky, type: run, command: [python3, -c, "{code}"], retries: 2, backoff: 100ms}}\n'
    )
    shop.release()
    assert shop.last().state is ReleaseState.RELEASED
    assert "step repeats" in shop.events()


def test_steps_that_do_not_need_each_other_run_side_by_side(shop):
    nap = "[python3, -c, 'import time, os; time.sleep(2); os.stat(''make.py'')']"
    shop.configure(
        "\nsteps:\n"
        + "".join(
            f"  - {{id: nap-{number}, type: run, command: {nap}, needs: [plan]}}\n"
            for number in range(3)
        )
    )
    shop.release()
    steps = shop.gare().ledger.releases.steps(shop.last().id)
    naps = [steps[f"nap-{number}"] for number in range(3)]
    assert max(nap.started_at for nap in naps) < min(nap.ended_at for nap in naps)


def test_a_manual_step_waits_for_the_person_who_ticks_it_off(shop):
    shop.configure(
        "\nsteps:\n  - {id: phone, type: manual, instructions: call the client, needs: [validate], before: [publish]}\n"
    )
    assert "call the client" in shop.release()
    release = shop.wait_for(ReleaseState.WAITING)
    assert "is no manual step" in shop.run("done", release.id, "build", person="alice", code=3)
    shop.run("done", release.id, "phone", "--comment", "they agree", person="alice")
    shop.run("watch", release.id)
    assert shop.gare().ledger.releases.steps(release.id)["phone"].value["by"] == "alice"


@pytest.mark.parametrize("way", ["command", "engine"])
def test_cancelling_stops_the_commands_too(shop, way):
    mark = f"mark-{shop.name}"
    shop.configure(
        test=f'{{commands: [["python3", "-c", "import time; time.sleep(300)", "{mark}"]], junit: ["report.xml"]}}'
    )
    shop.run("release", shop.name, "--no-follow")
    wait_until(lambda: marked(mark))
    release = shop.last()
    if way == "command":
        shop.run("cancel", release.id, "--reason", "wrong day")
    else:
        shop.gare().engine.cancel(release.flow_run_id)
    wait_until(lambda: not marked(mark), timeout_s=30)
    ended = shop.wait_for(ReleaseState.CANCELLED)
    assert ended.end == ("cancelled: wrong day" if way == "command" else "the run was cancelled")
    assert shop.gare().engine.run(release.flow_run_id).state_type == "CANCELLED"


def test_retry_of_a_closed_release_returns_its_stored_end(released):
    shop, release = released, released.last()
    before = shop.gare().ledger.database.head(release.id)
    engine = shop.gare().engine
    engine.retry(release.flow_run_id)
    wait_until(lambda: engine.run(release.flow_run_id).state_name == "Released")
    assert shop.gare().ledger.database.head(release.id) == before


def test_an_unknown_key_or_a_wrong_value_is_refused_by_the_server_at_once(released):
    shop = released
    url = shop.gare().engine.url
    deployment = httpx.get(f"{url}/deployments/name/release/gare").json()["id"]
    for parameters in (
        {"request": {"project": shop.name, "colour": "red"}},
        {"request": {"project": shop.name, "version": "one"}},
        {"request": {}},
        {"request": {"project": shop.name}, "more": 1},
    ):
        reply = httpx.post(
            f"{url}/deployments/{deployment}/create_flow_run", json={"parameters": parameters}
        )
        assert reply.status_code == 409, (parameters, reply.text)


def started(url, body):
    """Start a run as programs do that ask again: on SQLite the engine answers 503 while another one writes."""
    replies = []

    def ask():
        replies.append(httpx.post(url, json=body))
        return replies[-1].status_code != 503

    wait_until(ask)
    return replies[-1].json()["id"]


def test_a_release_can_be_started_by_anybodys_rest_call(shop):
    url = shop.gare().engine.url
    deployment = httpx.get(f"{url}/deployments/name/release/gare").json()["id"]
    body = {"parameters": {"request": {"project": shop.name, "reason": "by curl"}}}
    run = started(f"{url}/deployments/{deployment}/create_flow_run", body)
    wait_until(lambda: shop.gare().ledger.releases.of_run(run) is not None)
    shop.wait_for(ReleaseState.RELEASED)
    assert shop.last().reason == "by curl"
    found = httpx.get(f"{url}/flow_runs/{run}").json()
    assert found["name"] == f"{shop.last().id} {shop.name} 1.1.0"
    assert f"project:{shop.name}" in found["tags"]


def test_what_cannot_be_released_ends_the_run_with_the_reason(released):
    shop = released
    url = shop.gare().engine.url
    deployment = httpx.get(f"{url}/deployments/name/release/gare").json()["id"]
    body = {"parameters": {"request": {"project": shop.name}}}
    run = started(f"{url}/deployments/{deployment}/create_flow_run", body)
    engine = shop.gare().engine
    wait_until(lambda: engine.run(run).is_over)
    assert engine.run(run).state_name == "Refused"
    assert "Nothing to release" in engine.run(run).state_message


def test_the_engines_pages_tell_plan_gates_and_progress(waiting):
    shop, release = waiting, waiting.last()
    body = {"artifacts": {"flow_run_id": {"any_": [release.flow_run_id]}}}
    url = shop.gare().engine.url
    found = {item["key"]: item for item in httpx.post(f"{url}/artifacts/filter", json=body).json()}
    name = release.id.lower()
    assert set(found) >= {
        f"{name}-plan",
        f"{name}-validate",
        f"{name}-progress",
        f"{name}-approve-production",
    }
    assert "gare approve" in found[f"{name}-approve-production"]["data"]


def test_commands_see_only_the_environment_they_are_allowed(shop):
    shop.configure(test='{commands: ["env"], junit: []}', gates="[]")
    shop.release()
    release = shop.last()
    log = (Path(shop.gare().logs_folder) / release.id / "test-1-1.log").read_text()
    assert "GARE_VERSION=1.1.0" in log
    assert "PREFECT_" not in log
    assert "GARE_TOKEN" not in log


def test_the_steps_values_are_json_that_anybody_can_read(released):
    shop = released
    for record in shop.gare().ledger.releases.steps(shop.last().id).values():
        assert record.state is StepState.DONE
        assert json.loads(json.dumps(record.value)) == record.value


def runs_of(run_id):
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT__FLOW_RUN_ID") == run_id:
                found.append(process)
        except psutil.Error:
            continue
    return found
