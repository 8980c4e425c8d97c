"""The doctor: each check says what it found and what to do; one that fails leaves the others alone."""

from pathlib import Path

import pytest

from gare.config.loader import load_station
from gare.doctor import examine, find_site, is_healthy
from gare.doctor.calendars import calendars
from gare.doctor.check import Check, Site, Status, ok, warn
from gare.doctor.machine import git, packages, requirements
from gare.doctor.projects import projects
from gare.doctor.station import configuration, ledger, server, state_folder
from gare.errors import ConfigError, Unavailable


@pytest.fixture
def site(tmp_path):
    """Return a function that makes a station of its files."""

    def make(station="name: test\n", **project_files):
        (tmp_path / "station.yaml").write_text(station)
        (tmp_path / "projects").mkdir(exist_ok=True)
        for name, text in project_files.items():
            (tmp_path / "projects" / f"{name}.yaml").write_text(text)
        return Site(load_station(tmp_path))

    return make


def test_this_machine_is_fit():
    for check in (requirements, packages, git):
        assert [found.status for found in check(Site(None))] == [Status.OK]


def test_a_check_that_fails_is_told_and_the_others_are_made():
    def broken(site):
        raise Unavailable("The ledger cannot be used now.", where="db", hint="Start it.")

    def defective_check(site):
        raise KeyError("x")

    found = examine(Site(None), [broken, defective_check, lambda site: [ok("fine")]])
    assert found == [
        Check(Status.FAIL, "The ledger cannot be used now. (db)", "Start it."),
        Check(
            Status.FAIL,
            "Looking at defective check failed: KeyError: 'x'",
            "Install Gare again; if it stays, this is a defect of Gare.",
        ),
        Check(Status.OK, "fine"),
    ]
    assert not is_healthy(found)


def test_without_a_station_the_machine_is_examined_all_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GARE_STATION", raising=False)
    found = examine(find_site())
    assert found[0].what.startswith("Python 3.")
    assert found[-1].status is Status.FAIL
    assert found[-1].what == f"There is no station.yaml here or in any folder above. ({tmp_path})"


