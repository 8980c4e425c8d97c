"""The year's judge finds what it is there for: a judge that never complains proves nothing."""

import os
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from oracle import Oracle, Span

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


def looking(root, *, kind="release"):
    """Return a judge who knows R-1."""
    oracle = Oracle(root)
    oracle._kinds["R-1"] = (kind, "p01")
    return oracle


DEPLOYED = ("effect done", {"target": "deploy production", "receipt": {}})


def test_an_effect_on_a_friday_afternoon_needs_an_override(station):
    (station / "clock").write_text(FRIDAY.isoformat())
    write(station, DEPLOYED)
    oracle = looking(station)
    oracle.look()
    assert "Friday afternoon" in str(oracle.problems)
    allowed = looking(station)
    allowed.overridden.add("R-1")
    allowed.look()
    assert allowed.problems == []


def test_an_effect_while_somebody_has_stopped_the_line_is_a_problem(station):
    write(station, DEPLOYED)
    oracle = looking(station)
    oracle.stops.append(Span(MONDAY - timedelta(hours=1)))
    oracle.look()
    assert "a stop of the line" in str(oracle.problems)


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
