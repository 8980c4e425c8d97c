"""Freeze windows in files and commands: what they become, and every way in which they can be wrong."""

# ruff: noqa: E501 - tables of whole messages, one row each

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from gare.config.freeze_problems import Known, read_freeze, read_stop
from gare.config.freezes import CalendarFile
from gare.config.loader import Station, load_station
from gare.domain.freezes import OnClosed, Scope, WindowKind
from gare.domain.plan import Kind
from gare.domain.spans import Holidays, Once, Rule, Weekly
from gare.errors import ConfigError

PARIS, NEW_YORK = ZoneInfo("Europe/Paris"), ZoneInfo("America/New_York")
STATION = """\
name: acme
environments: {staging: {}, production: {}}
freezes:
"""
PROJECT = """\
name: shop
source: {type: git}
environments:
  production: {target: {type: directory, path: out}}
freezes:
  - {name: own, days: [monday], environments: [productoin]}
"""


def freeze(text: str, root):
    """The one window of a station's file; the station has a project."""
    (root / "gare.yaml").write_text(PROJECT.partition("freezes:")[0])
    (root / "station.yaml").write_text(f"{STATION}  - {{name: one, {text}}}\n")
    return load_station(root).config.freezes[0]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        (
            "start: 2026-12-18 18:00, end: 2027-01-04T08:00",
            Once(datetime(2026, 12, 18, 18), datetime(2027, 1, 4, 8), PARIS),
        ),
        (
            "start: 2026-12-24, end: 2026-12-24, zone: America/New_York",
            Once(datetime(2026, 12, 24), datetime(2026, 12, 25), NEW_YORK),
        ),
        ('days: [friday], after: "15:00"', Weekly(frozenset({4}), time(15), time(), PARIS)),
        (
            'days: [saturday, sunday], after: "22:00", before: "06:00"',
            Weekly(frozenset({5, 6}), time(22), time(6), PARIS),
        ),
        (
            "rrule: FREQ=MONTHLY;BYDAY=-1FR, start: 2026-01-30 18:00, lasts: 2d12h",
            Rule(
                datetime(2026, 1, 30, 18),
                "FREQ=MONTHLY;BYDAY=-1FR",
                timedelta(days=2, hours=12),
                PARIS,
            ),
        ),
        ("holidays: FR", Holidays("FR", "", PARIS)),
        ('holidays: FR, region: "57"', Holidays("FR", "57", PARIS)),
        ("holidays: FR, kind: allow", Holidays("FR", "", PARIS, is_short=True)),
    ],
)
def test_a_window_says_when_in_one_of_four_ways(text, times, tmp_path):
    assert freeze(text, tmp_path).times() == times


def test_what_is_not_said_is_that_every_release_waits_everywhere_but_a_rollback(tmp_path):
    made = freeze("holidays: FR", tmp_path)
    assert made.scope() == Scope(("*",), ("*",), frozenset({Kind.ROLLBACK}))
    assert (made.kind, made.on_closed) == (WindowKind.DENY, OnClosed.WAIT)


def test_only_a_window_of_one_time_is_over_some_day(tmp_path):
    once = freeze("start: 2026-12-24, end: 2026-12-24", tmp_path)
    assert once.over_at() == datetime(2026, 12, 25, tzinfo=PARIS)
    assert freeze("days: [friday]", tmp_path).over_at() is None
    # After a time at which it may be changed, it is as closed as before.
    hours = freeze("kind: allow, start: 2026-12-24, end: 2026-12-24", tmp_path)
    assert hours.over_at() is None


