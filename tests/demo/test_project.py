"""The demo's project is a real one: the same history everywhere, and it works without Gare."""

import json
import os
import socket
import subprocess
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from urllib.request import urlopen

import pytest

from gare.config.loader import load_station
from gare.demo.history import HISTORY, HOTFIX, NEXT, tree_at
from gare.demo.project import Demo, Ports, claim, commit_more, free_ports, make_demo, remote_tag
from gare.demo.vendors import served
from gare.errors import Conflict
from gare.requests import ReleaseRequest
from gare.wiring import Gare


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Iterator[Demo]:
    with free_ports() as ports:
        yield make_demo(tmp_path_factory.mktemp("shown") / "demo", ports)


@pytest.fixture
def outside() -> dict[str, str]:
    """What the project's commands see: the machine's Python, nothing of Gare's."""
    own = str(Path(os.sys.prefix, "bin"))
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if part != own)
    return {"PATH": path, "HOME": os.environ.get("HOME", "/")}


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _run(folder: Path, env: dict[str, str], *words: str) -> str:
    done = subprocess.run(["python3", *words], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_same_history_each_time(tmp_path):
    one, other = (make_demo(tmp_path / name, Ports()) for name in ("one", "other"))
    assert one.head == other.head
    assert commit_more(one, NEXT) == commit_more(other, NEXT)


def test_history_is_that_of_several_people_with_a_merge_and_earlier_releases(demo):
    log = _git(demo.repository, "log", "--format=%an", "HEAD").splitlines()
    assert len(log) == len(HISTORY) == 22
    assert set(log) == {"Dora Lindqvist", "Emil Novak", "Fatou Diop"}
    assert _git(demo.repository, "rev-list", "--merges", "--count", "HEAD") == "1"
    assert _git(demo.repository, "describe", "--abbrev=0") == "v1.2.0"
    assert _git(demo.repository, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    "commit", [*HISTORY, *NEXT, *HOTFIX], ids=lambda commit: str(commit.number)
)
def test_every_commit_changes_something_and_holds_code(commit):
    tree = tree_at(commit.number)
    assert all("#@" not in text for text in tree.values())
    assert all(tree != tree_at(parent) for parent in commit.parents)
    for path, text in tree.items():
        if path.endswith(".py"):
            compile(text, path, "exec")


def test_tests_run_outside_gare_and_report(demo, outside):
    said = _run(demo.repository, outside, "tools/run_tests.py")
    assert "OK" in said
    suite = ElementTree.parse(demo.repository / "reports" / "junit.xml").getroot()
    assert int(suite.get("tests")) >= 20
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")
    coverage = ElementTree.parse(demo.repository / "reports" / "coverage.xml").getroot()
    assert float(coverage.get("line-rate")) > 0.75


def test_a_failing_test_is_reported_and_fails_the_run(tmp_path, outside):
    repository = make_demo(tmp_path / "demo", Ports()).repository
    (repository / "teashop" / "prices.py").write_text(
        "def price_text(cents):\n    return ''\nprice_for = max\n"
    )
    done = subprocess.run(
        ["python3", "tools/run_tests.py"], cwd=repository, env=outside, capture_output=True
    )
    suite = ElementTree.parse(repository / "reports" / "junit.xml").getroot()
    assert done.returncode == 1
    assert int(suite.get("failures")) >= 2


def test_build_is_reproducible_and_knows_its_version(demo, outside):
    env = {**outside, "GARE_VERSION": "1.3.0", "GARE_COMMIT": demo.head}
    archive = demo.repository / "dist" / "teashop-1.3.0.tar.gz"
    _run(demo.repository, env, "tools/build.py")
    first = archive.read_bytes()
    _run(demo.repository, env, "tools/build.py")
    assert archive.read_bytes() == first
    with tarfile.open(archive) as tar:
        assert json.load(tar.extractfile("build.json")) == {"version": "1.3.0", "commit": demo.head}
        assert "ops/serve.py" in tar.getnames()


def test_the_shop_serves_restarts_and_stops(demo, outside, tmp_path):
    _run(demo.repository, {**outside, "GARE_VERSION": "9.9.9"}, "tools/build.py")
    with tarfile.open(demo.repository / "dist" / "teashop-9.9.9.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    port = demo.ports.staging
    (tmp_path / "settings.json").write_text(json.dumps({"port": port}))
    try:
        _run(tmp_path, outside, "-B", "ops/serve.py", "start")
        first = (tmp_path / "run" / "teashop.pid").read_text()
        _run(tmp_path, outside, "-B", "ops/serve.py", "restart")
        assert (tmp_path / "run" / "teashop.pid").read_text() != first
        with urlopen(f"http://127.0.0.1:{port}/version", timeout=5) as reply:
            assert json.load(reply)["version"] == "9.9.9"
    finally:
        _run(tmp_path, outside, "-B", "ops/serve.py", "stop")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_the_plan_is_1_3_0_and_tells_what_does_not_match_in_jira(demo):
    with served(demo):
        _, plan = Gare(load_station(demo.folder)).drafting.make(ReleaseRequest(project="teashop"))
    assert (plan.version, plan.previous_version, plan.bump) == ("1.3.0", "1.2.0", "minor")
    assert {
        ticket.key: ticket.verdict for ticket in plan.tickets if ticket.verdict != "matched"
    } == {
        "TEA-16": "planned without code",
        "TEA-17": "reopened",
        "TEA-26": "code without ticket",
    }
    # No commit names TEA-19: the merge request that brought one does.
    assert "TEA-19" in {ticket.key for ticket in plan.tickets}
    assert "1 commit names no ticket" in plan.warnings
    assert [(rule.environment, rule.groups) for rule in plan.approvals] == [
        ("production", {"qa": 1, "operations": 1})
    ]


def test_the_next_version_is_pushed(tmp_path):
    demo = make_demo(tmp_path / "demo", Ports())
    head = commit_more(demo, NEXT)
    assert _git(demo.remote, "rev-parse", "main") == head
    assert _git(demo.repository, "status", "--porcelain") == ""


def test_the_fix_is_on_a_branch_of_its_own_without_what_came_after(tmp_path):
    demo = make_demo(tmp_path / "demo", Ports())
    commit_more(demo, NEXT)
    fix = commit_more(demo, HOTFIX, "fix-prices", demo.head)
    assert _git(demo.remote, "rev-parse", "fix-prices~1") == demo.head
    assert _git(demo.remote, "rev-parse", "fix-prices") == fix
    assert _git(demo.repository, "branch", "--show-current") == "main"
    assert _git(demo.remote, "diff", "--stat", "fix-prices~1", "fix-prices").endswith(
        "1 file changed, 1 insertion(+)"
    )


def test_a_tag_that_is_not_there_is_empty(demo):
    assert remote_tag(demo, "v1.3.0") == ("", "")
    assert remote_tag(demo, "v1.2.0")[0] == _git(demo.remote, "rev-parse", "v1.2.0^{commit}")


def test_somebody_elses_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(Conflict) as refused:
        claim(tmp_path, is_fresh=True)
    assert str(refused.value) == (
        f"This folder exists and is no demo of ours; it is left alone. ({tmp_path}) "
        "Name another folder: `gare demo --folder DIR`."
    )
    assert (tmp_path / "thesis.txt").exists()


def test_an_earlier_demo_is_replaced_only_when_asked(tmp_path):
    folder = make_demo(tmp_path / "demo", Ports()).folder
    with pytest.raises(Conflict, match="An earlier demo is kept here"):
        claim(folder, is_fresh=False)
    claim(folder, is_fresh=True)
    assert not folder.exists()


def test_two_demos_at_once_take_different_ports():
    with free_ports() as one, free_ports() as other:
        assert set(astuple(one)).isdisjoint(astuple(other))
