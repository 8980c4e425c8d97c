"""One process under the supervisor: what it says at its end, how often it comes back, that it never outlives us."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from deployments.child import RESTARTS, Child, Program, spell_exit
from deployments.processes import MARK_VARIABLE, end, find, marked
from gare.station_state import Process, StateFolder


@pytest.fixture
def folder(tmp_path):
    made = StateFolder(tmp_path.resolve() / ".gare")
    made.prepare()
    (made.worker / "says.py").write_text(
        "raise SystemExit('never run: it is in the working folder')"
    )
    return made


def child_of(folder: StateFolder, script: str, modules: Path) -> Child:
    modules.mkdir(exist_ok=True)
    (modules / "says.py").write_text(script)
    env = {**os.environ, "PYTHONPATH": str(modules), "PYTHONSAFEPATH": "1"}
    child = Child(
        Program("says", "The sayer", ("says",)), folder, env | {MARK_VARIABLE: str(folder.root)}
    )
    child.start()
    return child


def wait_for_end(child: Child) -> None:
    deadline = time.monotonic() + 20
    while child.exit_code is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_says_how_it_ended_with_the_last_lines_since_its_start(folder, tmp_path):
    folder.log("says").write_text("of an earlier station\n")
    child = child_of(
        folder, "for n in range(30): print('line', n)\nraise SystemExit(7)", tmp_path / "m"
    )
    wait_for_end(child)
    assert (
        child.how_it_ended(2)
        == "The sayer ended (exit code 7). It said last:\n  | line 28\n  | line 29\n"
    )
    assert child.last_lines(100) == [f"line {n}" for n in range(30)]


def test_a_child_without_a_word(folder, tmp_path):
    child = child_of(
        folder, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", tmp_path / "m"
    )
    wait_for_end(child)
    assert child.how_it_ended() == "The sayer ended (killed by SIGKILL)."


def test_it_comes_back_three_times_with_growing_waits(folder):
    child = Child(Program("x", "X", ("x",)), folder, {})
    assert [child.restart_later() for _ in range(RESTARTS + 1)] == [
        (1, 1.0),
        (2, 2.0),
        (3, 4.0),
        None,
    ]


def test_it_ends_when_its_supervisor_is_killed(folder, tmp_path):
    """A supervisor (here: a script) that dies by SIGKILL takes its children along."""
    script = (
        "import sys; from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from test_child import child_of\n"
        "from gare.station_state import StateFolder\n"
        "child = child_of(StateFolder(Path(sys.argv[2])), 'import time; time.sleep(600)', Path(sys.argv[3]))\n"
        "print(child.process.pid, flush=True); sys.stdin.read()\n"
    )
    supervisor = subprocess.Popen(
        [
            sys.executable,
            "-c",
            script,
            str(Path(__file__).parent),
            str(folder.root),
            str(tmp_path / "m"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    orphan = psutil.Process(int(supervisor.stdout.readline()))
    supervisor.kill()
    supervisor.communicate()
    gone, _ = psutil.wait_procs([orphan], timeout=5)
    assert gone or orphan.status() == psutil.STATUS_ZOMBIE


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_ignored_signals_are_not_inherited(folder, tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = child_of(
            folder,
            "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)",
            tmp_path / "m",
        )
        wait_for_end(child)
    finally:
        signal.signal(signal.SIGINT, before)
    assert child.last_lines(1) == ["True"]


def test_everything_of_a_station_is_found_and_ended(folder, tmp_path):
    script = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "print('started', flush=True); time.sleep(600)\n"
    )
    child = child_of(folder, script, tmp_path / "m")
    while child.last_lines(1) != ["started"]:
        time.sleep(0.05)
    found = marked(folder.root)
    assert len(found) == 2
    end(found, grace_s=0.3)
    wait_for_end(child)
    assert marked(folder.root) == []


def test_a_second_request_cuts_the_grace_time_short(folder, tmp_path):
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('started', flush=True); time.sleep(600)"
    )
    child = child_of(folder, script, tmp_path / "m")
    while child.last_lines(1) != ["started"]:
        time.sleep(0.05)
    before = time.monotonic()
    end([child.process], grace_s=60, hurry=lambda: time.monotonic() - before > 0.2)
    wait_for_end(child)
    assert child.how_it_ended(0).startswith("The sayer ended (killed by SIGKILL)")
    assert time.monotonic() - before < 10


def test_a_later_process_with_the_same_id_is_another_one():
    me = psutil.Process()
    assert find(Process("me", me.pid, me.create_time())) == me
    assert find(Process("before me", me.pid, me.create_time() - 60)) is None


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit code 0"),
        (1, "exit code 1"),
        (-15, "killed by SIGTERM"),
        (-99, "killed by signal 99"),
        (None, "unknown"),
    ],
)
def test_exit_codes_in_words(code, words):
    assert spell_exit(code) == words
