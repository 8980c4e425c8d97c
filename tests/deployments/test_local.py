"""The one-machine station, with the real server and worker. One station serves the file, from start to Ctrl-C."""

import json
import os
import re
import signal
import socket
import time

import httpx
import psutil
import pytest

from deployments.local import down, up
from deployments.processes import is_alive, marked
from deployments.spec import StationSpec
from gare.errors import ConfigError, Refused
from gare.station_state import Phase, api_url, running

pytestmark = pytest.mark.engine


def test_up_prints_the_address_of_the_ui(foreground):
    record = foreground.record
    said = foreground.said.splitlines()
    assert said[0] == f"Starting the station sample in {foreground.state}"
    assert said[1] == f"Prefect UI: {record.ui_url}"
    assert re.fullmatch(
        r"Ready after \d+\.\d s\. Ctrl-C or `gare down` ends it; logs are in .*/\.gare/logs",
        said[2],
    )
    page = httpx.get(record.ui_url, trust_env=False, follow_redirects=True)
    assert page.status_code == 200
    assert "<html" in page.text


def test_the_state_folder_tells_where_the_api_is(foreground):
    assert api_url(foreground.state) == foreground.record.api_url
    assert foreground.record.phase is Phase.READY
    assert (foreground.state / ".gitignore").read_text() == "*\n"


def test_the_ui_talks_to_this_server_and_to_nobody_else(foreground):
    settings = httpx.get(f"{foreground.record.ui_url}/ui-settings", trust_env=False).json()
    assert settings["api_url"] == "/api"
    assert settings["default_ui"] == "v1"
    server = httpx.get(f"{foreground.record.api_url}/admin/settings", trust_env=False).json()
    assert server["server"]["analytics_enabled"] is False
    assert server["server"]["ui"]["show_promotional_content"] is False
    assert server["home"] == str(foreground.state / "prefect")


def test_second_up_is_refused(foreground):
    spec = StationSpec("sample", foreground.root, foreground.state)
    with pytest.raises(Refused) as refused:
        up(spec, say=print)
    assert refused.value.what == f"A station is up here already: {foreground.record.ui_url}"
    assert refused.value.where == f"process {foreground.process.pid}, state in {foreground.state}"
    assert refused.value.hint == "Use it, or end it with `gare down`."
    assert refused.value.exit_code == 3


def test_port_in_use_names_who_holds_it(foreground, tmp_path):
    port = int(foreground.record.ui_url.rpartition(":")[2])
    holder = psutil.Process(foreground.pid("server"))
    with pytest.raises(ConfigError) as refused:
        up(StationSpec("other", tmp_path, tmp_path / ".gare", port=port), say=print)
    assert refused.value.what == f"Port {port} is in use by {holder.name()} (process {holder.pid})."
    assert refused.value.hint == (
        "End that program, or set another `server.port` in station.yaml (0 takes a free one)."
    )
    assert running(tmp_path / ".gare") is None


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"request": {"word": "a"}, "zzz": 1},
         "Validation failed. Failure reason: Additional properties are not allowed ('zzz' was unexpected)"),
        ({"request": {"word": "a", "zzz": 1}},
         "Validation failed for field 'request'. Failure reason: Additional properties are not allowed "
         "('zzz' was unexpected)"),
        ({"request": {"word": "a", "part": {"size": 1, "zzz": 1}}},
         "Validation failed for field 'request.part'. Failure reason: Additional properties are not allowed "
         "('zzz' was unexpected)"),
        ({"request": {"word": "A"}},
         "Validation failed for field 'request.word'. Failure reason: 'A' does not match '^[a-z]+$'"),
        ({"request": {"word": "a", "part": {"size": 10}}},
         "Validation failed for field 'request.part.size'. Failure reason: 10 is greater than the maximum of 9"),
        ({}, "Validation failed. Failure reason: 'request' is a required property"),
    ],
)  # fmt: skip
def test_the_server_refuses_wrong_parameters(api, parameters, message):
    reply = api.start(parameters)
    assert reply.status_code == 409
    assert reply.json()["detail"] == f"Error creating flow run: {message}"


def test_a_run_imports_what_is_installed_and_not_the_folder_it_runs_in(foreground, api, tmp_path):
    (foreground.state / "worker" / "sample_flows.py").write_text(
        "raise SystemExit('the wrong module')"
    )
    run = api.run(word="seen", folder=str(tmp_path))
    assert api.wait(run, "COMPLETED", "FAILED", "CRASHED") == "COMPLETED"
    seen = json.loads((tmp_path / "seen.json").read_text())
    (foreground.state / "worker" / "sample_flows.py").unlink()
    assert seen["cwd"] == str(foreground.state / "worker")
    assert seen["cwd"] not in seen["path"]
    assert "" not in seen["path"]
    assert not seen["dont_write_bytecode"]
    assert seen["station"] == str(foreground.root)
    assert seen["prefect_home"] == str(foreground.state / "prefect")


def test_a_run_suspends_without_a_process_and_goes_on(api, tmp_path):
    run = api.run(word="asked", mode="ask", folder=str(tmp_path))
    api.wait(run, "PAUSED")
    pid = int((tmp_path / "asked.pid").read_text())
    for _ in range(100):
        if not psutil.pid_exists(pid):
            break
        time.sleep(0.1)
    assert not psutil.pid_exists(pid)
    reply = api.call("POST", f"/flow_runs/{run}/resume", {"run_input": {"say": "perhaps"}})
    assert reply.json()["status"] == "REJECT"
    reply = api.call("POST", f"/flow_runs/{run}/resume", {"run_input": {"say": "yes"}})
    assert reply.json()["status"] == "ACCEPT"
    assert api.wait(run, "COMPLETED", "FAILED", "CRASHED") == "COMPLETED"
    assert json.loads((tmp_path / "asked.json").read_text())["answer"] == "yes"


