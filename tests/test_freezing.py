"""All sources of freezes together: files, calendars, other systems, the ledger; and sources that cannot be read."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gitlab_project import GITLAB, PATH, TOKEN
from sandbox import sandboxed

from gare.config.freeze_problems import Known, read_freeze
from gare.config.freezes import StopOrder
from gare.config.loader import load_station
from gare.domain.freezes import Move
from gare.domain.plan import Kind
from gare.errors import Unavailable
from gare.freezing import REMEMBERED, STOP, WINDOW, Freezes, body_of
from gare.ledger.freezes import Spared
from gare.ledger.ledger import Ledger
from gare.ports.freezes import FreezePeriod
from gare.wiring import Gare

STATION = """\
name: acme
environments: {staging: {}, production: {}}
freezes:
  - {name: year-end, start: 2026-03-01, end: 2026-03-10, environments: [production], owner: alice}
"""
PROJECT = """\
name: NAME
source: {type: git}
environments:
  production: {target: {type: directory, path: out}}
freezes:
  - {name: own, start: 2026-03-01, end: 2026-03-05}
"""
ICS = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:test
BEGIN:VEVENT
UID:1
SUMMARY:Stocktaking
DTSTART;VALUE=DATE:20260302
DTEND;VALUE=DATE:20260304
END:VEVENT
END:VCALENDAR
"""
PRODUCTION, STAGING = Move("shop", "production"), Move("shop", "staging")


class Source:
    """Another system with freeze periods."""

    place = "GitLab shop/web"

    def __init__(self, *periods: FreezePeriod) -> None:
        self.periods, self.is_away, self.asked = periods, False, 0

    def freeze_periods(self, *, is_hasty: bool = False):
        self.asked += 1
        if self.is_away:
            raise Unavailable("GitLab does not answer.", where=self.place)
        return self.periods


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "station.yaml").write_text(STATION)
    (tmp_path / "projects").mkdir()
    for name in ("shop", "api"):
        (tmp_path / "projects" / f"{name}.yaml").write_text(PROJECT.replace("NAME", name))
    return tmp_path


@pytest.fixture
def freezes(root: Path, sqlite_ledger: Ledger):
    def make(*sources: Source) -> Freezes:
        return Freezes(load_station(root), sqlite_ledger, lambda _project: sources)

    return make


@pytest.fixture
def sqlite_ledger(tmp_path: Path, story):
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=story.Clock())  # 2 March 2026, 09:00
    yield made
    made.close()


def a_minute_passes(freezes: Freezes) -> None:
    freezes.ledger.database.clock.pass_by(REMEMBERED)


def closed_by(freezes: Freezes, move: Move) -> list[str]:
    return [closing.name for closing in freezes.clearance(move).closings]


def test_windows_of_the_station_and_of_the_project_count_together(freezes):
    assert closed_by(freezes(), PRODUCTION) == ["year-end", "own"]
    assert closed_by(freezes(), STAGING) == ["own"]
    assert closed_by(freezes(), Move("a-train", "production", Kind.TRAIN)) == ["year-end"]
    whole = freezes().whole_calendar()
    assert [(one.name, one.scope.projects) for one in whole.windows] == [
        ("year-end", ("*",)), ("own", ("api",)), ("own", ("shop",)),
    ]  # fmt: skip


def test_the_events_of_a_calendar_file_count_and_a_change_of_it_at_once(freezes, root):
    with (root / "station.yaml").open("a") as file:
        file.write("calendars: [{name: closures, file: closures.ics, environments: [staging]}]\n")
    (root / "closures.ics").write_text(ICS)
    found = freezes()
    clearance = found.clearance(STAGING)
    assert "the freeze closures (Stocktaking) in closures.ics" in str(clearance)
    (root / "closures.ics").write_text(ICS.replace("20260302", "20260303"))
    assert closed_by(found, STAGING) == ["own"]


