"""The whole demo, as `make demo` runs it where nobody watches."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from sandbox import descriptions

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]
GARE = [sys.executable, "-P", "-c", "from gare.cli.app import main; main()"]


def _left_running(folder: Path) -> list[str]:
    """Find every process that names the folder, in its words or its environment."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            text = " ".join([*process.cmdline(), *process.environ().values()])
            if (
                process.pid not in own
                and str(folder) in text
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_whole_demo_releases_by_hand_by_train_and_by_hotfix_and_goes_back(tmp_path):
    folder = tmp_path / "demo"
    done = subprocess.run(
        [*GARE, "demo", "--yes", "--folder", str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "GARE_CONTRACTS": str(descriptions() or "")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith(
        "demo: ok  R-1 1.3.0 released, R-2 1.4.0 rolled back, R-3 "
    )
    assert done.stdout.splitlines()[-1].endswith(
        "has arrived, R-6 1.3.1 released, R-7 production is back at 1.3.0"
    )
    assert _left_running(folder) == []
    assert (
        "TEA-12, TEA-13, TEA-14, TEA-15, TEA-18, TEA-20: Done, in 1.3.0 -> Released, in 1.3.0, 1 comment"
        in done.stdout
    )
    assert "as before: TEA-16 (To Do, in 1.3.0), " in done.stdout
    assert "TEA-33: Released, in 1.3.1, 1 comment -> Released, in 1.3.1, 2 comments" in done.stdout

    remote = folder / "remote.git"
    assert _git(remote, "tag", "--list", "v1.[34]*").split() == ["v1.3.0", "v1.3.1"]
    message = _git(remote, "tag", "--list", "--format=%(contents)", "v1.3.0")
    assert "Gare-Release: R-1" in message
    assert "Gare-Ledger: sha256:" in message

    for release in ("R-1", "R-2", "R-3", "R-6", "R-7"):
        file = folder / "evidence" / f"{release}.zip"
        checked = subprocess.run(
            [*GARE, "evidence", "verify", str(file)], capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
    current = (folder / "environments" / "production" / "current").resolve()
    assert json.loads((current / "build.json").read_text())["version"] == "1.3.0"


def test_demo_cut_short_leaves_nothing_running(tmp_path):
    folder = tmp_path / "demo"
    with subprocess.Popen(
        [*GARE, "demo", "--yes", "--folder", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        deadline = time.monotonic() + 120
        while not list(folder.glob("environments/staging/current/build.json")):
            assert demo.poll() is None, demo.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        demo.send_signal(signal.SIGINT)
        said = demo.stdout.read()
    assert demo.returncode == 130, said
    assert said.splitlines()[-1] == "demo: interrupted; nothing is left running"
    assert _left_running(folder) == []


def test_folder_that_is_no_demo_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    done = subprocess.run(
        [*GARE, "demo", "--folder", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == (
        "demo: failed  This folder exists and is no demo of ours; it is left alone."
    )
    assert (tmp_path / "thesis.txt").exists()
