"""A seeded part of the crash matrix on a real station, and the proof that it sees what goes wrong."""

import json
import random
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from comparing import Trouble, compare
from matrix import Matrix
from receiver import Receiver, receiving
from runs import Point, Run
from scenarios import SCENARIOS
from stationing import CrashStation, Kill
from vendors import vendors_served

RELEASED = next(scenario for scenario in SCENARIOS if scenario.name == "released")
SEED = 20


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Matrix]:
    root = tmp_path_factory.mktemp("crash") / "station"
    with ExitStack() as stack:
        vendors = stack.enter_context(vendors_served())
        station = CrashStation(
            root, ledger="", worker="warm", jobs=5, connections=vendors.connections()
        )
        stack.callback(station.stop)
        station.start()
        yield Matrix(station, receiver, vendors, jobs=5, is_keeping=True, say=print)


@pytest.fixture(scope="module")
def points(matrix: Matrix):
    return matrix.list_points([RELEASED])


@pytest.mark.timeout(900)
def test_killed_anywhere_a_release_ends_as_if_nothing_had_happened(matrix, points):
    chosen = random.Random(SEED).sample(sorted(points), len(Kill))
    kill_well(matrix, list(zip(chosen, Kill, strict=True)))


@pytest.mark.timeout(900)
def test_killed_anywhere_rollbacks_hotfixes_trains_and_hosted_releases_end_alike(matrix):
    others = [one for one in SCENARIOS if one.name in ("taken back", "fixed", "departed", "hosted")]
    passed, rng = matrix.list_points(others), random.Random(SEED)
    chosen = [
        rng.choice(sorted(point for point in passed if point.scenario == one.name))
        for one in others
    ]
    # What kills everything is in the part before; here each kind meets another one.
    kinds = [kind for kind in Kill if kind is not Kill.ALL]
    kill_well(matrix, list(zip(chosen, kinds, strict=True)))


def kill_well(matrix: Matrix, wanted: list[tuple[Point, Kill]]) -> None:
    """Kill, and want every run to end as without."""
    before = matrix.result.runs
    matrix.kill_all(wanted)
    assert matrix.result.troubles == []
    assert matrix.result.unreached == []
    assert matrix.result.runs == before + len(wanted)


def test_the_program_lists_its_boundaries_itself(points):
    listed = {point.boundary for point in points}
    assert {
        "before act publish tag v1.1.0",
        "after receipt deploy-staging deploy staging",
    } <= listed
    assert {"before suspend approve-production", "before suspend smoke"} <= listed
    assert max(point.passage for point in points if point.boundary == "start of process") >= 4


def _double_the_webhook(matrix: Matrix, run: Run) -> None:
    key = f"{_release(matrix, run).id}/announce/webhook {matrix.receiver.url}"
    body = json.dumps({"facts": {"project": run.name}, "key": key}).encode()
    urllib.request.urlopen(matrix.receiver.url, body, timeout=10).close()


def _remove_the_tag(matrix: Matrix, run: Run) -> None:
    remote = matrix.station.root / "p" / run.name / "remote.git"
    subprocess.run(["git", "-C", str(remote), "tag", "-d", "v1.1.0"], check=True)


def _repeat_a_step(matrix: Matrix, run: Run) -> None:
    body = {"step": "build", "error": "", "value": None}
    matrix.gare.ledger.note(_release(matrix, run).id, "step done", "somebody", body)


def _ask_again(matrix: Matrix, run: Run) -> None:
    body = {"step": "approve-production", "manifest": "", "is": {}, "groups": {}}
    matrix.gare.ledger.note(_release(matrix, run).id, "approval asked", "somebody", body)


def _start_twice(matrix: Matrix, run: Run) -> None:
    record = matrix.station.root / "p" / run.name / "production" / "record"
    record.write_text(record.read_text() + "start 1.1.0\n")


@pytest.mark.parametrize(
    ("harm", "trouble", "kind"),
    [
        (_double_the_webhook, Trouble.DUPLICATED, "webhook"),
        (_remove_the_tag, Trouble.LOST, "remote refs"),
        (_repeat_a_step, Trouble.DUPLICATED, "steps done"),
        (_ask_again, Trouble.ASKED_AGAIN, "asked"),
        (_start_twice, Trouble.DUPLICATED, "starts and stops production"),
    ],
)
def test_it_sees_what_a_crash_could_do(matrix, points, harm, trouble, kind):
    """Done to a real, finished release and read with the matrix's own eyes."""
    run = matrix.undisturbed[RELEASED.name][0]
    wanted = matrix.outcome(run)
    harm(matrix, run)
    found = {(one.trouble, one.kind) for one in compare(wanted, matrix.outcome(run))}
    assert (trouble, kind) in found


def _release(matrix: Matrix, run: Run):
    found = matrix.gare.ledger.releases.of_run(run.flow_run)
    assert found is not None
    return found
