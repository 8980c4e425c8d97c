"""Timetables: slots over both clock changes, boardings before them, rules that cannot be."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gare.domain.clock_changes import changing_time, clocks_change
from gare.domain.recurrence import Rule
from gare.domain.rule_reading import never_departs, read_cron, read_rrule
from gare.domain.timetable import Timetable

PARIS = "Europe/Paris"
START = datetime(2026, 3, 2, 18)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def next_ones(timetable: Timetable, after: datetime, count: int) -> list[str]:
    return [
        slot.departs_at.strftime("%m-%d %H:%M") for slot in islice(timetable.after(after), count)
    ]


@pytest.mark.parametrize(
    "rule", [read_cron("0 18 * * *"), read_rrule("FREQ=DAILY", START)], ids=["cron", "rrule"]
)
def test_a_daily_train_departs_at_the_same_local_time_over_both_clock_changes(rule):
    daily = Timetable(rule, PARIS)
    assert next_ones(daily, utc(2026, 3, 27, 18), 3) == [
        "03-28 17:00",
        "03-29 16:00",
        "03-30 16:00",
    ]
    assert next_ones(daily, utc(2026, 10, 23, 18), 3) == [
        "10-24 16:00",
        "10-25 17:00",
        "10-26 17:00",
    ]


def test_boarding_ends_at_the_same_local_time_though_the_clocks_change_before_the_departure():
    night = Timetable(read_cron("30 3 * * *"), PARIS, timedelta(hours=4))
    for day in (utc(2026, 3, 27), utc(2026, 10, 23)):
        slots = list(islice(night.after(day), 4))
        assert {local(slot.boards_at) for slot in slots} == {"23:30"}
        assert {local(slot.departs_at) for slot in slots} == {"03:30"}


def local(instant: datetime) -> str:
    return instant.astimezone(ZoneInfo(PARIS)).strftime("%H:%M")


def test_every_second_week_is_counted_from_the_first_departure():
    rule = read_rrule("FREQ=WEEKLY;INTERVAL=2", START)
    found = next_ones(Timetable(rule, PARIS), utc(2026, 3, 3), 3)
    assert found == ["03-16 17:00", "03-30 16:00", "04-13 16:00"]


def test_the_slot_that_boards_now_is_the_last_whose_boarding_has_ended():
    weekly = Timetable(read_cron("0 10 * * 2"), PARIS, timedelta(hours=2))
    assert weekly.boarding(utc(2026, 11, 24, 6, 58)).name == "2026-11-17T1000"
    assert weekly.boarding(utc(2026, 11, 24, 7, 0)).name == "2026-11-24T1000"
    # The engine's clock may be a little ahead of ours.
    assert weekly.boarding(utc(2026, 11, 24, 6, 59, 10)).name == "2026-11-24T1000"
    assert weekly.boarding(utc(2026, 11, 30)).name == "2026-11-24T1000"
    assert Timetable(None).boarding(utc(2026, 11, 30)) is None


def test_a_slot_is_known_by_its_name_whether_the_timetable_has_it_or_not():
    weekly = Timetable(read_cron("0 10 * * 2"), PARIS, timedelta(hours=2))
    tuesday, wednesday = weekly.slot("2026-11-24T1000"), weekly.slot("2026-11-25T1000")
    assert (tuesday.boards_at, tuesday.departs_at) == (utc(2026, 11, 24, 7), utc(2026, 11, 24, 9))
    assert weekly.has(tuesday)
    assert not weekly.has(wednesday)
    assert weekly.at(utc(2026, 11, 24, 9, 0, 59)) == tuesday


RULES = st.one_of(
    st.builds(
        lambda days, interval, hour: read_rrule(
            f"FREQ=WEEKLY;INTERVAL={interval};BYDAY={','.join(sorted(days))}",
            datetime(2026, 1, 5, hour),
        ),
        st.sets(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1),
        st.integers(1, 4),
        st.integers(3, 23),
    ),
    st.builds(
        lambda hour, minute, day: read_cron(f"{minute} {hour} * * {day}"),
        st.integers(0, 23),
        st.integers(0, 59),
        st.sampled_from(["*", "1", "1-5", "0,6", "2,4"]),
    ),
)


@given(rule=RULES, minutes=st.integers(0, 3 * 24 * 60))
def test_the_boardings_are_the_departures_each_earlier_by_the_cut_off(rule: Rule, minutes: int):
    by = timedelta(minutes=minutes)
    departures, boardings = in_spring(rule, by), in_spring(rule.earlier(by), timedelta(0))
    assert departures == boardings
    assert boardings


def in_spring(rule: Rule, earlier: timedelta) -> list[datetime]:
    """Return the times of a rule in three months, each earlier by so much."""
    first, last = datetime(2026, 2, 1), datetime(2026, 5, 1)
    moved = (at - earlier for at in rule.dates(last + earlier) if at - earlier >= first)
    return [at for at in moved if at < last]


def test_boardings_are_spelled_as_the_engine_reads_them():
    assert read_cron("0 10 * * TUE").earlier(timedelta(hours=2)).as_cron() == "0 8 * * TUE"
    assert read_cron("0 1 * * MON,THU").earlier(timedelta(hours=2)).as_cron() == "0 23 * * SUN,WED"
    assert read_cron("0 10 1 * *").earlier(timedelta(hours=2)).as_cron() == "0 8 1 * *"
    weekly = read_rrule("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU;UNTIL=20271231T235959", START)
    assert weekly.earlier(timedelta(days=1)).as_rfc() == (
        "DTSTART:20260301T180000\n"
        "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;UNTIL=20271230T235959;WKST=SU"
    )


@pytest.mark.parametrize(
    ("rule", "by", "boards"),
    [
        (read_cron("0 1 1 * *"), 2, ["01-31 23:00", "02-28 23:00"]),
        (read_rrule("FREQ=MONTHLY;BYDAY=1MO", START), 24, ["01-31 18:00", "02-28 18:00"]),
        (read_cron("0 1,12 1 3 *"), 2, ["02-28 23:00", "03-01 10:00"]),
    ],
    ids=["the day before the first of a month", "a whole day before", "some the day before"],
)
def test_boardings_that_no_rule_can_say_are_told_one_by_one(rule, by, boards):
    table = Timetable(rule, PARIS, timedelta(hours=by))
    assert rule.earlier(table.cut_off) is None
    found = [at.strftime("%m-%d %H:%M") for at in table.boardings(2027)]
    assert [at for at in found if at >= boards[0]][:2] == boards


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 10 * *", "other than five fields"),
        ("61 10 * * *", "bad minute"),
        ("0 10 30 2 *", "bad day-of-month"),
        ("0 10 1 * 1", "days of the month and of the week"),
        ("0 10 L * *", "no plain days"),
        ("0 10 * * 1#2", "no plain days"),
    ],
)
def test_a_cron_line_that_cannot_be_says_why(line, said):
    with pytest.raises(ValueError, match=said):
        read_cron(line)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("every Tuesday", "no KEY=VALUE"),
        ("FREQ=HOURLY", "none of DAILY"),
        ("FREQ=WEEKLY;UNTIL=20270101T000000Z", "UNTIL is in UTC"),
        ("FREQ=WEEKLY;COUNT=3", "not an UNTIL"),
        ("FREQ=WEEKLY;BYSECOND=30", "seconds"),
        ("FREQ=WEEKLY;BYDAY=XX", "BYDAY XX is none of MO, TU"),
        ("FREQ=WEEKLY;BYDAY=1TU", "1TU counts days of a month"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL is 0, which is not from 1"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL is -1, which is not from 1"),
        ("FREQ=DAILY;INTERVAL=two", "`TWO` is no number"),
        ("FREQ=DAILY;BYHOUR=25", "BYHOUR is 25, which is not from 0 to 23"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY is 0"),
        ("FREQ=DAILY;FREQ=WEEKLY", "FREQ twice"),
        ("FREQ=DAILY;UNTIL=soon", "UNTIL SOON is no time such as"),
        ("FREQ=DAILY;BYFOO=1", "`BYFOO` is no part of a rule"),
        ("DTSTART:20260101T100000\nRRULE:FREQ=DAILY", "more than the rule"),
    ],
)
def test_a_recurrence_rule_that_cannot_be_says_why(text, said):
    with pytest.raises(ValueError, match=said):
        read_rrule(text, START)


def test_a_rule_that_names_no_day_never_departs():
    assert never_departs(read_rrule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", START))
    assert never_departs(read_rrule("FREQ=WEEKLY;UNTIL=20200101", START))
    assert not never_departs(read_rrule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", START))


PARTS = st.fixed_dictionaries(
    {"FREQ": st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY", "HOURLY"])},
    optional={
        "INTERVAL": st.integers(-2, 1001).map(str),
        "BYDAY": st.sampled_from(["MO", "1TU", "-1SU", "MO,WE", "XX", "0FR"]),
        "BYMONTH": st.integers(-1, 13).map(str),
        "BYMONTHDAY": st.integers(-32, 32).map(str),
        "BYHOUR": st.integers(-1, 24).map(str),
        "BYSETPOS": st.integers(-2, 2).map(str),
        "BYWEEKNO": st.integers(-54, 54).map(str),
        "UNTIL": st.sampled_from(["20260101", "20270101T000000", "20270101T000000Z", "never"]),
    },
)


@settings(deadline=timedelta(seconds=5))
@given(parts=PARTS)
def test_whatever_is_written_is_refused_or_gives_departures_in_order_and_soon(parts):
    try:
        rule = read_rrule(";".join(f"{key}={value}" for key, value in parts.items()), START)
    except ValueError:
        return
    if never_departs(rule):
        return
    found = list(islice(Timetable(rule, PARIS).after(utc(2026, 3, 1)), 3))
    assert found == sorted(found, key=lambda slot: slot.departs_at)


@pytest.mark.parametrize(
    ("line", "zone", "at"),
    [
        ("30 2 * * 2", PARIS, "02:30"),
        ("0 3 * * *", PARIS, ""),
        ("59 1 * * *", PARIS, ""),
        ("30 1 * * *", "Europe/London", "01:30"),
        ("30 2 * * *", "UTC", "02:30"),
        ("0 0 * * *", "Africa/Cairo", "00:00"),
        ("15 23 * * *", "Africa/Cairo", "23:15"),
        ("15 23 * * *", "America/Santiago", "23:15"),
        ("15 23 * * *", "Asia/Beirut", "23:15"),
        ("15 23 * * *", "America/Nuuk", "23:15"),
        ("15 22 * * *", "America/Nuuk", ""),
        ("45 1 * * *", "Australia/Lord_Howe", "01:45"),
        ("15 1 * * *", "Australia/Lord_Howe", ""),
    ],
)
def test_times_at_which_clocks_change_are_found(line, zone, at):
    assert changing_time(read_cron(line).times, zone, 2026) == at


def test_an_hour_that_is_left_out_everywhere_is_not_said_to_be_one_of_a_zone_without_changes():
    said = {zone: clocks_change("02:30", zone, 2026) for zone in (PARIS, "UTC", "Asia/Tokyo")}
    assert said == {PARIS: True, "UTC": False, "Asia/Tokyo": False}
    assert clocks_change("01:30", "Europe/London", 2026)
