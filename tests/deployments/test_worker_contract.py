"""What a worker must do for a run, the same for both kinds: on a real server, one after the other in the same pool."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from deployments.processes import MARK_VARIABLE, end, marked
from deployments.seed import plant
from deployments.spec import StationSpec, child_env, programs
from deployments.supervisor import worker_seen

SAMPLE = Path(__file__).parent / "sample"
LIMIT = 2

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(sys.platform != "linux", reason="both kinds exist on Linux only"),
]


def eventually(is_so: Callable[[], object], timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.05)


class Site:
    """A server with the sample catalogue; workers come and go."""

    def __init__(self, root: Path, port: int) -> None:
        self.root, self.port = root, port
        self.flows = root / "flows"
        self.flows.mkdir()
        shutil.copy(SAMPLE / "contract_flows.py", self.flows)
        self.worker: psutil.Popen | None = None
        self.kind = ""
        self.suspended: dict[str, tuple[str, Path]] = {}
        self.spec("warm").folder.prepare()
        self.api: object = None

    def spec(self, kind: str) -> StationSpec:
        return StationSpec(
            "contract", self.root, self.root / ".gare", port=self.port, worker=kind,
            catalog="contract_flows:CATALOG", worker_limit=LIMIT,
        )  # fmt: skip

    @property
    def state(self) -> Path:
        return self.root / ".gare"

    def launch(self, name: str, kind: str = "warm") -> psutil.Popen:
        spec = self.spec(kind)
        program = next(program for program in programs(spec) if program.name == name)
        env = child_env(spec) | {"PYTHONPATH": str(self.flows)}
        with self.log(name).open("ab") as log:
            return psutil.Popen(
                [sys.executable, "-m", "deployments.launch", *program.options, *program.words],
                cwd=spec.folder.worker, env=env, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def log(self, name: str) -> Path:
        return self.spec("warm").folder.log(name)

    def start_worker(self, kind: str) -> None:
        since = datetime.now(UTC)
        self.kind, self.worker = kind, self.launch("worker", kind)
        spec = self.spec(kind)
        eventually(lambda: worker_seen(spec.base_url, spec.worker_name, since))

    def run(self, folder: Path, word: str, mode: str = "report", **more: object) -> str:
        deployment = self.api.call("GET", "/deployments/name/contract/gare").json()["id"]
        parameters = {"request": {"word": word, "mode": mode, "folder": str(folder)}}
        path = f"/deployments/{deployment}/create_flow_run"
        made = self.api.call("POST", path, {"parameters": parameters, **more})
        assert made.status_code == 201, made.text
        return made.json()["id"]

    def is_over(self, run: str, timeout_s: float = 120) -> str:
        ends = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        return self.api.wait(run, *ends, timeout_s=timeout_s)

    def states(self, run: str) -> list[str]:
        found = self.api.call("GET", f"/flow_run_states/?flow_run_id={run}").json()
        return [state["type"] for state in sorted(found, key=lambda state: state["timestamp"])]

    def set_state(self, run: str, **state: str) -> None:
        body = {"state": state, "force": True}
        self.api.call("POST", f"/flow_runs/{run}/set_state", body)

    def worker_is_done_with(self, run: str) -> None:
        """Wait for the worker's last word about a run's process."""
        body = {"limit": 50, "filter": {
            "event": {"name": ["prefect.worker.executed-flow-run"]},
            "any_resource": {"id": [f"prefect.flow-run.{run}"]},
        }}  # fmt: skip
        eventually(lambda: self.api.call("POST", "/events/filter", body).json()["events"])


@pytest.fixture(scope="module")
def site(tmp_path_factory, connect) -> Iterator[Site]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    site = Site(tmp_path_factory.mktemp("contract").resolve(), port)
    spec = site.spec("warm")
    plant(spec.folder)
    server, apply = site.launch("server"), site.launch("apply")
    try:
        assert apply.wait(timeout=120) == 0, site.log("apply").read_text()
        site.api = connect(f"{spec.base_url}/api")
        yield site
        site.api.http.close()
    finally:
        if site.worker:
            site.worker.terminate()
            site.worker.wait(timeout=30)
        server.terminate()
        server.wait(timeout=30)
        left = marked(site.state)
        end(left)


@pytest.fixture(scope="module", params=["warm", "stock"])
def worker(site: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    site.start_worker(request.param)
    yield site
    site.worker.terminate()
    site.worker.wait(timeout=30)
    site.worker = None


def read(folder: Path, word: str) -> dict:
    return json.loads((folder / f"{word}.json").read_text())


def pid_in(file: Path) -> int:
    eventually(lambda: file.exists() and file.read_text().strip())
    return int(file.read_text())


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_run_has_its_environment_and_folder_and_nothing_of_another(worker, tmp_path):
    only_one = {"job_variables": {"env": {"ONLY_ONE": "yes", "PREFECT_LOGGING_LEVEL": "DEBUG"}}}
    runs = {"one": worker.run(tmp_path, "one", **only_one), "two": worker.run(tmp_path, "two")}
    assert [worker.is_over(run) for run in runs.values()] == ["COMPLETED"] * 2
    one, two = read(tmp_path, "one"), read(tmp_path, "two")
    for word, seen in (("one", one), ("two", two)):
        assert seen["env"]["PREFECT__FLOW_RUN_ID"] == runs[word]
        assert seen["env"][MARK_VARIABLE] == str(worker.state)
        assert seen["env"]["GARE_STATION"] == str(worker.root)
        assert "PREFECT__CONTROL_TOKEN" not in seen["env"]
        assert seen["cwd"] == str(worker.state / "worker")
        assert not seen["in_path"]
        assert "_prefect_sigterm_handler" in seen["term"]
        assert seen["child"] == "0"  # SIG_DFL
    assert one["env"]["ONLY_ONE"] == "yes"
    assert {*one["env"]} - {*two["env"]} == {"ONLY_ONE"} | (
        {"PREFECT_LOGGING_LEVEL"} - {*two["env"]}
    )
    assert not {*one["chance"]} & {*two["chance"]}
    # The output is where that of the stock worker is, and the level of one run is not the other's.
    for line in ("one says so", "one complains", "two says so", "| DEBUG   |"):
        eventually(lambda line=line: line in worker.log("worker").read_text())


def test_a_run_is_forked_by_the_warm_worker_only(worker, tmp_path):
    assert worker.is_over(worker.run(tmp_path, "made")) == "COMPLETED"
    is_forked = read(tmp_path, "made")["parent"][:1] == ["deployments.zygote"]
    assert is_forked == (worker.kind == "warm")


def test_a_flow_that_raises_has_failed(worker, tmp_path):
    run = worker.run(tmp_path, "sad", "fail")
    assert worker.is_over(run) == "FAILED"
    state = worker.api.call("GET", f"/flow_runs/{run}").json()["state"]
    assert "as it was told" in state["message"]


def test_an_exit_code_is_told(worker, tmp_path):
    run = worker.run(tmp_path, "gone", "exit")
    assert worker.is_over(run) == "CRASHED"
    state = worker.api.call("GET", f"/flow_runs/{run}").json()["state"]
    assert "status code: 7" in state["message"] or "status code 7" in state["message"]


def test_a_cancelled_run_ends_with_its_commands(worker, tmp_path):
    run = worker.run(tmp_path, "stop", "command")
    pid, command = pid_in(tmp_path / "stop.pid"), pid_in(tmp_path / "stop.command")
    worker.set_state(run, type="CANCELLING")
    assert worker.is_over(run) == "CANCELLED"
    eventually(lambda: not is_running(pid) and not is_running(command))


def test_a_killed_run_is_crashed_and_comes_back_as_the_same_run(worker, tmp_path):
    run = worker.run(tmp_path, "again", "die once")
    assert worker.is_over(run) == "CRASHED"
    if worker.kind == "stock":  # its second report would hit the next attempt
        worker.worker_is_done_with(run)
    worker.set_state(run, type="SCHEDULED", name="AwaitingRetry")
    eventually((tmp_path / "again.json").exists)
    assert worker.is_over(run) == "COMPLETED"
    assert read(tmp_path, "again")["env"]["PREFECT__FLOW_RUN_ID"] == run


def test_a_crash_is_reported_once_by_the_warm_worker(worker, tmp_path):
    run = worker.run(tmp_path, "once", "exit")
    assert worker.is_over(run) == "CRASHED"
    worker.worker_is_done_with(run)
    times = worker.states(run).count("CRASHED")
    assert times == 1 if worker.kind == "warm" else times >= 1


def test_a_suspended_run_has_no_process_and_goes_on(worker, tmp_path):
    run = worker.run(tmp_path, "asked", "ask")
    worker.api.wait(run, "PAUSED")
    pid = pid_in(tmp_path / "asked.pid")
    eventually(lambda: not is_running(pid))
    resume = {"run_input": {"say": "yes"}}
    assert worker.api.call("POST", f"/flow_runs/{run}/resume", resume).json()["status"] == "ACCEPT"
    assert worker.is_over(run) == "COMPLETED"
    assert read(tmp_path, "asked")["answer"] == "yes"
    assert read(tmp_path, "asked")["pid"] != pid


def test_the_end_of_a_run_is_not_the_end_of_another_ones_commands(worker, tmp_path):
    runs = [worker.run(tmp_path, word, "command") for word in ("left", "right")]
    left, right = (pid_in(tmp_path / f"{word}.command") for word in ("left", "right"))
    os.kill(pid_in(tmp_path / "left.pid"), signal.SIGKILL)
    assert worker.is_over(runs[0]) == "CRASHED"
    eventually(lambda: not is_running(left))
    assert is_running(right)
    (tmp_path / "right.go").touch()
    assert worker.is_over(runs[1]) == "COMPLETED"


def test_no_more_runs_at_once_than_allowed(worker, tmp_path):
    words = [f"w{number}" for number in range(LIMIT + 1)]
    runs = [worker.run(tmp_path, word, "wait") for word in words]
    eventually(lambda: len(list(tmp_path.glob("*.pid"))) == LIMIT)
    last = next(word for word in words if not (tmp_path / f"{word}.pid").exists())
    assert worker.api.state(runs[words.index(last)]) == "SCHEDULED"
    for word in words:
        (tmp_path / f"{word}.go").touch()
    assert {worker.is_over(run) for run in runs} == {"COMPLETED"}


def test_a_run_goes_on_after_its_worker_was_killed(worker, tmp_path):
    run = worker.run(tmp_path, "orphan", "wait")
    pid = pid_in(tmp_path / "orphan.pid")
    worker.api.wait(run, "RUNNING")
    worker.worker.kill()
    worker.worker.wait()
    (tmp_path / "orphan.go").touch()
    assert worker.is_over(run) == "COMPLETED"
    eventually(lambda: not is_running(pid))
    worker.start_worker(worker.kind)
    assert worker.is_over(worker.run(tmp_path, "next")) == "COMPLETED"


def test_a_run_does_not_outlive_the_proper_end_of_its_worker(worker, tmp_path):
    late = worker.run(tmp_path, "late", "command")
    command, run = pid_in(tmp_path / "late.command"), pid_in(tmp_path / "late.pid")
    worker.api.wait(late, "RUNNING")
    tree = worker.worker.children(recursive=True)
    worker.worker.terminate()
    worker.worker.wait(timeout=60)
    eventually(lambda: not is_running(run) and not is_running(command))
    eventually(lambda: not any(is_running(process.pid) for process in tree))
    if (
        worker.kind == "stock"
    ):  # it kills its runs outright: nobody records their end, and they hold their places
        worker.set_state(late, type="CRASHED")
    assert worker.is_over(late) == "CRASHED"
    worker.start_worker(worker.kind)


def test_a_run_suspended_under_one_kind_wakes_under_the_other(worker, tmp_path):
    for run, folder in worker.suspended.values():
        worker.api.call("POST", f"/flow_runs/{run}/resume", {"run_input": {"say": "no"}})
        assert worker.is_over(run) == "COMPLETED"
        assert read(folder, "slow")["answer"] == "no"
    run = worker.run(tmp_path, "slow", "ask")
    worker.api.wait(run, "PAUSED")
    worker.suspended[worker.kind] = (run, tmp_path)


warm_only = pytest.mark.parametrize("worker", ["warm"], indirect=True)


def zygote_of(site: Site) -> psutil.Process | None:
    children = site.worker.children()
    return next((c for c in children if c.cmdline()[3:4] == ["deployments.zygote"]), None)


@warm_only
def test_what_is_installed_anew_is_used_by_the_next_run(worker, tmp_path):
    assert worker.is_over(worker.run(tmp_path, "old")) == "COMPLETED"
    before = zygote_of(worker).pid
    running = worker.run(tmp_path, "under", "wait")
    pid_in(tmp_path / "under.pid")
    source = worker.flows / "contract_flows.py"
    source.write_text(source.read_text().replace('EDITION = "first"', 'EDITION = "second"'))
    assert worker.is_over(worker.run(tmp_path, "new")) == "COMPLETED"
    assert [read(tmp_path, word)["edition"] for word in ("old", "new")] == ["first", "second"]
    (tmp_path / "under.go").touch()
    assert worker.is_over(running) == "COMPLETED"
    eventually(lambda: not is_running(before))  # it has stayed for its last run


@warm_only
def test_a_run_goes_on_after_its_zygote_was_killed(worker, tmp_path):
    run = worker.run(tmp_path, "half", "wait")
    pid_in(tmp_path / "half.pid")
    worker.api.wait(run, "RUNNING")
    zygote_of(worker).kill()
    assert worker.is_over(worker.run(tmp_path, "other")) == "COMPLETED"
    (tmp_path / "half.go").touch()
    assert worker.is_over(run) == "COMPLETED"
    assert "CRASHED" not in worker.states(run)


@warm_only
@pytest.mark.parametrize(
    "job",
    [
        {"command": f"{sys.executable} -m prefect.engine"},
        {"env": {"PYTHONHASHSEED": "7"}},
    ],
)
def test_what_cannot_be_forked_is_started_as_the_stock_worker_does(worker, tmp_path, job):
    assert worker.is_over(worker.run(tmp_path, "plain", job_variables=job)) == "COMPLETED"
    seen = read(tmp_path, "plain")
    assert seen["parent"][:1] != ["deployments.zygote"]
    assert seen["env"].get("PYTHONHASHSEED") == job.get("env", {}).get("PYTHONHASHSEED")


@warm_only
def test_a_worker_that_cannot_fork_starts_runs_one_by_one(worker, tmp_path):
    """A thread in the zygote could hold a lock for ever in every child."""
    source = worker.flows / "contract_flows.py"
    good = source.read_text()
    source.write_text(
        good + "\nimport threading\n"
        "threading.Thread(target=threading.Event().wait, name='idler', daemon=True).start()\n"
    )
    assert worker.is_over(worker.run(tmp_path, "threaded")) == "COMPLETED"
    assert read(tmp_path, "threaded")["parent"][:1] != ["deployments.zygote"]
    said = worker.log("worker").read_text()
    assert (
        "Runs are started one by one, which takes longer: "
        "there are other threads than the main one: idler." in said
    )
    source.write_text(good)
    assert worker.is_over(worker.run(tmp_path, "mended")) == "COMPLETED"
    assert read(tmp_path, "mended")["parent"][:1] == ["deployments.zygote"]
