"""Timetables: slots over both clock changes, boardings before them, rules that cannot be."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gare.domain.timetable import (
    Rule,
    Timetable,
    changing_time,
    never_departs,
    read_cron,
    read_rrule,
)

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
    ("line", "by"),
    [("0 1 1 * *", timedelta(hours=2)), ("0 1,12 * * *", timedelta(hours=2))],
    ids=["the day before the first of a month", "some the day before, some not"],
)
def test_a_boarding_that_no_rule_can_say_is_refused(line, by):
    with pytest.raises(ValueError, match=r"another day|do not move together"):
        read_cron(line).earlier(by)


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
        ("FREQ=WEEKLY;BYDAY=XX", "cannot be read"),
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


@pytest.mark.parametrize(
    ("line", "zone", "at"),
    [
        ("30 2 * * 2", PARIS, "02:30"),
        ("0 3 * * *", PARIS, ""),
        ("59 1 * * *", PARIS, ""),
        ("30 1 * * *", "Europe/London", "01:30"),
        ("30 2 * * *", "UTC", "02:30"),
        ("0 0 * * *", "Africa/Cairo", "00:00"),
    ],
)
def test_times_at_which_clocks_change_are_found(line, zone, at):
    assert changing_time(read_cron(line), zone) == at