def test_a_calendar_that_cannot_be_read_closes_what_it_is_about_until_it_can(freezes, root):
    with (root / "station.yaml").open("a") as file:
        file.write("calendars: [{name: closures, file: closures.ics, environments: [staging]}]\n")
    found = freezes()
    assert closed_by(found, PRODUCTION) == ["year-end", "own"]
    assert closed_by(found, STAGING) == ["own", "closures"]
    assert "closures cannot be read: The calendar cannot be read: No such file" in str(
        found.clearance(STAGING)
    )
    (root / "closures.ics").write_text(ICS.replace("20260302", "20260303"))
    assert closed_by(found, STAGING) == ["own"]


def test_periods_of_another_system_count_for_their_project(freezes):
    source = Source(FreezePeriod("freeze period 1", "0 8 * * 1", "0 20 * * 1", "Europe/Paris"))
    assert "the freeze period 1 of GitLab shop/web" in str(freezes(source).clearance(STAGING))


def test_another_system_that_is_away_or_says_odd_things_closes_until_it_is_back(freezes):
    source = Source(FreezePeriod("freeze period 1", "0 23 * * 5", "0 7 * * 1", "Middle Earth"))
    found = freezes(source)
    assert str(found.clearance(STAGING)).endswith(
        "period 1 of GitLab shop/web cannot be read: there is no time zone `Middle Earth`; "
        "opens nobody knows when"
    )
    source.is_away = True
    a_minute_passes(found)
    clearance = found.clearance(STAGING)
    assert "freeze periods of GitLab shop/web cannot be read: GitLab does not answer." in str(
        clearance
    )
    assert clearance.wake_at is not None
    source.is_away, source.periods = False, ()
    a_minute_passes(found)
    assert closed_by(found, STAGING) == ["own"]


def test_what_people_add_comes_back_from_the_ledger_as_it_was_said(freezes):
    found = freezes()
    added = found.ledger.freezes
    said = {"name": "mondays", "days": ["monday"], "after": "09:00", "lets": [], "refuse": None}
    made = read_freeze(
        "test", {key: value for key, value in said.items() if value is not None}, Known()
    )
    added.add("mondays", body_of(WINDOW, made), person="bob", until=None)
    order = StopOrder(name="db", reason="it is down", projects=("shop",), lasts=timedelta(hours=1))
    added.add("db", body_of(STOP, order), person="carol", until=found.ledger.now() + order.lasts)
    calendar = found.calendar("shop")
    assert calendar.windows[-1].times == made.times()
    assert calendar.windows[-1].scope.lets == frozenset()
    assert calendar.windows[-1].owner == "bob"
    [stop] = calendar.stops
    assert (stop.author, stop.reason, stop.scope.projects) == ("carol", "it is down", ("shop",))
    assert closed_by(found, Move("shop", "staging", Kind.ROLLBACK)) == ["mondays"]


def test_an_entry_of_a_newer_gare_closes(freezes):
    found = freezes()
    body = {"type": "window", "name": "new", "moon": "full"}
    found.ledger.freezes.add("new", body, person="bob", until=None)
    assert closed_by(found, STAGING) == ["own", "new"]


def test_what_a_source_has_said_counts_for_a_minute_and_so_does_that_it_was_away(freezes):
    source = Source()
    found = freezes(source)
    for _ in range(3):
        found.clearance(STAGING)
    assert source.asked == 1
    a_minute_passes(found)
    source.is_away = True
    for _ in range(3):
        assert not found.clearance(STAGING).is_open
    assert source.asked == 2


def test_nobody_is_asked_about_what_lets_the_move_through(freezes):
    source = Source()
    source.is_away = True
    found = freezes(source)
    assert closed_by(found, Move("shop", "staging", Kind.ROLLBACK)) == []
    assert source.asked == 0


def test_all_sources_are_asked_at_once(freezes):
    """One after the other they would wait for each other for ever."""
    both = threading.Barrier(2, timeout=20)

    class Slow(Source):
        def freeze_periods(self, *, is_hasty: bool = False):
            both.wait()
            return super().freeze_periods(is_hasty=is_hasty)

    assert freezes(Slow()).whole_calendar().unreadable == ()


def override(found: Freezes, move: Move) -> None:
    now = found.ledger.now()
    closed = found.clearance(move, "R-1").closings
    spared = [Spared(one.key, one.what, one.spared_until(now)) for one in closed]
    found.ledger.freezes.override("R-1", move.environment, spared, person="alice", reason="why")


