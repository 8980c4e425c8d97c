"""Times that come again become the right instants, on the days of both clock changes too."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gare.domain.spans import Crons, Holidays, Once, Rule, Span, Weekly, merged, over_since

PARIS = ZoneInfo("Europe/Paris")
ZONES = [PARIS, *map(ZoneInfo, ["America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])]
DAY = timedelta(days=1)
SPRING, AUTUMN = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)

zones = st.sampled_from(ZONES)
hours = st.times(max_value=time(23, 59)).map(
    lambda at: at.replace(second=0, microsecond=0, tzinfo=None)
)
near_changes = st.sampled_from([SPRING, AUTUMN, datetime(2026, 3, 8, tzinfo=UTC)])
instants = st.builds(
    lambda start, minutes: start + timedelta(minutes=minutes),
    st.one_of(near_changes, st.just(datetime(2026, 6, 1, tzinfo=UTC))),
    st.integers(-3 * 1440, 4 * 1440),
)
weeklies = st.builds(Weekly, st.frozensets(st.integers(0, 6), min_size=1), hours, hours, zones)
rules = st.builds(
    Rule,
    st.datetimes(datetime(2025, 11, 1), datetime(2026, 3, 1)),
    st.sampled_from(
        [
            "FREQ=DAILY",
            "FREQ=DAILY;INTERVAL=3",
            "FREQ=WEEKLY;BYDAY=FR,SU",
            "FREQ=MONTHLY;BYDAY=-1SU",
        ]
    ),
    st.timedeltas(timedelta(minutes=10), timedelta(days=9)),
    zones,
)
onces = st.builds(
    lambda start, lasts, zone: Once(start, start + lasts, zone),
    st.datetimes(datetime(2026, 3, 1), datetime(2026, 11, 1)),
    st.timedeltas(timedelta(minutes=1), timedelta(days=30)),
    zones,
)
holidays = st.builds(Holidays, st.sampled_from(["FR", "DE"]), st.just(""), zones)
every_kind = st.one_of(weeklies, rules, onces, holidays)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def spans_on(times, day: datetime) -> list[tuple[str, str]]:
    """The spans of one UTC day, as short texts."""
    return [(f"{s.start:%d %H:%M}", f"{s.end:%d %H:%M}") for s in times.spans(day, day + DAY)]


@settings(deadline=None)  # the first holidays are read from a large library
@given(every_kind, instants, st.timedeltas(timedelta(minutes=1), timedelta(days=40)))
def test_a_look_at_some_time_finds_what_a_longer_look_finds_there(times, begin, length):
    end = begin + length
    longer = times.spans(begin - 50 * DAY, end + 50 * DAY)
    assert times.spans(begin, end) == [span for span in longer if span.overlaps(begin, end)]


@given(weeklies, instants)
def test_weekly_hours_are_closed_whenever_the_clock_on_the_wall_is_in_them(weekly, at):
    assert not wall_says(weekly, at) or is_in(weekly, at)


@given(weeklies, instants)
def test_weekly_hours_are_no_longer_than_that_on_days_without_a_clock_change(weekly, at):
    local = at.astimezone(weekly.zone)
    assume(len({(local + days * DAY).utcoffset() for days in range(-2, 3)}) == 1)
    assert is_in(weekly, at) == wall_says(weekly, at)


@given(weeklies, instants)
def test_hours_that_allow_are_never_longer_than_the_clock_on_the_wall_says(weekly, at):
    allowing = Weekly(weekly.days, weekly.after, weekly.before, weekly.zone, is_short=True)
    assert not is_in(allowing, at) or wall_says(weekly, at) or is_repeated(weekly.zone, at)


def wall_says(weekly: Weekly, at: datetime) -> bool:
    local = at.astimezone(weekly.zone).replace(tzinfo=None)
    today, before = local.weekday() in weekly.days, (local - DAY).weekday() in weekly.days
    if weekly.before > weekly.after:
        return today and weekly.after <= local.time() < weekly.before
    return (today and local.time() >= weekly.after) or (before and local.time() < weekly.before)


def is_in(times, at: datetime) -> bool:
    return any(span.has(at) for span in times.spans(at, at + timedelta(microseconds=1)))


def is_repeated(zone: ZoneInfo, at: datetime) -> bool:
    """Whether clocks are set back within the day: the wall shows some hour twice."""
    return (at + DAY).astimezone(zone).utcoffset() < (at - DAY).astimezone(zone).utcoffset()


def test_hours_around_a_skipped_hour_are_taken_as_the_longer_ones():
    # 02:00 to 03:00 does not exist in Paris on 29 March 2026: 01:59 CET (00:59 UTC) is followed by 03:00 CEST.
    assert spans_on(Weekly(frozenset({6}), time(2, 30), time(5), PARIS), SPRING) == [
        ("29 00:30", "29 03:00")
    ]
    assert spans_on(Weekly(frozenset({6}), time(1), time(2, 30), PARIS), SPRING) == [
        ("29 00:00", "29 01:30")
    ]


def test_hours_around_a_repeated_hour_last_to_its_second_time():
    # 02:00 to 03:00 comes twice in Paris on 25 October 2026: from 00:00 and from 01:00 UTC.
    assert spans_on(Weekly(frozenset({6}), time(1), time(2, 30), PARIS), AUTUMN) == [
        ("24 23:00", "25 01:30")
    ]
    allowed = Weekly(frozenset({6}), time(1), time(2, 30), PARIS, is_short=True)
    assert spans_on(allowed, AUTUMN) == [("24 23:00", "25 00:30")]


def test_fridays_after_three_keep_their_hour_in_summer_and_winter():
    fridays = Weekly(frozenset({4}), time(15), time(), PARIS)
    assert spans_on(fridays, utc("2026-03-27")) == [("27 14:00", "27 23:00")]
    assert spans_on(fridays, utc("2026-04-03")) == [("03 13:00", "03 22:00")]


@pytest.mark.parametrize(
    ("day", "lasts", "span"),
    [
        # RFC 5545 3.3.5: a time that is skipped is as if clocks had not changed; of a repeated one the first counts.
        (SPRING, timedelta(hours=2), ("29 01:30", "29 03:30")),
        (AUTUMN, timedelta(hours=2), ("25 00:30", "25 02:30")),
        # RFC 5545 3.3.6: a day is a day of the calendar, of 23 or 25 hours when clocks change in it.
        (SPRING - DAY, timedelta(days=1), ("28 01:30", "29 01:30")),
        (AUTUMN, timedelta(days=1), ("25 00:30", "26 01:30")),
        (AUTUMN, timedelta(days=1, hours=1), ("25 00:30", "26 02:30")),
    ],
)
def test_a_rule_at_half_past_two_on_the_days_of_clock_changes(day, lasts, span):
    rule = Rule(datetime(2026, day.month, day.day, 2, 30), "FREQ=DAILY;COUNT=1", lasts, PARIS)
    assert spans_on(rule, day) == [span]


@pytest.mark.parametrize(
    ("rrule", "count"),
    [
        ("FREQ=DAILY;UNTIL=20261204", 4),
        ("FREQ=DAILY;UNTIL=20261204T180000", 4),
        ("FREQ=DAILY;UNTIL=20261204T170000Z", 4),  # 18:00 in Paris
        ("FREQ=DAILY;UNTIL=20261204T165959Z", 3),
        ("RRULE:FREQ=DAILY;COUNT=2", 2),
    ],
)
def test_a_rule_ends_where_it_says_in_every_spelling(rrule, count):
    rule = Rule(datetime(2026, 12, 1, 18), rrule, timedelta(hours=1), PARIS)
    assert len(rule.spans(utc("2026-11-01"), utc("2027-11-01"))) == count


def test_holidays_are_days_of_the_country_and_of_its_region():
    december = utc("2026-12-20"), utc("2026-12-31")
    france = Holidays("FR", "", PARIS).spans(*december)
    assert france == [Span(utc("2026-12-24T23:00"), utc("2026-12-25T23:00"), "Christmas Day")]
    moselle = Holidays("FR", "57", PARIS).spans(*december)
    assert [span.start for span in moselle] == [utc("2026-12-24T23:00"), utc("2026-12-25T23:00")]


def test_cron_periods_last_from_one_line_to_the_next_of_the_other():
    weekends = Crons("0 23 * * 5", "0 7 * * 1", PARIS)
    assert spans_on(weekends, utc("2026-03-28")) == [
        ("27 22:00", "30 05:00")
    ]  # clocks change in it
    assert spans_on(weekends, utc("2026-03-31")) == []
    yearly = Crons("0 0 20 12 *", "0 0 4 1 *", PARIS)
    assert spans_on(yearly, utc("2026-12-31")) == [("19 23:00", "03 23:00")]


@pytest.mark.parametrize(
    ("start", "end", "day", "spans"),
    [
        # Clocks skip the whole period; the days around it are as always.
        ("0 2 * * *", "0 3 * * *", "2026-03-29", []),
        ("0 2 * * *", "0 3 * * *", "2026-03-30", [("30 00:00", "30 01:00")]),
        # Starts within a period change nothing, however many there are.
        ("* * * * *", "0 7 * * 1", "2026-03-31", [("30 05:01", "06 05:00")]),
        # Started and ended at once is nothing, as at GitLab.
        ("0 2 * * *", "0 2 * * *", "2026-03-31", []),
        ("0 0 * * *", "0 0 * * 1", "2026-03-30", [("23 23:00", "29 22:00"), ("30 22:00", "05 22:00")]),
    ],
)  # fmt: skip
def test_cron_periods_that_meet_clock_changes_or_each_other(start, end, day, spans):
    begin = utc(day) - timedelta(hours=3) if len(spans) > 1 else utc(day)
    found = Crons(start, end, PARIS).spans(begin, utc(day) + DAY)
    assert [(f"{one.start:%d %H:%M}", f"{one.end:%d %H:%M}") for one in found] == spans


@given(
    st.lists(
        st.builds(lambda a, b: Span(a, a + b), instants, st.timedeltas(timedelta(0), 3 * DAY)),
        max_size=8,
    ),
    instants,
)
def test_merged_spans_hold_the_same_instants_and_never_touch(spans, at):
    joined = merged(span for span in spans if span.start < span.end)
    assert any(span.has(at) for span in joined) == any(span.has(at) for span in spans)
    assert all(one.end < other.start for one, other in pairwise(joined))


@pytest.mark.parametrize("rrule", ["FREQ=DAILY;COUNT=3", "FREQ=DAILY;UNTIL=20261025T023000"])
def test_a_rule_with_an_end_is_over_from_the_end_of_its_last_time_on(rrule):
    # The last one begins in the hour that the clock change repeats.
    rule = Rule(datetime(2026, 10, 23, 2, 30), rrule, timedelta(hours=4), PARIS)
    over = utc("2026-10-25T04:30")
    assert over_since(rule, over - timedelta(minutes=1)) is None
    assert over_since(rule, over) == over
    assert over_since(rule, over + 400 * DAY) == over


ended_rules = rules.map(lambda rule: replace(rule, rrule=f"{rule.rrule};COUNT=9"))


@given(st.one_of(ended_rules, onces), instants)
def test_times_are_over_exactly_when_none_is_there_or_to_come(times, at):
    assert (over_since(times, at) is None) == bool(times.spans(at, at + 800 * DAY))


@pytest.mark.timeout(5)
def test_what_comes_again_is_never_over():
    leap = Rule(datetime(2028, 2, 29), "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", DAY, PARIS)
    fridays = Weekly(frozenset({4}), time(15), time(), PARIS)
    for times in (leap, fridays, Holidays("FR", "", PARIS), Crons("0 1 * * *", "0 2 * * *", PARIS)):
        assert over_since(times, utc("2029-01-01T00:00")) is None
