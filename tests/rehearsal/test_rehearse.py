"""`gare rehearse` as a release manager types it: the real systems are read and nothing of them changes."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from company import Company, company
from sandbox import descriptions

from gare.errors import StepFailed
from gare.rehearsal.run import rehearse
from gare.requests import ReleaseRequest


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Company]:
    root = tmp_path / "company"
    root.mkdir()
    with company(root) as made:
        yield made


@pytest.fixture
def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a folder of its own for what is thrown away, so that what is left can be seen."""
    folder = tmp_path / "rooms"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def command(shop: Company, *words: str) -> tuple[list[str], dict[str, str]]:
    env = {**os.environ, "GARE_STATION": str(shop.root)}
    for name in ("GARE_TOKEN", "GARE_CONTRACTS"):
        env.pop(name, None)
    if folder := descriptions():
        env["GARE_CONTRACTS"] = str(folder)
    return [sys.executable, "-m", "gare", "rehearse", *words], env


def run(shop: Company, *words: str) -> subprocess.CompletedProcess[str]:
    line, env = command(shop, *words)
    return subprocess.run(line, env=env, capture_output=True, text=True, timeout=240, check=False)


def left(rooms: Path) -> list[str]:
    """Return the folders and the processes that a rehearsal has left."""
    folders = [path.name for path in rooms.iterdir() if path.name.startswith("gare-rehearsal-")]
    lines = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    return [*folders, *(line for line in lines if str(rooms) in line)]


def sent(step: dict[str, Any]) -> list[str]:
    """Return what a step would write, by method and the end of the path."""
    ends = [(one["method"], one["path"].rpartition("/")[2]) for one in step["writes"]]
    return [f"{method} {'ID' if end.isdigit() else end}" for method, end in ends]


@pytest.mark.engine
def test_a_release_is_rehearsed_to_its_end_and_nothing_real_is_changed(shop, rooms):
    before = shop.everything()
    done = run(shop, "shop", "--json")
    assert done.returncode == 0, done.stderr
    assert shop.writes() == []
    assert shop.everything() == before
    assert left(rooms) == []
    story = json.loads(done.stdout)
    assert (story["version"], story["state"]) == ("1.1.0", "released")
    assert {step["id"]: sent(step) for step in story["steps"] if step["writes"]} == {
        "ci": ["POST pipeline"],
        "change-open": ["POST issue"],
        "change-deploying": ["POST transitions"],
        "deploy-production": ["POST deployments"],
        "record-production": ["PUT ID"],
        "gitlab-release": ["POST releases", "POST evidence"],
        "tickets": ["POST version", "PUT SHOP-2", "POST transitions", "POST comment", "PUT ID"],
        "change-released": ["POST transitions"],
    }
    assert story["unplaced"] == []
    others = {step["id"]: step["others"] for step in story["steps"]}
    assert others["migrate"] == ["not rehearsed: `touch ../migrated`"]
    assert others["publish"][0] == "create annotated tag v1.1.0: tag v1.1.0 on origin"
    notes = " ".join(story["notes"])
    assert "the service is not started" in notes
    assert "production is closed: the freeze for-ever" in notes


@pytest.mark.engine
def test_a_release_that_takes_what_a_job_makes_is_rehearsed_though_no_pipeline_has_made_it(
    shop, rooms
):
    shop.configure(
        steps="\n  - {id: ci, type: pipeline, needs: [plan], before: [validate], "
        "artifacts: {package: ['dist/*']}}\n  - {id: test, type: test, skip: true}"
    )
    done = run(shop, "shop", "--json")
    assert done.returncode == 0, done.stderr
    story = json.loads(done.stdout)
    assert story["state"] == "released"
    assert "GitLab: the artifacts of job package are made up" in story["notes"]
    deploy = next(step for step in story["steps"] if step["id"] == "deploy-production")
    assert sent(deploy) == ["POST deployments"]
    assert deploy["others"] == ["switch shop to 1.1.0: production (directory ../production)"]


@pytest.mark.engine
def test_a_release_that_does_not_hold_says_where_and_the_folder_can_be_kept(shop, rooms):
    shop.configure(build='{commands: ["false"], artifacts: [out.txt], sbom: none}')
    done = run(shop, "shop", "--keep")
    assert done.returncode == 1, done.stderr
    assert "build  failed" in done.stdout
    assert "rehearsal of shop 1.1.0: failed" in done.stdout
    (kept,) = rooms.glob("gare-rehearsal-*")
    assert f"kept: {kept}" in done.stdout
    assert (kept / "station.yaml").is_file()
    assert shop.writes() == []


@pytest.mark.engine
def test_ctrl_c_ends_everything_and_removes_the_folder(shop, rooms):
    line, env = command(shop, "shop")
    process = subprocess.Popen(line, env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for told in process.stdout:
            if told.startswith("a throw-away station is up"):
                process.send_signal(signal.SIGINT)
                break
        process.communicate(timeout=90)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert left(rooms) == []
    assert shop.writes() == []


def test_a_project_that_is_not_there_is_told(shop, rooms):
    done = run(shop, "shopp")
    assert done.returncode == 2
    assert "Did you mean `shop`?" in done.stderr
    assert left(rooms) == []


@pytest.mark.parametrize("path", ["*/members/all", "*/project/SHOP/versions"])
def test_a_vendor_that_is_away_is_told_and_nothing_is_left(shop, rooms, path):
    shop.served.fail("status", status=500, path=path, count=None)
    done = run(shop, "shop")
    assert done.returncode == 4
    assert "500" in done.stderr
    assert left(rooms) == []


def test_votes_that_nobody_could_give_are_told_before_anything_is_read(shop, rooms):
    file = shop.root / "station.yaml"
    file.write_text(file.read_text().replace("[qa, operations]", "[qa]"))
    heard: list[str] = []
    with pytest.raises(StepFailed, match="1 of operations would be missing for ever"):
        rehearse(
            shop.gare, ReleaseRequest(project="shop"), heard.append, contracts=None, keeps=False
        )
    assert heard == []
    assert left(rooms) == []