def test_an_override_sets_aside_for_its_release_alone(freezes, story):
    found = freezes()
    story.open_release(found.ledger)
    override(found, PRODUCTION)
    assert found.clearance(PRODUCTION, "R-1").is_open
    assert not found.clearance(STAGING, "R-1").is_open
    assert not found.clearance(PRODUCTION).is_open


def test_an_overridden_stop_does_not_let_through_the_next_one_of_its_name(freezes, story):
    found = freezes()
    story.open_release(found.ledger)
    move = Move("other", "staging")
    body = body_of(STOP, StopOrder(name="db-down", reason="it is down"))
    found.ledger.freezes.add("db-down", body, person="bob", until=None)
    override(found, move)
    assert found.clearance(move, "R-1").is_open
    found.ledger.freezes.lift("db-down", person="bob", reason="up", wakes=lambda _: True)
    found.ledger.freezes.add("db-down", body, person="bob", until=None)
    assert closed_by(found, move) == ["db-down"]
    assert [one.name for one in found.clearance(move, "R-1").closings] == ["db-down"]


def test_a_calendar_of_free_events_says_that_none_closes(freezes, root):
    with (root / "station.yaml").open("a") as file:
        file.write("calendars: [{name: closures, file: closures.ics}]\n")
    free = ICS.replace("SUMMARY", "TRANSP:TRANSPARENT\nSUMMARY")
    (root / "closures.ics").write_text(free)
    window = freezes().whole_calendar().windows[1]
    assert window.note.startswith("0 of 1 events close (1 are marked free")
    assert closed_by(freezes(), STAGING) == ["own"]
    station = root / "station.yaml"
    station.write_text(station.read_text().replace("closures.ics}", "closures.ics, free: closes}"))
    assert closed_by(freezes(), STAGING) == ["closures", "own"]


def test_gitlabs_deploy_freezes_count_when_the_project_says_so(root, monkeypatch):
    monkeypatch.setenv("GITLAB_TOKEN", TOKEN)
    with sandboxed({"gitlab": GITLAB}) as served:
        address = f"{served.url}/gitlab"
        with (root / "station.yaml").open("a") as file:
            file.write(
                f"connections: {{gitlab: {{type: gitlab, url: '{address}', token: $GITLAB_TOKEN}}}}\n"
            )
        for name, said in (("shop", ", freeze_periods: true"), ("api", "")):
            with (root / "projects" / f"{name}.yaml").open("a") as file:
                file.write(f"gitlab: {{connection: gitlab, project: {PATH}{said}}}\n")
        found = Gare(load_station(root)).freezes
        [window] = found.calendar("shop").windows[2:]
        assert window.name == f"period 1 of GitLab {PATH}"
        assert window.scope.projects == ("shop",)
        friday = datetime(2026, 3, 6, 20, tzinfo=UTC)
        assert window.times.spans(friday, friday + timedelta(hours=1))
        assert len(found.calendar("api").windows) == 2
        served.fail("login page", path="*/freeze_periods")
        [unread] = Gare(load_station(root)).freezes.calendar("shop").unreadable
        assert "a web page instead of data" in unread.problem


def test_who_looks_on_does_not_wait_for_a_gitlab_that_is_away(root, monkeypatch):
    monkeypatch.setenv("GITLAB_TOKEN", TOKEN)
    with (root / "station.yaml").open("a") as file:
        file.write(
            "connections: {gitlab: {type: gitlab, url: 'http://127.0.0.1:9', token: $GITLAB_TOKEN}}\n"
        )
    for name in ("shop", "api"):
        with (root / "projects" / f"{name}.yaml").open("a") as file:
            file.write(f"gitlab: {{connection: gitlab, project: g/{name}, freeze_periods: true}}\n")
    begun = time.monotonic()
    found = Gare(load_station(root)).freezes.whole_calendar()
    assert len(found.unreadable) == 2
    assert (
        time.monotonic() - begun < 5
    )  # with the patience of a step: 15 s and more, one after the other