WRONG = [
    ("reason: x", "freezes[0]: it does not say when. Write `start` and `end`, or `days`, `rrule` or `holidays`."),
    ("start: 2026-12-18", "freezes[0].end: the key is missing. Write `end: 2026-12-19 00:00`; without an end it is a stop: `gare freeze stop one`."),
    ("end: 2026-12-18", "freezes[0].start: the key is missing. Write `start: 2026-12-18 00:00`."),
    ("start: 2026-12-19, end: 2026-12-18", "freezes[0].end: it ends before it starts. Write an `end` after 2026-12-19."),
    (
        "start: 2026-12-18 18:00, end: 2026-12-18 18:00",
        "freezes[0].end: it ends before it starts. Write an `end` after 2026-12-18 18:00.",
    ),
    (
        "start: tomorrow, end: 2026-12-18",
        'freezes[0].start: "tomorrow" cannot be used. Write a local day and time, such as 2026-12-18 18:00, or a day alone.',
    ),
    (
        "start: 2026-02-30, end: 2026-12-18",
        'freezes[0].start: "2026-02-30" cannot be used. Write a local day and time, such as 2026-12-18 18:00, or a day alone.',
    ),
    (
        "start: 2026-12-18T18:00+01:00, end: 2026-12-24",
        'freezes[0].start: "2026-12-18T18:00+01:00" cannot be used. Write a local day and time, such as 2026-12-18 18:00, or a day alone.',
    ),
    (
        "days: [friday], zone: Europe/Pariss",
        "freezes[0].zone: there is no time zone `Europe/Pariss`. Write a name of the IANA database, such as Europe/Paris.",
    ),
    (
        "days: [friday], zone: ../../etc/passwd",
        "freezes[0].zone: there is no time zone `../../etc/passwd`. Write a name of the IANA database, such as Europe/Paris.",
    ),
    (
        "days: [fri]",
        'freezes[0].days[0]: "fri" is not known here. Did you mean `friday`? '
        "Write one of `monday`, `tuesday`, `wednesday`, `thursday`, `friday`, `saturday` or `sunday`.",
    ),
    (
        "start: 2026-01-01, end: 9999-12-31",
        'freezes[0].end: "9999-12-31" cannot be used. Write a year from 1970 to 2999.',
    ),
    (
        "start: 0001-01-01, end: 2026-12-31",
        'freezes[0].start: "0001-01-01" cannot be used. Write a year from 1970 to 2999.',
    ),
    *(
        (
            f'days: [friday], after: "{hour}"',
            f'freezes[0].after: "{hour}" cannot be used. Write an hour of the day, such as 15:00; `zone` says where.',
        )
        for hour in ("25:00", "15:00Z", "15:00+02:00")
    ),
    (
        "rrule: FREQ=DAILY;INTERVAL=-1, start: 2026-12-18, lasts: 4h",
        "freezes[0].rrule: its INTERVAL is not above 0. Write one such as `FREQ=MONTHLY;BYDAY=-1FR`.",
    ),
    (
        "rrule: FREQ=WEEKLY, start: 2026-12-18, lasts: 900000000d",
        'freezes[0].lasts: "900000000d" cannot be used. Write a shorter duration; 100 years are the longest.',
    ),
    (
        "days: [friday], projects: [shpo]",
        "freezes[0].projects[0]: there is no project `shpo`. Did you mean `shop`? Projects are `shop`.",
    ),
    ("days: [friday], start: 2026-12-18", "freezes[0].start: `start` does not go with `days`. Take it out."),
    ("holidays: FR, after: 15:00", "freezes[0].after: `after` goes with `days`. Take it out."),
    ("days: [friday], holidays: FR", "freezes[0].holidays: `days` and `holidays` are several ways to say when. Write a freeze for each."),
    (
        "days: [monday, tuesday, wednesday, thursday, friday, saturday, sunday]",
        "freezes[0].days: these hours run into each other: it never opens. Leave a day or an hour out.",
    ),
    (
        "rrule: FREQ=WEEKLY, lasts: 4h",
        "freezes[0].start: the key is missing. Write when the first one starts: `start: 2026-12-18 18:00`.",
    ),
    ("rrule: FREQ=WEEKLY, start: 2026-12-18", "freezes[0].lasts: the key is missing. Write how long each time is: `lasts: 4h`."),
    (
        "rrule: FREQ=WEEKLY, start: 2026-12-18, lasts: 4h, end: 2026-12-19",
        "freezes[0].end: `end` does not go with `rrule`. Write `lasts`, and UNTIL or COUNT in the rule.",
    ),
    (
        "rrule: FREQ=DAILY, start: 2026-12-18, lasts: 1d",
        "freezes[0].rrule: its times run into each other: it never ends. "
        "Write a shorter `lasts`, or an end of the rule: `UNTIL=20270104T080000` or `COUNT=5`.",
    ),
    (
        "rrule: FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30, start: 2026-12-18, lasts: 4h",
        "freezes[0].rrule: it never fires from 2026-12-18 00:00 on. Write one such as `FREQ=MONTHLY;BYDAY=-1FR`.",
    ),
    (
        "rrule: FREQ=SECONDLY, start: 2026-12-18, lasts: 4h",
        "freezes[0].rrule: its FREQ is none of DAILY, WEEKLY, MONTHLY, YEARLY. Write one such as `FREQ=MONTHLY;BYDAY=-1FR`.",
    ),
    ("holidays: XX", "freezes[0].holidays: no holidays of a country `XX` are known. Write its ISO 3166 code, such as `FR`."),
    (
        "holidays: FR, region: Paris",
        "freezes[0].region: no holidays of a region `Paris` are known. Write its ISO 3166 code, such as `57`.",
    ),
    (
        "days: [friday], lets: [rolback]",
        'freezes[0].lets[0]: "rolback" is not known here. Did you mean `rollback`? Write one of `release`, `hotfix`, `rollback` or `train`.',
    ),
    (
        "days: [friday], environments: [prod]",
        "freezes[0].environments[0]: there is no environment `prod`. Did you mean `production`? Environments are `staging` and `production`.",
    ),
    ("days: [friday], projects: []", "freezes[0].projects: this cannot be used. Write entries, at least 1."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[text for text, _ in WRONG])
def test_what_is_wrong_is_said_at_its_line(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        freeze(text, tmp_path)
    assert str(caught.value) == f"station.yaml:4: {message}"


def test_patterns_of_environments_may_match_none(tmp_path):
    assert freeze("days: [friday], environments: [client-*]", tmp_path).environments == (
        "client-*",
    )


def test_names_are_used_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "station.yaml").write_text(
        f"{STATION}  - {{name: one, holidays: FR}}\n  - {{name: one, days: [friday]}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_station(tmp_path)
    assert str(caught.value) == (
        "station.yaml:5: freezes[1].name: `one` is already freezes[0]. Give each a name of its own."
    )


def test_names_are_used_once_over_windows_and_calendars(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = f"{STATION}  - {{name: one, holidays: FR}}\ncalendars: [{{name: one, file: one.ics}}]\n"
    (tmp_path / "station.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_station(tmp_path)
    assert str(caught.value) == (
        "station.yaml:5: calendars[0].name: `one` is already freezes[0]. Give each a name of its own."
    )


ABOUT = (
    "name: acme\nfreezes:\n  - {name: one, days: [friday], projects: [shop, 'sh*']}\n"
    "calendars:\n  - {name: two, file: two.ics, projects: [NAME]}\n"
)


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    """Give the way to open a station of two projects, in which a calendar is about `name`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "projects").mkdir()
    for name in ("shop", "api"):
        text = PROJECT.partition("environments:")[0].replace("shop", name)
        (tmp_path / "projects" / f"{name}.yaml").write_text(text)

    def look(name: str) -> Station:
        (tmp_path / "station.yaml").write_text(ABOUT.replace("NAME", name))
        return load_station(tmp_path, leave_out_broken=True)

    return look


def test_a_calendar_about_a_project_that_there_is_not_is_refused_before_anything_is_planned(fleet):
    with pytest.raises(ConfigError) as caught:
        fleet("shpo").check_freezes()
    assert str(caught.value) == (
        "station.yaml:5: calendars[0].projects[0]: there is no project `shpo`. "
        "Did you mean `shop`? Projects are `api` and `shop`."
    )


def test_a_freeze_is_about_a_project_whose_own_file_is_wrong(fleet, tmp_path):
    with (tmp_path / "projects" / "api.yaml").open("a") as file:
        file.write("biuld: {}\n")
    fleet("api").check_freezes()
    with pytest.raises(ConfigError, match="Did you mean `api`"):
        fleet("apii").check_freezes()


@pytest.mark.parametrize("lost", ["repositories: [nowhere]\n", ""])
def test_while_a_project_does_not_say_its_name_nobody_knows_which_there_are_not(
    fleet, tmp_path, lost
):
    station = fleet("web")
    if lost:
        (tmp_path / "station.yaml").write_text(ABOUT.replace("NAME", "web") + lost)
        station = load_station(tmp_path, leave_out_broken=True)
    else:
        (tmp_path / "projects" / "api.yaml").write_text("name: {")
    station.check_freezes()


def test_only_projects_that_freezes_name_are_read_to_look_at_them(fleet, tmp_path):
    station = fleet("shop")
    station.check_freezes()
    (tmp_path / "projects" / "api.yaml").write_text("name: {")
    assert station.projects.problems != ()  # it was read only now


def test_a_wrong_project_and_a_wrong_environment_of_a_freeze_are_told_at_once(fleet, tmp_path):
    text = ABOUT.replace("shop, 'sh*'", "shpo").replace("days:", "environments: [prod], days:")
    text = text.replace("NAME", "api") + "environments: {production: {}}\n"
    (tmp_path / "station.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_station(tmp_path, leave_out_broken=True)
    assert str(caught.value).splitlines() == [
        "2 problems in station.yaml:",
        "  station.yaml:3: freezes[0].environments[0]: there is no environment `prod`. "
        "Did you mean `production`? Environments are `production`.",
        "  station.yaml:3: freezes[0].projects[0]: there is no project `shpo`. "
        "Did you mean `shop`? Projects are `api` and `shop`.",
    ]


def test_a_project_speaks_for_itself_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "station.yaml").write_text("name: acme\n")
    own = PROJECT.partition("  - {name: own")[0]
    (tmp_path / "gare.yaml").write_text(
        f"{own}  - {{name: own, days: [monday], projects: [api]}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_station(tmp_path)
    assert str(caught.value) == (
        "gare.yaml:6: freezes[0].projects: a freeze in this file is about `shop` alone. "
        "Take it out, or write the freeze into station.yaml."
    )


def test_a_project_has_windows_of_its_own_about_its_environments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "station.yaml").write_text("name: acme\n")
    (tmp_path / "gare.yaml").write_text(PROJECT)
    with pytest.raises(ConfigError) as caught:
        load_station(tmp_path)
    assert str(caught.value) == (
        "gare.yaml:6: freezes[0].environments[0]: there is no environment `productoin`. "
        "Did you mean `production`? Environments are `production`."
    )


def test_a_command_says_what_is_wrong_with_its_words():
    said = {"name": "one", "rrule": "FREQ=DAILY", "start": "2026-12-18", "lasts": "1d"}
    with pytest.raises(ConfigError) as caught:
        read_freeze("gare freeze add", said, Known())
    assert caught.value.what == (
        "gare freeze add: rrule: its times run into each other: it never ends."
    )


NOW = datetime(2026, 12, 1, tzinfo=PARIS)
KNOWN = Known(["staging", "production"], ["shop", "api"])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"environments": ["prodution"]}, "environments[0]: there is no environment `prodution`. Did you mean `production`? Environments are `staging` and `production`."),
        ({"projects": ["shpo"]}, "projects[0]: there is no project `shpo`. Did you mean `shop`? Projects are `shop` and `api`."),
        ({"lasts": "0s"}, 'lasts: "0s" cannot be used. Write how long it lasts, such as 4h; without it, until somebody lifts it.'),
    ],
)  # fmt: skip
def test_a_stop_about_nothing_is_refused(said, message):
    with pytest.raises(ConfigError) as caught:
        read_stop("gare freeze stop", {"name": "db", "reason": "down", **said}, KNOWN)
    assert str(caught.value) == f"gare freeze stop: {message}"


def test_a_stop_may_let_nobody_through():
    said = {"name": "db", "reason": "down", "lets": [], "projects": ["shop-*"]}
    assert read_stop("gare freeze stop", said, KNOWN).scope().lets == frozenset()


THEN = {"start": "2020-01-30 18:00", "lasts": "2h"}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            {"start": "2020-01-01", "end": "2020-01-02"},
            "end: it was over 2020-01-02 23:00 UTC (2020-01-03 00:00 Europe/Paris). Write an `--end` that is to come.",
        ),
        (
            {**THEN, "rrule": "FREQ=DAILY;COUNT=3"},
            "rrule: it was over 2020-02-01 19:00 UTC (20:00 Europe/Paris). Write an UNTIL or a COUNT that reaches beyond today.",
        ),
        (
            {**THEN, "rrule": "FREQ=WEEKLY;UNTIL=20261126"},
            "rrule: it was over 2026-11-26 19:00 UTC (20:00 Europe/Paris). Write an UNTIL or a COUNT that reaches beyond today.",
        ),
    ],
)
def test_a_window_that_is_over_is_not_added(said, message):
    with pytest.raises(ConfigError) as caught:
        read_freeze("gare freeze add", {"name": "one", **said}, KNOWN, NOW)
    assert str(caught.value) == f"gare freeze add: {message}"


@pytest.mark.parametrize(
    "rrule", ["FREQ=DAILY", "FREQ=DAILY;UNTIL=20261202", "FREQ=YEARLY;INTERVAL=8;COUNT=2"]
)
def test_a_rule_is_added_while_one_of_its_times_is_to_come(rrule):
    made = read_freeze("gare freeze add", {"name": "one", **THEN, "rrule": rrule}, KNOWN, NOW)
    assert made.rrule == rrule


def test_what_a_command_lacks_is_said_as_options_with_an_end_after_its_start():
    def said(**given: str) -> str:
        with pytest.raises(ConfigError) as caught:
            read_freeze("gare freeze add", {"name": "one", **given}, KNOWN, NOW)
        return str(caught.value).removeprefix("gare freeze add: ")

    assert said(start="2026-12-01 08:00") == (
        'end: the option is missing. Write `--end "2026-12-02 08:00"`; '
        "without an end it is a stop: `gare freeze stop one`."
    )
    assert said(reason="x") == (
        "it does not say when. Write `--start` and `--end`, or `--day`, `--rrule` or `--holidays`."
    )
    assert said(after="15:00", holidays="FR") == "after: `--after` goes with `--day`. Take it out."
    assert said(rrule="FREQ=DAILY", start="2026-12-01") == (
        "lasts: the option is missing. Write how long each time is: `--lasts 4h`."
    )


def test_a_freeze_is_endless_unless_somebody_wrote_its_end(tmp_path):
    rule = "start: 2026-01-30 18:00, lasts: 2h, rrule: FREQ=WEEKLY"
    endless = ("days: [friday]", "holidays: FR", rule)
    assert all(freeze(text, tmp_path).is_endless for text in endless)
    ended = ("start: 2026-12-24, end: 2026-12-24", f"{rule};UNTIL=20270104", f"{rule};COUNT=5")
    assert not any(freeze(text, tmp_path).is_endless for text in ended)


def test_every_wrong_name_of_a_freeze_is_told_at_once():
    with pytest.raises(ConfigError) as caught:
        read_freeze(
            "gare freeze add",
            {"name": "one", "days": ["friday"], "projects": ["shpo"], "environments": ["prod"]},
            KNOWN,
        )
    assert "there is no project `shpo`" in str(caught.value)
    assert "there is no environment `prod`" in str(caught.value)


def test_calendars_say_whom_they_are_about_as_windows_do(tmp_path):
    (tmp_path / "station.yaml").write_text(
        "name: acme\ncalendars:\n  - {name: closures, file: closures.ics, environments: [production]}\n"
    )
    [one] = load_station(tmp_path).config.calendars
    assert isinstance(one, CalendarFile)
    assert one.scope().environments == ("production",)
