"""What people do about freezes on the command line; with the station down."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from gare.cli.app import run
from gare.config.loader import load_station
from gare.domain.freezes import Move
from gare.domain.plan import Kind, PlannedStep
from gare.domain.releases import ReleaseState
from gare.domain.waits import Cause, Waited
from gare.ledger.ledger import Ledger
from gare.wiring import Gare

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
PROJECT = """\
name: NAME
source: {type: git}
environments:
  staging: {target: {type: directory, path: staging}}
  production: {target: {type: directory, path: production}}
"""
STEPS = (
    PlannedStep("build", "build", "Build"),
    PlannedStep("deploy-staging", "deploy", "", ("build",), "staging"),
    PlannedStep("deploy-production", "deploy", "", ("deploy-staging",), "production"),
)


class Desk:
    """The command line of a station, used by persons with tokens."""

    def __init__(self, root: Path, ledger: Ledger, monkeypatch, capsys) -> None:
        self.root, self.ledger, self._patch, self._said = root, ledger, monkeypatch, capsys

    def set_token(self, token: str) -> None:
        """Whose personal token the next commands find."""
        self._patch.setenv("GARE_TOKEN", token)

    def said(self):
        """What was printed since."""
        return self._said.readouterr()

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
    (tmp_path / "projects").mkdir()
    for name in ("shop", "api"):
        (tmp_path / "projects" / f"{name}.yaml").write_text(PROJECT.replace("NAME", name))
    monkeypatch.setenv("GARE_STATION", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def gare(root: Path, story: ModuleType, monkeypatch, capsys) -> Callable[..., str]:
    clock = story.Clock(datetime.now(UTC) - timedelta(hours=1))
    ledger = Ledger(f"sqlite:///{root / '.gare' / 'ledger.db'}", clock=clock)
    return Desk(root, ledger, monkeypatch, capsys)


@pytest.fixture
def release(gare: Desk, story: ModuleType):
    """A release of shop that waits."""
    plan = story.make_plan(
        project="shop", steps=STEPS, approvals=(), environments=("staging", "production")
    )
    made, _ = story.open_release(gare.ledger, plan)
    return gare.ledger.releases.mark(
        made.id,
        ReleaseState.WAITING,
        actor="gare",
        waiting=[Waited("deploy-production: closed", Cause.OTHER)],
    )


def test_a_window_is_added_with_what_it_hits_and_lifted_by_who_added_it(gare, release):
    span = ("--start", "2026-01-01", "--end", "2089-01-01", "--env", "staging")
    words = ("freeze", "add", "launch", *span)
    said = gare(*words, "--reason", "TV spot", person="bob").splitlines()
    assert said[0] == (
        "hits R-1 (shop 1.4.0): deploy-staging; "
        "staging closed from 2025-12-31 23:00 UTC (2026-01-01 00:00 Europe/Paris) "
        "until 2089-01-01 23:00 UTC (2089-01-02 00:00 Europe/Paris)"
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


def test_a_stop_about_nothing_is_refused_and_nothing_is_stopped(gare):
    stop = ("freeze", "stop", "db", "--reason", "it is down")
    said = gare(*stop, "--env", "prodution", person="bob", code=2)
    assert "there is no environment `prodution`." in said
    assert "Did you mean `production`?" in said
    said = gare(*stop, "--project", "shpo", person="bob", code=2)
    assert "there is no project `shpo`." in said
    assert gare.ledger.freezes.in_force() == []


@pytest.mark.parametrize("words", ["plan shop", "release shop", "freeze list", "calendar"])
def test_a_freeze_of_a_project_that_there_is_not_stops_who_plans_and_not_who_lifts(gare, words):
    gare("freeze", "stop", "db", "--reason", "it is down", person="bob")
    text = STATION.replace("moving,", "moving, projects: [shpo],")
    (gare.root / "station.yaml").write_text(text)
    said = gare(*words.split(), code=2)
    assert "station.yaml:9: freezes[0].projects[0]: there is no project `shpo`." in said
    assert "Did you mean `shop`?" in said
    assert "db is lifted" in gare("freeze", "lift", "db", person="bob")


def test_a_stop_may_keep_rollbacks_too(gare):
    gare("freeze", "stop", "db", "--reason", "nobody moves", "--lets", "none", person="bob")
    [line] = [one for one in json.loads(gare("freeze", "list", "--json")) if one["name"] == "db"]
    assert line["lets"] == ""
    rollback = Move("shop", "staging", Kind.ROLLBACK)
    assert not Gare(load_station(gare.root)).freezes.clearance(rollback).is_open


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
    [key] = gare.ledger.freezes.overridden(release.id, "production")
    assert key == "moving from 2019-12-31T23:00:00Z"
    said = gare(*words, "--env", "prodution", person="alice", code=2)
    assert "R-1 is not about an environment `prodution`." in said
    assert "Did you mean `production`?" in said
    assert gare.ledger.releases.get(release.id).wake_at is not None
    assert "Nothing keeps R-1 closed." in gare(*words, person="alice", code=3)


def test_a_project_gives_nobody_the_right_to_open_what_the_station_keeps_closed(gare, release):
    own = "rights: {override: [operations]}\nfreezes: [{name: own, start: 2020-01-01, end: 2090-12-31}]\n"
    with (gare.root / "projects" / "shop.yaml").open("a") as file:
        file.write(own)
    override = ("freeze", "override", release.id, "--reason", "why")
    said = gare(*override, "--env", "production", person="bob", code=4)
    assert said == (
        "gare: error: bob may not override freezes.\n"
        "  where: station.yaml: rights.override\n"
        "  hint: Who is in `managers` may. The station's keeper can change that.\n"
    )
    assert "in spite of own" in gare(*override, "--env", "staging", person="bob")


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
    said = gare("freeze", "preview", "night", "--day", "monday", "--project", "api")
    assert said.startswith("It hits no open release, and no train until 2")
    [hit] = json.loads(gare("freeze", "preview", "moving", "--json"))
    assert (hit["release"], hit["environment"], hit["steps"]) == (
        "R-1", "production", ["deploy-production"],
    )  # fmt: skip
    assert gare.ledger.freezes.in_force() == []
    said = gare("freeze", "preview", "movin", code=2)
    assert "There is no freeze `movin`." in said
    assert "Did you mean `moving`?" in said


TRAIN = """\
name: weekly
members: [shop]
schedule: {cron: 0 10 * * 2, zone: Europe/Paris}
"""


def test_the_preview_names_trains_however_far_ahead_the_freeze_is_and_broken_ones(gare):
    (gare.root / "trains").mkdir()
    (gare.root / "trains" / "weekly.yaml").write_text(TRAIN)
    (gare.root / "trains" / "other.yaml").write_text(TRAIN.replace("shop", "shpo"))
    begin = datetime.now(UTC) + timedelta(days=100)
    begin -= timedelta(days=begin.weekday())  # a Monday
    span = ("--start", f"{begin:%Y-%m-%d}", "--end", f"{begin + timedelta(days=6):%Y-%m-%d}")
    assert run(["freeze", "preview", "moving-on", *span, "--project", "shop"]) == 0
    said = gare.said()
    tuesday = begin + timedelta(days=1)
    assert said.out.startswith(f"hits train weekly, departing {tuesday:%Y-%m-%d} ")
    assert ":00 UTC (10:00 Europe/Paris): shop\n" in said.out
    assert "note: a train was not looked at: " in said.err
    assert "`shpo`" in said.err


def test_an_endless_freeze_names_each_train_once_with_its_first_departure(gare):
    (gare.root / "trains").mkdir()
    daily = TRAIN.replace("0 10 * * 2", "0 10 * * *")
    for name in ("daily", "other"):
        text = daily.replace("weekly", name)
        (gare.root / "trains" / f"{name}.yaml").write_text(text)
    lines = gare("freeze", "stop", "db", "--reason", "it is down", person="bob").splitlines()[1:]
    assert [line.partition(", departing ")[0] for line in lines] == [
        "hits train daily", "hits train other",
    ]  # fmt: skip
    assert "(10:00 Europe/Paris): shop; and 3" in lines[0]
    assert " more departures until 2" in lines[0]


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
    entries = json.loads(gare("calendar", "--json"))
    assert [entry["what"] for entry in entries] == [
        "moving",
        "closures: cannot be read, closed until it can",
    ]
    assert run(["calendar", "--ics", "rest.ics"]) == 0
    assert gare.said().err == (
        "note: closures cannot be read: This is no calendar that can be used: it holds no VCALENDAR. "
        f"({root / 'closures.ics'}) Write it anew from its calendar, or take it out of `calendars`. "
        "What it may be about is closed until it can.\n"
    )
    assert b"SUMMARY:Freeze: moving" in (root / "rest.ics").read_bytes()
    assert run(["freeze", "list"]) == 0
    said = gare.said()
    [line] = [one for one in said.out.splitlines() if one.startswith("closures")]
    assert line.split()[1:3] == ["unreadable", "closed"]
    assert "VCALENDAR" not in line
    assert "note: closures cannot be read: This is no calendar that can be used" in said.err


def test_a_freeze_that_comes_for_ever_says_so_before_and_when_it_is_added(gare):
    fridays = ("--day", "friday", "--after", "15:00", "--project", "api")
    assert "It comes again for ever." in gare("freeze", "preview", "fridays", *fridays)
    said = gare("freeze", "add", "fridays", *fridays, person="bob")
    assert said.endswith(
        "fridays is added and comes again for ever; take it away with `gare freeze lift fridays`.\n"
    )
    rule = ("--start", "2027-01-01 08:00", "--lasts", "2h", "--rrule", "FREQ=DAILY;COUNT=3")
    assert "for ever" not in gare("freeze", "preview", "few", *rule)


def test_a_pattern_that_nothing_is_called_like_is_taken_and_told(gare):
    def notes(*words: str, person: str = "") -> str:
        gare.set_token(gare.ledger.tokens.create(person, actor="test") if person else "")
        assert run(list(words)) == 0
        return gare.said().err

    monday = ("--day", "monday", "--project", "zz*", "--env", "prodution*")
    told = (
        "note: no project is called like `zz*` now; projects are `api` and `shop`.\n"
        "note: no environment is called like `prodution*` now; "
        "environments are `staging` and `production`.\n"
    )
    assert notes("freeze", "preview", "x", *monday) == told
    assert notes("freeze", "add", "x", *monday, person="bob") == told
    stop = ("freeze", "stop", "db", "--reason", "down")
    assert "no project is called like `zz*`" in notes(*stop, "--project", "zz*", person="bob")
    assert notes("freeze", "preview", "x", "--day", "monday", "--project", "sh*") == ""


def test_a_freeze_of_a_file_that_is_over_says_so(gare):
    text = STATION.replace("end: 2090-12-31", "end: 2020-01-02")
    (gare.root / "station.yaml").write_text(text)
    assert gare("freeze", "preview", "moving").endswith(
        "It was over 2020-01-02 23:00 UTC (2020-01-03 00:00 Europe/Paris).\n"
    )
    assert "over since 2020-01-02 23:00 UTC" in gare("freeze", "list")
    (gare.root / "station.yaml").write_text(
        text.replace("{name: moving,", "{name: moving, kind: allow,")
    )
    assert "closed since 2020-01-02 23:00 UTC" in gare("freeze", "list")
    assert "what it is about stays closed" in gare("freeze", "preview", "moving")
