"""What people do about freezes on the command line; with the station down."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from gare.cli.app import run
from gare.domain.plan import PlannedStep
from gare.domain.releases import ReleaseState
from gare.ledger.ledger import Ledger

STATION = """\
name: demo
people:
  - {name: alice, email: alice@example.org, groups: [managers]}
  - {name: bob, email: bob@example.org, groups: [operations]}
  - {name: carol, email: carol@example.org, groups: [guests]}
rights: {freeze: [managers, operations], lift: [managers], override: [managers]}
environments: {staging: {}, production: {}}
freezes:
  - {name: moving, start: 2020-01-01, end: 2090-12-31, environments: [production], owner: alice}
"""
STEPS = (
    PlannedStep("build", "build", "Build"),
    PlannedStep("deploy-staging", "deploy", "", ("build",), "staging"),
    PlannedStep("deploy-production", "deploy", "", ("deploy-staging",), "production"),
)


class Desk:
    """The command line of a station, used by persons with tokens."""

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
        self.ledger, self._patch, self._said = ledger, monkeypatch, capsys

    def __call__(self, *words: str, person: str = "", code: int = 0) -> str:
        self._patch.setenv(
            "GARE_TOKEN", self.ledger.tokens.create(person, actor="test") if person else ""
        )
        found = run(list(words))
        said = self._said.readouterr()
        assert found == code, said
        return said.out if code == 0 else said.err


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "station.yaml").write_text(STATION)
    monkeypatch.setenv("GARE_STATION", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def gare(root: Path, story: ModuleType, monkeypatch, capsys) -> Callable[..., str]:
    clock = story.Clock(datetime.now(UTC) - timedelta(hours=1))
    return Desk(
        Ledger(f"sqlite:///{root / '.gare' / 'ledger.db'}", clock=clock), monkeypatch, capsys
    )


@pytest.fixture
def release(gare: Desk, story: ModuleType):
    """A release of shop that waits."""
    plan = story.make_plan(
        project="shop", steps=STEPS, approvals=(), environments=("staging", "production")
    )
    made, _ = story.open_release(gare.ledger, plan)
    return gare.ledger.releases.mark(
        made.id, ReleaseState.WAITING, actor="gare", waiting=["deploy-production: closed"]
    )


def test_a_window_is_added_with_what_it_hits_and_lifted_by_who_added_it(gare, release):
    words = (
        "freeze",
        "add",
        "launch",
        "--start",
        "2026-01-01",
        "--end",
        "2089-01-01",
        "--env",
        "staging",
    )
    said = gare(*words, "--reason", "TV spot", person="bob").splitlines()
    assert said[0].startswith(
        "hits R-1 (shop 1.4.0): deploy-staging; staging closed from 2025-12-31 23:00 UTC"
    )
    assert said[1] == "launch is added; take it away with `gare freeze lift launch`."
    [line] = [
        one for one in json.loads(gare("freeze", "list", "--json")) if one["name"] == "launch"
    ]
    assert (line["owner"], line["origin"], line["environments"], line["reason"]) == (
        "bob", "the ledger, added by bob", "staging", "TV spot",
    )  # fmt: skip
    assert "launch is lifted" in gare("freeze", "lift", "launch", person="bob")
    assert gare.ledger.releases.get(release.id).wake_at is not None
    assert "launch" not in gare("freeze", "list")


def test_who_has_not_the_right_changes_nothing(gare):
    stop = ("freeze", "stop", "db", "--reason", "it is down")
    assert gare(*stop, person="carol", code=4) == (
        "gare: error: carol may not add freezes or stop the line.\n"
        "  where: station.yaml: rights.freeze\n"
        "  hint: Who is in `managers` and `operations` may. The station's keeper can change that.\n"
    )
    assert "there is no personal token" in gare(*stop, code=4)
    assert gare.ledger.freezes.in_force() == []
    gare(*stop, person="alice")
    assert "bob may not lift what others have frozen or stopped." in gare(
        "freeze", "lift", "db", person="bob", code=4
    )
    assert [one.name for one in gare.ledger.freezes.in_force()] == ["db"]


def test_a_stop_ends_by_itself_when_told_so(gare):
    said = gare("freeze", "stop", "db", "--reason", "it is down", "--for", "4h", person="bob")
    assert "the line is stopped, until " in said
    [stop] = gare.ledger.freezes.in_force()
    assert abs(stop.until - stop.made_at - timedelta(hours=4)) < timedelta(minutes=1)
    said = gare("freeze", "stop", "x", "--reason", "y", "--for", "soon", person="bob", code=2)
    assert said == (
        'gare: error: gare freeze stop: lasts: "soon" cannot be used.\n'
        "  hint: Write a duration with its unit, such as 30s, 5m, 2h, 3d or 1h30m.\n"
    )


def test_a_name_is_used_once_over_files_and_ledger(gare):
    for name, where in (("moving", "station.yaml"), ("db", "ledger")):
        if where == "ledger":
            gare("freeze", "stop", name, "--reason", "down", person="bob")
        said = gare("freeze", "stop", name, "--reason", "down", person="bob", code=3)
        assert said.startswith(
            f"gare: error: There is a freeze `{name}` already.\n  where: {where}\n"
        )


def test_an_override_needs_its_right_and_a_closed_environment(gare, release):
    words = ("freeze", "override", release.id, "--reason", "customers cannot pay")
    assert "bob may not override freezes." in gare(*words, person="bob", code=4)
    said = gare(*words, "--env", "staging", person="alice", code=3)
    assert "Nothing keeps staging closed." in said
    said = gare(*words, person="alice")
    assert said == "R-1 goes on in production in spite of moving, on alice's word.\n"
    assert gare.ledger.freezes.overridden(release.id, "production") == {"moving"}
    assert gare.ledger.releases.get(release.id).wake_at is not None
    assert "Nothing keeps R-1 closed." in gare(*words, person="alice", code=3)


def test_a_freeze_that_begins_later_needs_an_override_of_its_own(gare, release):
    words = ("freeze", "override", release.id, "--reason", "customers cannot pay")
    gare(*words, person="alice")
    gare("freeze", "stop", "db", "--reason", "it is down", person="bob")
    said = gare(*words, person="alice", code=3)
    assert "staging and production are closed: which one?" in said
    said = gare(*words, "--env", "production", person="alice")
    assert said == "R-1 goes on in production in spite of db, on alice's word.\n"


def test_the_preview_of_a_freeze_changes_nothing(gare, release):
    said = gare(
        "freeze", "preview", "night", "--day", "monday", "--project", "shop", "--env", "staging"
    )
    assert said.startswith("hits R-1 (shop 1.4.0): deploy-staging; staging closed from ")
    assert gare("freeze", "preview", "night", "--day", "monday", "--project", "api") == (
        "It hits no open release, and no train of the coming month.\n"
    )
    [hit] = json.loads(gare("freeze", "preview", "moving", "--json"))
    assert (hit["release"], hit["environment"], hit["steps"]) == (
        "R-1", "production", ["deploy-production"],
    )  # fmt: skip
    assert gare.ledger.freezes.in_force() == []
    said = gare("freeze", "preview", "movin", code=4)
    assert "There is no freeze `movin`." in said
    assert "Did you mean `moving`?" in said


def test_what_is_wrong_with_a_window_is_said_and_nothing_is_added(gare):
    words = (
        "freeze",
        "add",
        "x",
        "--rrule",
        "FREQ=DAILY",
        "--start",
        "2026-01-01",
        "--lasts",
        "1d",
    )
    said = gare(*words, person="bob", code=2)
    assert said.startswith(
        "gare: error: gare freeze add: rrule: its times run into each other: it never ends.\n"
    )
    assert gare.ledger.freezes.in_force() == []


def test_the_calendar_is_written_and_a_broken_one_is_told(gare, root):
    assert gare("calendar", "--ics", "out.ics") == "out.ics: 1 freeze(s).\n"
    assert b"SUMMARY:Freeze: moving" in (root / "out.ics").read_bytes()
    assert gare("calendar", "--ics", "-").startswith("BEGIN:VCALENDAR")
    [entry] = json.loads(gare("calendar", "--json"))
    assert (entry["freeze"], entry["start"]) == ("moving", "2019-12-31T23:00:00+00:00")
    assert "The calendar cannot be written" in gare("calendar", "--ics", "no/where.ics", code=2)
    with (root / "station.yaml").open("a") as file:
        file.write("calendars: [{name: closures, file: closures.ics}]\n")
    (root / "closures.ics").write_text("<html>Sign in</html>")
    assert gare("calendar", code=2) == (
        "gare: error: closures cannot be read: This is no calendar that can be used: it holds no VCALENDAR. "
        f"({root / 'closures.ics'}) Write it anew from its calendar, or take it out of `calendars`.\n"
        "  where: calendars\n"
        "  hint: What it may be about is closed until it can be read.\n"
    )
    assert "unreadable" in gare("freeze", "list")