def test_a_configuration_with_problems_is_one_line(tmp_path):
    (tmp_path / "station.yaml").write_text("nmae: x\nserver: {port: many}\n")
    with pytest.raises(ConfigError) as error:
        load_station(tmp_path)
    (found,) = configuration(Site(None, error.value))
    assert found.status is Status.FAIL
    assert "\n" not in found.what + found.todo


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("trains/bad.yaml", "name: bad\nmembers: [shop\n", "trains/bad.yaml:3: "),
        ("trains/bad.yaml", "name: bad\nmembers: [shpo]\n", "trains/bad.yaml:2: members[0]: there is no"),
        ("projects/bad.yaml", "name: {", "projects/bad.yaml:1: "),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_and_the_rest_is_examined_all_the_same(
    site, git_repository, monkeypatch, tmp_path, file, text, told
):
    site(shop="name: shop\nsource: {type: git, path: ../shop, remote: ''}\n")
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    monkeypatch.setenv("GARE_STATION", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = examine(find_site(), [configuration, state_folder, server, projects])
    [failed] = [check for check in found if check.status is Status.FAIL]
    assert failed.what.startswith(told)
    assert failed.todo
    said = [check.what for check in found]
    assert f"Station `test` in {tmp_path}" in said
    assert "Projects: shop" in said
    assert "The station is not up" in said
    assert any(one.startswith("shop: repository ") for one in said)


def test_a_freeze_of_a_project_that_there_is_not_is_told_beside_the_rest(
    site, monkeypatch, tmp_path
):
    site()
    monkeypatch.setenv("GARE_STATION", str(tmp_path))
    text = "name: test\nfreezes: [{name: one, days: [friday], projects: [shpo]}]\n"
    (tmp_path / "station.yaml").write_text(text)
    (tmp_path / "projects" / "shop.yaml").write_text("name: shop\nsource: {type: git}\n")
    found = list(configuration(find_site()))
    assert [check.status for check in found] == [Status.OK, Status.FAIL, Status.OK]
    assert "there is no project `shpo`" in found[1].what


def test_a_station_without_projects(site):
    assert [check.status for check in configuration(site())] == [Status.OK, Status.WARN]


def test_state_folder_of_a_newer_gare(site):
    place = site()
    place.station.state.mkdir()
    (place.station.state / "format").write_text("99")
    (found,) = examine(place, [state_folder])
    assert found.status is Status.FAIL
    assert found.what.startswith("The state folder was made by a newer Gare: its format is 99")


def test_state_folder_behind_a_file(site, tmp_path):
    (tmp_path / "file").write_text("")
    (found,) = state_folder(site("name: test\nstate: file/state\n"))
    assert found.status is Status.FAIL
    assert found.todo == "Make it writable, or name another `state` in station.yaml."


def test_ledger_that_is_not_there_yet_is_not_made(site):
    place = site()
    (found,) = ledger(place)
    assert (
        found.what == f"Ledger {place.station.state / 'ledger.db'} will be made at the first start"
    )
    assert not place.station.state.exists()


def test_people_without_a_token(site):
    from gare.wiring import Gare

    place = site(
        "name: test\npeople:\n"
        "  - {name: alice, email: a@example.org, groups: [qa]}\n"
        "  - {name: bob, email: b@example.org, groups: [qa]}\n"
        "  - {name: carol, email: c@example.org}\n"
    )
    place.station.state.mkdir()
    wired = Gare(place.station)
    wired.ledger.tokens.create("alice", actor="test")
    wired.ledger.database.close()
    found = list(ledger(place))
    assert [check.status for check in found] == [Status.OK, Status.WARN]
    assert found[1].what == "Without a token, so they cannot vote: bob"
    assert found[1].todo == "`gare token create bob` makes one."


def test_a_ledger_that_cannot_be_reached(site):
    (found,) = examine(
        site("name: test\nledger: postgresql+psycopg://nobody@127.0.0.1:1/none\n"), [ledger]
    )
    assert found.status is Status.FAIL
    assert found.what.startswith("The ledger cannot be used now: ")


def test_a_station_that_is_not_up(site):
    assert list(server(site())) == [
        Check(Status.WARN, "The station is not up", "`gare up` starts it.")
    ]


def test_a_folder_that_is_no_repository(site, tmp_path):
    (tmp_path / "shop").mkdir()
    found = list(projects(site(shop="name: shop\nsource: {type: git, path: ../shop}\n")))
    assert [check.status for check in found] == [Status.FAIL]
    assert found[0].what.startswith("shop: ")
    assert found[0].todo


def test_secrets_that_are_not_there(site, monkeypatch, git_repository):
    monkeypatch.delenv("SHOP_SMTP", raising=False)
    place = site(
        shop="name: shop\nsource: {type: git, path: ../shop}\nannounce:\n"
        "  - {type: mail, host: mail.example.org, security: tls, username: g, sender: g@example.org, "
        "to: [a@example.org], "
        "password: $SHOP_SMTP}\n"
    )
    found = list(projects(place))
    assert found[-1].status is Status.WARN
    assert (
        found[-1].what
        == "shop: The environment variable SHOP_SMTP is not set, and a secret is taken from it."
    )


@pytest.fixture
def git_repository(tmp_path) -> Path:
    import subprocess

    folder = tmp_path / "shop"
    folder.mkdir()
    for words in (
        ("init", "-q", "-b", "main"),
        ("config", "user.name", "E"),
        ("config", "user.email", "e@example.org"),
        ("commit", "-q", "--allow-empty", "-m", "feat: first"),
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def test_a_calendar_that_cannot_be_read_is_told(site, tmp_path):
    place = site("name: test\ncalendars: [{name: closures, file: closures.ics}]\n")
    [found] = calendars(place)
    assert (found.status, found.what) == (
        Status.FAIL,
        "Calendar closures: The calendar cannot be read: No such file or directory. "
        f"({tmp_path / 'closures.ics'})",
    )
    (tmp_path / "closures.ics").write_text(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nEND:VCALENDAR\r\n"
    )
    told = "Calendar closures in closures.ics: 0 of 0 events close"
    assert list(calendars(place)) == [ok(told)]
    free = "BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261225\r\nTRANSP:TRANSPARENT\r\nEND:VEVENT\r\n"
    text = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{free}END:VCALENDAR\r\n"
    (tmp_path / "closures.ics").write_text(text)
    [check] = calendars(place)
    assert check == warn(
        "Calendar closures in closures.ics: 0 of 1 events close; 1 are marked free",
        "Write `free: closes` beside it.",
    )
