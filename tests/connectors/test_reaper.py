"""When Gare dies, by any cause, its commands die; services it started live."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="process groups are POSIX")

GARE = """
import sys, threading
from pathlib import Path
from gare.connectors.process import allowed_env, run
folder = Path(sys.argv[1])
def go(script, **more):
    run(["sh", "-c", script], cwd=folder, env=allowed_env(), timeout_s=300, log=folder / "log", say=print, **more)
go("sleep 300 & echo $! > service", background=folder / "service.log")
threading.Thread(target=go, args=("sleep 300 & echo $! > inside; exec sleep 300",), daemon=True).start()
%s
print("ready", flush=True)
threading.Event().wait(100) if len(sys.argv) < 3 else None
"""
ESCAPED = """
import subprocess
threading.Thread(target=go, args=("setsid sh -c 'echo $$ > escaped; exec sleep 300' & sleep 300",), daemon=True).start()
while not (folder / "escaped").exists(): pass
"""


def is_running(folder: Path, name: str) -> bool:
    try:
        return psutil.Process(int((folder / name).read_text())).status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, FileNotFoundError, ValueError):
        return False


def wait_until(happens: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and not happens():
        time.sleep(0.02)
    return happens()


def start(folder: Path, extra: str, *arguments: str) -> subprocess.Popen[str]:
    gare = subprocess.Popen(
        [sys.executable, "-c", GARE % extra, str(folder), *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert gare.stdout is not None
    assert gare.stdout.readline() == "ready\n"
    assert wait_until(lambda: is_running(folder, "inside") or gare.poll() is not None)
    return gare


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_commands_die_with_gare_and_services_live(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path, "") as gare:
        gare.send_signal(number)
        gare.wait(10)
    assert wait_until(lambda: not is_running(tmp_path, "inside"))
    assert is_running(tmp_path, "service")
    os.kill(int((tmp_path / "service").read_text()), signal.SIGKILL)


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="found by their environment in /proc"
)
def test_a_process_that_left_its_group_dies_with_gare(tmp_path: Path) -> None:
    with start(tmp_path, ESCAPED) as gare:
        gare.kill()
    assert wait_until(lambda: not is_running(tmp_path, "escaped"))
    os.kill(int((tmp_path / "service").read_text()), signal.SIGKILL)


def test_commands_die_when_gare_ends_normally(tmp_path: Path) -> None:
    wait = "import time\nwhile not (folder / 'inside').exists(): time.sleep(0.01)"
    with start(tmp_path, wait, "end") as gare:
        assert gare.wait(10) == 0
    assert wait_until(lambda: not is_running(tmp_path, "inside"))
    os.kill(int((tmp_path / "service").read_text()), signal.SIGKILL)


def test_the_guardian_ends_with_gare(tmp_path: Path) -> None:
    with start(tmp_path, "") as gare:
        guardians = [
            child.pid
            for child in psutil.Process(gare.pid).children()
            if "reaper.py" in " ".join(child.cmdline())
        ]
        assert len(guardians) == 1
        gare.kill()
    assert wait_until(
        lambda: (
            not psutil.pid_exists(guardians[0]) or psutil.Process(guardians[0]).status() == "zombie"
        )
    )
    os.kill(int((tmp_path / "service").read_text()), signal.SIGKILL)
