"""`gare up`, `gare down` and `gare doctor` as a person calls them, with the real server, worker and reconciler."""

import json
import os
import re
import socket
import subprocess
import sys

import httpx
import pytest

from deployments.processes import marked
from gare.station_state import running

PROJECT = """\
name: shop
source: {type: git, path: ../../shop, remote: ''}
env: [SHOP_NOT_SET]
build: {commands: ["python3 build.py", "./gradlew build", "no-such-tool --all"]}
"""


def gare(root, *words, timeout=120, **env):
    """Run the real command line in the station's folder."""
    clean = {name: value for name, value in os.environ.items() if name != "GARE_STATION"}
    return subprocess.run(
        [sys.executable, "-c", "from gare.cli.app import main; main()", *words],
        capture_output=True, text=True, env={**clean, **env}, cwd=root, stdin=subprocess.DEVNULL, timeout=timeout,
        check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A station with one project, not up."""
    folder = tmp_path_factory.mktemp("cli").resolve()
    station, shop = folder / "station", folder / "shop"
    (station / "projects").mkdir(parents=True)
    (station / "station.yaml").write_text("name: test\nserver: {port: 0}\ngateway: {port: 0}\n")
    (station / "projects" / "shop.yaml").write_text(PROJECT)
    shop.mkdir()
    for words in (
        ("init", "-q", "-b", "main"),
        ("config", "user.name", "E"),
        ("config", "user.email", "e@example.org"),
        ("commit", "-q", "--allow-empty", "-m", "feat: first"),
    ):
        subprocess.run(["git", *words], cwd=shop, check=True)
    yield station
    gare(station, "down")


def test_without_a_station(tmp_path):
    for command in ("up", "down"):
        done = gare(tmp_path, command)
        assert done.returncode == 2
        assert done.stderr == (
            "gare: error: There is no station.yaml here or in any folder above.\n"
            f"  where: {tmp_path}\n"
            "  hint: Make one with `gare init` in a repository, or name the station's folder: `gare --station DIR …`.\n"
        )


def test_down_when_nothing_is_up(root):
    done = gare(root, "down")
    assert (done.returncode, done.stdout, done.stderr) == (0, "No station is up here.\n", "")


def test_port_in_use(root, tmp_path):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        for section, other in (("server", "gateway"), ("gateway", "server")):
            station = f"name: other\n{section}: {{port: {port}}}\n{other}: {{port: 0}}\n"
            (tmp_path / "station.yaml").write_text(station)
            for words in (("up",), ("up", "--detach")):
                done = gare(tmp_path, *words)
                assert done.returncode == 2
                assert re.fullmatch(
                    rf"gare: error: Port {port} is in use by \S+ \(process {os.getpid()}\)\.\n"
                    rf"  where: 127\.0\.0\.1:{port}\n"
                    rf"  hint: End that program, or set another `{section}\.port` in station\.yaml "
                    r"\(0 takes a free one\)\.\n",
                    done.stderr,
                )
    assert running(tmp_path / ".gare") is None


def test_doctor_while_the_station_is_down(root):
    done = gare(root, "doctor")
    lines = done.stdout.splitlines()
    assert "ok    Station `test` in " + str(root) in lines
    assert "ok    Projects: shop" in lines
    assert "warn  The station is not up  - `gare up` starts it." in lines
    assert "ok    shop: repository ../../shop" in lines
    assert (
        "fail  shop: not on PATH: no-such-tool  - Install them, or correct the commands in gare.yaml."
        in lines
    )
    assert (
        "warn  shop: not set here: SHOP_NOT_SET  - Set them where `gare up` is started, or take them out of `env`."
        in lines
    )
    assert done.returncode == 1
    assert all(re.match(r"(ok  |warn|fail)  \S", line) for line in lines)


@pytest.mark.engine
def test_up_detached_doctor_and_down(root):
    up = gare(root, "up", "--detach")
    assert (up.returncode, up.stderr) == (0, "")
    record = running(root / ".gare")
    assert f"Prefect UI: {record.ui_url}\n" in up.stdout
    assert f"Gateway: {record.gateway_url}\n" in up.stdout
    children = {child.name for child in record.children}
    assert children == {"server", "worker", "gateway", "reconciler"}

    again = gare(root, "up")
    assert again.returncode == 3
    assert again.stderr == (
        f"gare: error: A station is up here already: {record.ui_url}\n"
        f"  where: process {record.supervisor.pid}, state in {root / '.gare'}\n"
        "  hint: Use it, or end it with `gare down`.\n"
    )

    (root / "projects" / "shop.yaml").write_text(
        PROJECT.replace(', "no-such-tool --all"', "").replace("SHOP_NOT_SET", "PATH")
    )
    doctor = gare(root, "doctor", "--json")
    checks = {check["what"]: check["status"] for check in json.loads(doctor.stdout)}
    assert checks[f"Prefect server {record.ui_url}"] == "ok"
    assert checks[f"Gateway {record.gateway_url}"] == "ok"
    assert checks["Worker test-worker"] == "ok"
    assert checks["Deployment release/gare"] == "ok"
    assert checks["shop: tools python3"] == "ok"
    assert "fail" not in checks.values()
    assert doctor.returncode == 0

    pool = f"{record.api_url}/work_pools/gare"
    httpx.patch(pool, json={"is_paused": True}, trust_env=False).raise_for_status()
    told = "warn  The work pool gare is paused: no run starts  - Resume it in the UI: Work Pools."
    assert told in gare(root, "doctor").stdout.splitlines()

    down = gare(root, "down")
    assert (down.returncode, down.stderr) == (0, "")
    assert down.stdout.endswith("The station has ended; nothing of it runs any more.\n")
    assert marked(root / ".gare") == []
    assert running(root / ".gare") is None
