"""The year's judge finds what it is there for: a judge that never complains proves nothing."""

import os
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from closings import Span
from oracle import Oracle

from gare.ledger.ledger import Ledger

FRIDAY = datetime(2027, 3, 12, 16, tzinfo=UTC)
MONDAY = datetime(2027, 3, 15, 10, tzinfo=UTC)


@pytest.fixture
def station(tmp_path, monkeypatch):
    """A folder with a ledger in which one release was opened on a Monday."""
    clock = tmp_path / "clock"
    clock.write_text(MONDAY.isoformat())
    monkeypatch.setitem(os.environ, "GARE_CLOCK", str(clock))
    (tmp_path / ".gare").mkdir()
    return tmp_path


def write(root, *events):
    """Append events of R-1 as Gare does."""
    ledger = Ledger(f"sqlite:///{root / '.gare' / 'ledger.db'}")
    with ledger.database.write() as connection:
        for kind, body in events:
            ledger.database.append(connection, "R-1", kind, "gare", body)


def looking(root, *, kind="release", project="p01"):
    """Return a judge who knows R-1."""
    oracle = Oracle(root)
    oracle._kinds["R-1"] = (kind, project)
    return oracle


DEPLOYED = (
    "effect done",
    {"step": "deploy-production", "target": "deploy production", "receipt": {}},
)
TOLD = ("effect done", {"step": "tickets", "target": "P01-1 comment", "receipt": {}})


def at(root, moment, *events):
    """Append events of R-1 at an instant."""
    (root / "clock").write_text(moment.isoformat())
    write(root, *events)


@pytest.mark.parametrize("effect", [DEPLOYED, TOLD])
def test_every_effect_on_a_friday_afternoon_needs_an_override(station, effect):
    at(station, FRIDAY, effect)
    oracle = looking(station)
    oracle.look()
    assert "Friday afternoon" in str(oracle.problems)
    allowed = looking(station)
    allowed.spare("R-1", FRIDAY)
    allowed.look()
    assert allowed.problems == []


def test_an_override_of_one_friday_is_none_of_the_next(station):
    at(station, FRIDAY + timedelta(days=7), TOLD)
    oracle = looking(station)
    oracle.spare("R-1", FRIDAY)
    oracle.look()
    assert "Friday afternoon" in str(oracle.problems)


def test_an_effect_while_somebody_has_stopped_the_line_is_a_problem(station):
    write(station, DEPLOYED)
    oracle = looking(station)
    stops = oracle.closings.stops
    stops.append(Span(MONDAY - timedelta(hours=9), MONDAY - timedelta(hours=8)))
    oracle.spare("R-1", MONDAY - timedelta(hours=9))
    stops.append(Span(MONDAY - timedelta(hours=1)))
    oracle.look()
    assert "a stop of the line" in str(oracle.problems)


@pytest.mark.parametrize(
    ("project", "moment", "why"),
    [
        ("p04", datetime(2027, 3, 15, 5, 59, tzinfo=UTC), "out of hours"),
        ("p04", datetime(2027, 3, 15, 6, 0, tzinfo=UTC), ""),
        ("p04", datetime(2027, 3, 14, 10, tzinfo=UTC), "out of hours"),
        ("p01", datetime(2027, 3, 14, 10, tzinfo=UTC), ""),
        ("p07", datetime(2027, 2, 28, 10, tzinfo=UTC), "the month's accounts"),
        ("p07", datetime(2027, 3, 1, 5, 0, tzinfo=UTC), ""),
        ("p07", datetime(2027, 2, 20, 10, tzinfo=UTC), ""),
        ("p03", datetime(2027, 3, 16, 8, 0, tzinfo=UTC), "GitLab's freeze period"),
        ("p03", datetime(2027, 3, 16, 15, 0, tzinfo=UTC), ""),
    ],
)
def test_some_projects_have_times_of_their_own(station, project, moment, why):
    at(station, moment, TOLD)
    oracle = looking(station, project=project)
    oracle.look()
    assert (why in str(oracle.problems)) if why else oracle.problems == []


@pytest.mark.parametrize("kind", ["rollback", "train"])
def test_a_rollback_passes_and_a_train_leaves_it_to_its_members(station, kind):
    at(station, FRIDAY, DEPLOYED)
    oracle = looking(station, kind=kind)
    oracle.look()
    assert oracle.problems == []


def test_what_puts_a_rollout_back_and_what_tells_of_an_end_may_be_done(station):
    put_back = (
        "effect done",
        {"step": "verify-production", "target": "put back production", "receipt": {}},
    )
    at(station, FRIDAY, put_back, ("release rolled back", {"end": "x"}), TOLD)
    oracle = looking(station)
    oracle.look()
    assert oracle.problems == []
    assert oracle.told["effects that tell of an end"] == 1


def test_what_goes_live_must_be_what_was_agreed_on(station):
    asked = ("approval asked", {"manifest": "m", "is": {"artifacts": {"app": "sha256:1"}}})
    agreed = ("vote approve", {"manifest": "m"})
    wanted = {"version": "1.0.0", "files": {"app": "sha256:1"}}
    deploy = ("effect intended", {"target": "deploy production", "wanted": wanted})
    other = {"version": "1.0.0", "files": {"app": "sha256:2"}}
    write(station, asked, deploy, agreed, deploy)
    write(station, ("effect intended", {"target": "deploy production", "wanted": other}))
    oracle = looking(station)
    oracle.look()
    assert len(oracle.problems) == 2, "before the vote, and other files"


def test_a_version_that_nobody_agreed_to_is_found_in_the_folder(station):
    write(station, DEPLOYED)
    (station / "live" / "p01" / "1.0.0").mkdir(parents=True)
    (station / "live" / "p01" / "current").symlink_to("1.0.0")
    oracle = looking(station)
    oracle.look()
    assert "is live, and nobody has agreed to it" in str(oracle.problems)


@pytest.mark.parametrize(
    "change",
    ["update events set actor = 'mallory' where seq = 1", "delete from events where seq = 2"],
)
def test_a_changed_or_removed_event_breaks_the_chain(station, change):
    write(station, ("step started", {"step": "build"}), ("step done", {"step": "build"}))
    with closing(sqlite3.connect(station / ".gare" / "ledger.db")) as ledger:
        ledger.execute(change)
        ledger.commit()
    oracle = looking(station)
    oracle.look()
    assert oracle.problems
