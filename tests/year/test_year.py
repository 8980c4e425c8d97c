"""A few weeks of the simulated year: nothing goes wrong in them, and the same seed tells the same story."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

YEAR = Path(__file__).parent
WEEKS = ("--seed", "3", "--start", "2027-01-04", "--days", "18", "--pace", "5")
"""Each train departs twice, so that there is something to go back to; all that a year brings happens in them."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what two lives with the same seed, side by side, print."""
    lives = [_begin(tmp_path_factory.mktemp(f"life-{number}")) for number in (1, 2)]
    try:
        printed = [life.communicate(timeout=800)[0] for life in lives]
    finally:
        for life in lives:
            # It ends its server with itself.
            life.terminate()
            life.wait(60)
    assert [life.returncode for life in lives] == [0, 0], "\n".join(printed)
    return printed


def _begin(aside: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(aside), "PYTHONPATH": str(YEAR.parents[1])}
    return subprocess.Popen(
        [sys.executable, str(YEAR), *WEEKS],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.timeout(900)
def test_weeks_of_releases_trains_hotfixes_and_rollbacks_end_without_a_problem(told):
    ended = {
        line.split()[0] for line in told[0].splitlines() if re.search(r" released +\d+$", line)
    }
    assert {"hotfix", "release", "rollback", "train"} <= ended
    assert re.search(r"problems 0, story \w{16}$", told[0], re.MULTILINE)


def test_the_same_seed_tells_the_same_story(told):
    first, second = (re.findall(r"^year: .*$", one, re.MULTILINE) for one in told)
    assert first
    assert first == second
