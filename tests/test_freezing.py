"""All sources of freezes together: files, calendars, other systems, the ledger; and sources that cannot be read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gitlab_project import GITLAB, PATH, TOKEN
from sandbox import sandboxed

from gare.config.freezes import StopOrder, read_freeze
from gare.config.loader import load_station
from gare.domain.freezes import Move
from gare.domain.plan import Kind
from gare.errors import Unavailable
from gare.freezing import STOP, WINDOW, Freezes, body_of
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
        self.periods, self.is_away = periods, False

    def freeze_periods(self):
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
    clearance = found.clearance(STAGING)
    assert "freeze periods of GitLab shop/web cannot be read: GitLab does not answer." in str(
        clearance
    )
    assert clearance.wake_at is not None
    source.is_away, source.periods = False, ()
    assert closed_by(found, STAGING) == ["own"]


def test_what_people_add_comes_back_from_the_ledger_as_it_was_said(freezes):
    found = freezes()
    added = found.ledger.freezes
    said = {"name": "mondays", "days": ["monday"], "after": "09:00", "lets": [], "refuse": None}
    made = read_freeze("test", {key: value for key, value in said.items() if value is not None}, [])
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


def test_an_override_sets_aside_for_its_release_alone(freezes, story):
    found = freezes()
    story.open_release(found.ledger)
    closed = {one.name: one.what for one in found.clearance(PRODUCTION).closings}
    found.ledger.freezes.override("R-1", "production", closed, person="alice", reason="why")
    assert found.clearance(PRODUCTION, "R-1").is_open
    assert not found.clearance(STAGING, "R-1").is_open
    assert not found.clearance(PRODUCTION).is_open


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
        [unread] = found.calendar("shop").unreadable
        assert "a web page instead of data" in unread.problem