def test_a_run_is_cancelled(api, tmp_path):
    run = api.run(word="cancelled", mode="sleep", folder=str(tmp_path))
    api.wait(run, "RUNNING")
    api.call(
        "POST", f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}, "force": True}
    )
    assert api.wait(run, "CANCELLED", "FAILED", "CRASHED") == "CANCELLED"


def test_a_dead_worker_is_said_and_started_again(foreground, api, tmp_path):
    old = foreground.pid("worker")
    os.kill(old, signal.SIGKILL)
    foreground.wait_for(lambda: "It is started again in" in foreground.said)
    assert "The worker ended (killed by SIGKILL). It said last:\n  | " in foreground.said
    assert "\n It is started again in 1 s (1 of 3).\n" in foreground.said
    foreground.wait_for(
        lambda: {c.pid for c in foreground.record.children if c.name == "worker"} - {old}
    )
    assert api.wait(api.run(word="again", folder=str(tmp_path)), "COMPLETED") == "COMPLETED"


def test_kill_9_of_the_supervisor_then_up_again(foreground, api, tmp_path):
    run = api.run(word="left", mode="sleep", folder=str(tmp_path))
    api.wait(run, "RUNNING")
    foreground.wait_for((tmp_path / "child.pid").exists)
    before = [process.pid for process in marked(foreground.state)]
    child = int((tmp_path / "child.pid").read_text())
    assert child in before
    foreground.process.kill()
    foreground.process.wait()
    assert running(foreground.state) is None
    assert (foreground.state / "station.json").exists()

    foreground.start()

    first = foreground.said.splitlines()[0]
    assert re.fullmatch(
        r"A station was killed here and left (one process|\d+ processes) running \([\d, ]+\): ending them\.",
        first,
    )
    assert str(child) in first
    left = {process.pid for process in marked(foreground.state)}
    assert left.isdisjoint(before)
    after = {c.name for c in foreground.record.children}
    assert after == {"server", "worker"}


def test_ctrl_c_ends_everything(foreground, api, tmp_path):
    run = api.run(word="ending", mode="sleep", folder=str(tmp_path))
    api.wait(run, "RUNNING")
    foreground.wait_for((tmp_path / "child.pid").exists)
    before = marked(foreground.state)
    assert len(before) >= 4
    assert foreground.end(signal.SIGINT) == 0
    assert foreground.said.endswith("The station has ended; nothing of it runs any more.\n")
    assert [process for process in before if is_alive(process)] == []
    assert marked(foreground.state) == []
    assert running(foreground.state) is None
    assert not (foreground.state / "station.json").exists()
    foreground.ended_run = run


def test_down_when_nothing_runs(foreground, capsys):
    down(foreground.state, say=print)
    assert capsys.readouterr().out == "No station is up here.\n"


def test_asked_to_end_while_starting(foreground):
    foreground.start(wait=False)
    foreground.wait_for(lambda: foreground.record and foreground.record.children)
    assert foreground.end(signal.SIGTERM) == 0
    assert "Asked to end while starting.\n" in foreground.said
    assert marked(foreground.state) == []


def test_a_child_that_keeps_dying_ends_the_station(foreground):
    foreground.start("no_such_module")
    # The run that was alive at Ctrl-C is known to have ended: nothing would ever bring back one left as Running.
    with httpx.Client(base_url=foreground.record.api_url, trust_env=False) as http:
        state = http.get(f"/flow_runs/{foreground.ended_run}").json()["state"]
    assert (state["type"], state["message"]) == (
        "CRASHED", "Execution was cancelled by the runtime environment."
    )  # fmt: skip
    assert foreground.process.wait(timeout=60) == 1
    said = foreground.said
    for number in (1, 2, 3):
        assert f"It is started again in {2 ** (number - 1)} s ({number} of 3).\n" in said
    assert "No module named no_such_module" in said
    assert "It ended 4 times within 5 minutes: the station ends.\n" in said
    assert marked(foreground.state) == []


def test_a_state_folder_of_a_killed_machine(foreground, capsys):
    """After a power cut the record is there and nothing runs."""
    (foreground.state / "station.json").write_text("{}")
    down(foreground.state, say=print)
    assert capsys.readouterr().out == (
        "A station was killed here; nothing of it runs any more. Going on from its state.\n"
    )


def test_a_host_that_is_not_ours(tmp_path):
    with pytest.raises(ConfigError) as refused:
        up(StationSpec("x", tmp_path, tmp_path / ".gare", host="203.0.113.7"), say=print)
    assert (
        refused.value.what
        == "The station cannot listen on 203.0.113.7: Cannot assign requested address."
    )
    assert refused.value.hint == (
        "Set `server.host` in station.yaml to an address of this machine, such as 127.0.0.1."
    )


def test_a_port_held_by_a_program_of_ours(tmp_path):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        with pytest.raises(ConfigError, match=f"^Port {port} is in use by "):
            up(StationSpec("x", tmp_path, tmp_path / ".gare", port=port), say=print)
