"""Trains are found and read; whatever is wrong is said with file, line, key and what to write."""

# ruff: noqa: E501 - tables of whole messages, one row each

import pytest

from gare.config.loader import load_station
from gare.errors import ConfigError

STATION = """\
people:
  - {name: alice, email: alice@example.org, groups: [managers]}
environments: {production: {}}
"""
PROJECT = """\
name: {name}
labels: [{labels}]
source: {{type: git}}
"""
TRAIN = """\
name: fortnightly
schedule: {rrule: FREQ=WEEKLY;INTERVAL=2, start: '2026-11-24T10:00', zone: Europe/Paris}
cut_off: 2h
notice: 1h
members: [shop, api]
labels: [mobile]
needs:
  shop: [api]
  app: [shop]
announce: [{type: file, path: told.md}]
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "station.yaml").write_text(STATION)
    (tmp_path / "projects").mkdir()
    for name, labels in (("shop", ""), ("api", "backend"), ("app", "mobile")):
        (tmp_path / "projects" / f"{name}.yaml").write_text(
            PROJECT.format(name=name, labels=labels)
        )
    (tmp_path / "trains").mkdir()
    return tmp_path


def write(root, text: str) -> None:
    (root / "trains" / "fortnightly.yaml").write_text(text)


def test_members_are_those_listed_and_those_of_a_label(root):
    write(root, TRAIN)
    train = load_station(root).train("fortnightly")
    assert train.members == ("shop", "api", "app")
    assert train.timetable.zone == "Europe/Paris"


def test_a_train_that_is_not_there_names_those_that_are(root):
    write(root, TRAIN)
    with pytest.raises(ConfigError, match=r"no train `fortnihtly`.*Did you mean `fortnightly`"):
        load_station(root).train("fortnihtly")


def test_a_broken_train_stops_no_other(root):
    write(root, TRAIN)
    (root / "trains" / "broken.yaml").write_text("name: broken\nmembers: []\n")
    station = load_station(root, leave_out_broken=True)
    assert list(station.trains) == ["fortnightly"]
    assert [problem.what for problem in station.trains.problems] == ["the train has no member."]


def test_a_member_whose_file_is_wrong_is_a_member_all_the_same(root):
    write(root, TRAIN)
    for name in ("app", "api"):
        with (root / "projects" / f"{name}.yaml").open("a") as file:
            file.write("biuld: {}\n")
    station = load_station(root, leave_out_broken=True)
    assert station.train("fortnightly").members == ("shop", "api", "app")
    with pytest.raises(ConfigError) as caught:
        station.project("api")
    assert "projects/api.yaml:4: biuld: this key is not known" in str(caught.value)
    assert "app.yaml" not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        load_station(root)
    assert "no project" not in str(caught.value)


def test_a_train_whose_file_is_wrong_is_known_by_its_name(root):
    write(root, TRAIN.replace("members:", "memebrs:"))
    trains = load_station(root, leave_out_broken=True).trains
    assert list(trains.broken) == ["fortnightly"]
    assert not trains


MESSAGES = [
    (
        "  app: [shop]\n",
        "  app: [shop]\n  api: [app]\n",
        "trains/fortnightly.yaml:8: needs.shop: the members wait for each other in a circle: shop -> api -> app -> shop. Take one of them out.",
    ),
    (
        "members: [shop, api]",
        "members: [shop, api, shopp]",
        "trains/fortnightly.yaml:5: members[2]: there is no project `shopp`. Did you mean `shop`? Projects are `api`, `app` and `shop`.",
    ),
    (
        "labels: [mobile]",
        "labels: [mobil]",
        "trains/fortnightly.yaml:6: labels[0]: no project has the label `mobil`. Did you mean `mobile`? Labels are `backend` and `mobile`.",
    ),
    (
        "shop: [api]",
        "shop: [web]",
        "trains/fortnightly.yaml:8: needs.shop[0]: `web` is no member of this train. Members are `shop`, `api` and `app`.",
    ),
    (
        "rrule: FREQ=WEEKLY;INTERVAL=2",
        "rrule: FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "trains/fortnightly.yaml:2: schedule.rrule: the train never departs by it. Name a day that there is, or take it out.",
    ),
    (
        "rrule: FREQ=WEEKLY;INTERVAL=2",
        "rrule: FREQ=DAILY;INTERVAL=0",
        "trains/fortnightly.yaml:2: schedule.rrule: this is no rrule that a train can have: its INTERVAL is 0, which is not from 1 to 1000. Write one such as `FREQ=WEEKLY;INTERVAL=2`.",
    ),
    (
        "T10:00'",
        "T10:00:30'",
        "trains/fortnightly.yaml:2: schedule.start: a train departs at a whole minute. Write it such as `start: 2026-11-24T10:00`.",
    ),
    (
        "2026-11-24T10:00'",
        "1026-11-24T10:00'",
        "trains/fortnightly.yaml:2: schedule.start: its year is not from 2000 to 2099. Write it such as `start: 2026-11-24T10:00`.",
    ),
    (
        "cut_off: 2h",
        "cut_off: 60d",
        "trains/fortnightly.yaml:3: cut_off: boarding ends at most 28 days before the departure. Write a shorter one, such as `2h` or `1d`.",
    ),
    (
        "rrule: FREQ=WEEKLY;INTERVAL=2",
        "rrule: 'FREQ=DAILY;BYHOUR=1,12'",
        "trains/fortnightly.yaml:3: cut_off: with this `rrule` the end of boarding cannot be planned: some end on the day before, some do not. Take a shorter one, or a rule with one departure a day.",
    ),
    (
        "T10:00'",
        "T02:30'",
        "trains/fortnightly.yaml:2: schedule.rrule: at 02:30 no train departs: clocks of this zone change then on some days, and it comes never or twice. Take another time than from 02:00 to 03:00, or than the hour at which this zone changes its clocks.",
    ),
    (
        "T10:00', zone: Europe/Paris",
        "T02:59', zone: UTC",
        "trains/fortnightly.yaml:2: schedule.rrule: at 02:59 no train departs: from 02:00 to 03:00 is left out in every zone, as clocks of most change then. Take another time than from 02:00 to 03:00, or than the hour at which this zone changes its clocks.",
    ),
    (
        "T10:00'",
        "T04:30'",
        "trains/fortnightly.yaml:3: cut_off: boarding would end at 02:30: clocks of this zone change then on some days, and it comes never or twice. Take a longer or a shorter one.",
    ),
    (
        "cut_off: 2h",
        "cut_off: -2h",
        "trains/fortnightly.yaml:3: cut_off: boarding would end after the departure. Write how long before it, such as 2h.",
    ),
    (
        "notice: 1h",
        "notice: 3h",
        "trains/fortnightly.yaml:4: notice: it would be due before boarding has ended, when nobody knows yet who departs. Write at most the `cut_off` of 2h, or a longer `cut_off`.",
    ),
    (
        "announce: [{type: file, path: told.md}]\n",
        "",
        "trains/fortnightly.yaml:4: notice: there is nobody to tell. Write `announce`, or take it out.",
    ),
    (
        "Europe/Paris",
        "Europe/Pari",
        "trains/fortnightly.yaml:2: schedule.zone: there is no time zone `Europe/Pari`. Did you mean `Europe/Paris`? Write one such as `Europe/Paris`.",
    ),
    (
        "rrule: FREQ=WEEKLY;INTERVAL=2, start: '2026-11-24T10:00'",
        "cron: 0 10 30 2 *",
        "trains/fortnightly.yaml:2: schedule.cron: this is no cron that a train can have: bad day-of-month. Write one such as `0 10 * * 2`.",
    ),
    (
        "rrule: FREQ=WEEKLY;INTERVAL=2, start: '2026-11-24T10:00'",
        "cron: 0 10 * * 2, rrule: FREQ=DAILY",
        "trains/fortnightly.yaml:2: schedule: it has one of `cron` and `rrule`. Write one of the two.",
    ),
    (
        "start: '2026-11-24T10:00'",
        "start: '2026-11-24T10:00Z'",
        "trains/fortnightly.yaml:2: schedule.start: an `rrule` has its first departure in local time, without a zone. Write it such as `start: 2026-11-24T10:00`.",
    ),
    (
        "cut_off: 2h",
        "cut_off: 2h\ngo: {groups: {manager: 1}}",
        "trains/fortnightly.yaml:4: go.groups.manager: nobody in station.yaml is in this group. Did you mean `managers`? Groups of people are `managers`.",
    ),
    (
        "notice: 1h",
        "notices: 1h",
        "trains/fortnightly.yaml:4: notices: this key is not known. Did you mean `notice`?",
    ),
]


@pytest.mark.parametrize(("right", "wrong", "said"), MESSAGES, ids=[row[1] for row in MESSAGES])
def test_what_is_wrong_is_said_with_what_to_write(root, right, wrong, said):
    assert right in TRAIN
    write(root, TRAIN.replace(right, wrong))
    with pytest.raises(ConfigError) as caught:
        load_station(root)
    assert said in str(caught.value)
