"""An environment is open or closed, and opens when it is said to open."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gare.domain.clearance import (
    BLIND_FOR,
    KEEPER,
    LOOKING_AGAIN,
    REACHES,
    clearance,
    closed_spans,
    next_opening,
    when,
)
from gare.domain.freezes import (
    Calendar,
    Move,
    OnClosed,
    Scope,
    Stop,
    Unreadable,
    Window,
    WindowKind,
)
from gare.domain.plan import Kind
from gare.domain.spans import Once, Rule, Span, Weekly

PARIS, NEW_YORK = ZoneInfo("Europe/Paris"), ZoneInfo("America/New_York")
SHOP = Move("shop", "production")
NOW = datetime(2026, 12, 18, 15, 0, tzinfo=UTC)  # a Friday, 16:00 in Paris
HOUR, DAY, JUST = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)

zones = st.sampled_from([PARIS, NEW_YORK])
local = st.datetimes(datetime(2026, 3, 20), datetime(2026, 11, 5))
hours = st.times().map(lambda at: at.replace(second=0, microsecond=0, tzinfo=None))
times = st.one_of(
    st.builds(
        Weekly, st.frozensets(st.integers(0, 6), min_size=1), hours, hours, zones, st.booleans()
    ),
    st.builds(
        lambda start, lasts, zone: Once(start, start + lasts, zone),
        local,
        st.timedeltas(HOUR, 40 * DAY),
        zones,
    ),
    st.builds(
        Rule,
        local,
        st.sampled_from(["FREQ=DAILY", "FREQ=MONTHLY;BYDAY=2TU"]),
        st.timedeltas(HOUR, DAY),
        zones,
    ),
)
scopes = st.builds(
    Scope,
    st.sampled_from([("*",), ("shop",), ("other",), ("s*",)]),
    st.sampled_from([("*",), ("production",), ("staging",)]),
    st.sampled_from([frozenset({Kind.ROLLBACK}), frozenset({Kind.RELEASE}), frozenset()]),
)
windows = st.builds(Window, st.sampled_from("abc"), times, st.sampled_from(WindowKind), scopes)
instants = st.datetimes(datetime(2026, 3, 25), datetime(2026, 11, 1), timezones=st.just(UTC))
stops = st.builds(
    lambda since, lasts, scope: Stop(
        "s", "why", "bob", since, since + lasts if lasts else None, scope=scope
    ),
    instants,
    st.one_of(st.none(), st.timedeltas(HOUR, 20 * DAY)),
    scopes,
)
calendars = st.builds(
    Calendar, st.lists(windows, max_size=4).map(tuple), st.lists(stops, max_size=1).map(tuple)
)
examples = settings(deadline=None, max_examples=100)


def is_in(what: Window, at: datetime) -> bool:
    return any(span.has(at) for span in what.times.spans(at - 50 * DAY, at + DAY))


@examples
@given(calendars, instants)
def test_open_is_what_the_rule_says(calendar, at):
    mine = [window for window in calendar.windows if window.scope.covers(SHOP)]
    denies = [window for window in mine if window.kind is WindowKind.DENY]
    allows = [window for window in mine if window.kind is WindowKind.ALLOW]
    stopped = [stop for stop in calendar.stops if stop.scope.covers(SHOP) and stop.span().has(at)]
    is_open = (
        not any(is_in(window, at) for window in denies)
        and (not allows or any(is_in(window, at) for window in allows))
        and not stopped
    )
    assert clearance(calendar, SHOP, at).is_open == is_open


@examples
@given(calendars, instants, st.floats(0, 1, exclude_max=True))
def test_it_opens_when_it_is_said_to_and_not_a_moment_earlier(calendar, at, part):
    found = clearance(calendar, SHOP, at)
    opens_at = found.opens_at if not found.is_open else at
    assert next_opening(calendar, SHOP, at) == opens_at
    if found.is_open:
        return
    assert opens_at is None or opens_at > at
    last = opens_at or at + REACHES[-1]
    for moment in (last - JUST, min(last - JUST, at + (last - at) * part)):
        assert not clearance(calendar, SHOP, moment).is_open
    if opens_at is not None:
        assert clearance(calendar, SHOP, opens_at).is_open


@examples
@given(calendars, instants, st.timedeltas(HOUR, 30 * DAY), st.floats(0, 1, exclude_max=True))
def test_the_closed_spans_of_a_time_are_where_it_is_closed(calendar, begin, length, part):
    end = begin + length
    moment = min(begin + length * part, end - JUST)
    spans = closed_spans(calendar, SHOP, begin, end)
    assert any(span.has(moment) for span in spans) != clearance(calendar, SHOP, moment).is_open
    for span in spans:
        if span.end < end:
            assert clearance(calendar, SHOP, span.end).is_open


FRIDAYS = Window(
    "fridays", Weekly(frozenset({4}), time(15), time(), PARIS), owner="alice", reason="weekend"
)
OFFICE = Window(
    "office", Weekly(frozenset(range(5)), time(9), time(17), PARIS, True), WindowKind.ALLOW
)
YEAR_END = Window(
    "year-end", Once(datetime(2026, 12, 18), datetime(2027, 1, 4, 8), PARIS), origin="station.yaml"
)
STOP = Stop("db", "the database is down", "bob", NOW - HOUR, NOW + 2 * HOUR, "https://inc/7")


def test_all_that_keeps_it_closed_is_told_with_owners_and_the_moment_it_opens():
    found = clearance(Calendar((FRIDAYS, OFFICE, YEAR_END), (STOP,)), SHOP, NOW + 2 * HOUR - JUST)
    assert str(found) == (
        "production is closed: the freeze fridays: weekend; the freeze year-end in station.yaml; "
        "it is not the time of office; bob stopped the line, db: the database is down (https://inc/7); "
        "opens 2027-01-04 08:00 UTC"
    )
    assert [closing.owner for closing in found.closings] == ["alice", KEEPER, KEEPER, "bob"]
    assert [closing.until for closing in found.closings] == [
        datetime(2026, 12, 18, 23, tzinfo=UTC),
        datetime(2027, 1, 4, 7, tzinfo=UTC),
        datetime(2026, 12, 21, 8, tzinfo=UTC),
        NOW + 2 * HOUR,
    ]
    assert found.wake_at == found.opens_at == datetime(2027, 1, 4, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lets", "kind", "is_open"),
    [
        (frozenset({Kind.ROLLBACK}), Kind.RELEASE, False),
        (frozenset({Kind.ROLLBACK}), Kind.HOTFIX, False),
        (frozenset({Kind.ROLLBACK}), Kind.ROLLBACK, True),
        (frozenset({Kind.ROLLBACK, Kind.HOTFIX}), Kind.HOTFIX, True),
        (frozenset(), Kind.ROLLBACK, False),
    ],
)
def test_a_window_lets_through_the_kinds_it_names(lets, kind, is_open):
    window = replace(YEAR_END, scope=Scope(lets=lets))
    assert clearance(Calendar((window,)), replace(SHOP, kind=kind), NOW).is_open is is_open
    allowing = replace(OFFICE, scope=Scope(lets=lets))
    assert (
        clearance(Calendar((allowing,)), replace(SHOP, kind=kind), NOW + 8 * HOUR).is_open
        is is_open
    )


@pytest.mark.parametrize(
    ("projects", "environments", "is_open"),
    [
        (("*",), ("*",), False),
        (("shop", "api"), ("production",), False),
        (("sh?p",), ("prod*",), False),
        (("shops",), ("*",), True),
        (("*",), ("staging",), True),
        (("Shop",), ("*",), True),
    ],
)
def test_a_window_is_about_the_projects_and_environments_it_names(projects, environments, is_open):
    window = replace(YEAR_END, scope=Scope(projects, environments))
    assert clearance(Calendar((window,)), SHOP, NOW).is_open is is_open


def test_a_stop_without_an_end_opens_nobody_knows_when():
    found = clearance(Calendar(stops=(replace(STOP, until=None, link=""),)), SHOP, NOW)
    assert str(found).endswith(
        "bob stopped the line, db: the database is down; opens nobody knows when"
    )
    assert found.opens_at is None


def test_a_stop_ends_by_itself():
    assert clearance(Calendar(stops=(STOP,)), SHOP, NOW).opens_at == NOW + 2 * HOUR
    assert clearance(Calendar(stops=(STOP,)), SHOP, NOW + 2 * HOUR).is_open


def test_what_cannot_be_read_is_closed_and_looked_at_again_soon():
    calendar = Calendar(unreadable=(Unreadable("closures", "no such file", "carol"),))
    found = clearance(calendar, SHOP, NOW)
    assert str(found) == (
        "production is closed: closures cannot be read: no such file; opens nobody knows when"
    )
    assert NOW < found.wake_at <= NOW + LOOKING_AGAIN
    assert clearance(calendar, SHOP, NOW + timedelta(seconds=1)) == found


def test_a_freeze_of_many_years_says_how_far_anybody_looked():
    window = Window("long", Once(datetime(2026, 1, 1), datetime(2040, 1, 1), PARIS))
    found = clearance(Calendar((window,)), SHOP, NOW)
    assert found.opens == "not within two years"
    both = clearance(Calendar((window, YEAR_END)), SHOP, NOW)
    assert found.wake_at == datetime(2039, 12, 31, 23, tzinfo=UTC)
    assert both.wake_at == datetime(2027, 1, 4, 7, tzinfo=UTC)  # something ends


def spared(calendar: Calendar, at: datetime, only: str = "") -> Calendar:
    """The calendar of a release for which somebody has set aside what closes it at an instant."""
    closings = clearance(calendar, SHOP, at).closings
    aside = {one.key: one.spared_until(at) for one in closings if only in ("", one.name)}
    return calendar.without({**calendar.aside, **aside})


@examples
@given(calendars, instants)
def test_what_is_set_aside_opens_now_and_what_begins_later_closes_again(calendar, at):
    found = spared(calendar, at)
    assert clearance(found, SHOP, at).is_open
    assert next_opening(found, SHOP, at) == at
    covers = [window for window in calendar.windows if window.scope.covers(SHOP)]
    later = next(
        (
            span.start
            for window in covers
            if window.kind is WindowKind.DENY
            for span in window.times.spans(at, at + 20 * DAY)
            if span.start > at
        ),
        None,
    )
    if later is not None:
        assert not clearance(found, SHOP, later).is_open
        assert any(span.has(later) for span in closed_spans(found, SHOP, at, later + DAY))


@examples
@given(calendars, instants, st.timedeltas(HOUR, 30 * DAY), st.floats(0, 1, exclude_max=True))
def test_with_something_set_aside_the_closed_spans_are_where_it_is_closed(
    calendar, begin, length, part
):
    found, end = spared(calendar, begin), begin + length
    moment = min(begin + length * part, end - JUST)
    spans = closed_spans(found, SHOP, begin, end)
    assert any(span.has(moment) for span in spans) != clearance(found, SHOP, moment).is_open


def test_what_is_set_aside_does_not_count_and_the_rest_still_does():
    calendar = Calendar((FRIDAYS, YEAR_END), (STOP,))
    left = clearance(spared(spared(calendar, NOW, "year-end"), NOW, "db"), SHOP, NOW)
    assert [closing.name for closing in left.closings] == ["fridays"]
    assert left.opens_at == datetime(2026, 12, 18, 23, tzinfo=UTC)
    assert clearance(spared(calendar, NOW), SHOP, NOW).is_open


def test_one_friday_set_aside_is_not_the_next_one():
    found = spared(Calendar((FRIDAYS,)), NOW)
    assert clearance(found, SHOP, NOW + 5 * HOUR).is_open
    assert not clearance(found, SHOP, NOW + 7 * DAY).is_open


def test_a_second_stop_of_the_same_name_is_another_one():
    first = replace(STOP, number=7, until=None)
    found = spared(Calendar(stops=(first,)), NOW)
    assert clearance(found, SHOP, NOW + 90 * DAY).is_open
    second = replace(first, number=8)
    assert not clearance(replace(found, stops=(second,)), SHOP, NOW).is_open


def test_a_window_of_the_same_name_in_another_file_is_another_one():
    own = replace(YEAR_END, project="shop")
    found = spared(Calendar((own,)), NOW)
    assert not clearance(replace(found, windows=(own, YEAR_END)), SHOP, NOW).is_open


def test_what_lasts_longer_than_was_known_closes_again_when_it_was_to_end():
    found = spared(Calendar((YEAR_END,)), NOW)
    longer = replace(YEAR_END, times=replace(YEAR_END.times, end=datetime(2027, 1, 20)))
    changed = replace(found, windows=(longer,))
    was_to_end = datetime(2027, 1, 4, 7, tzinfo=UTC)
    assert clearance(changed, SHOP, was_to_end - HOUR).is_open
    assert not clearance(changed, SHOP, was_to_end).is_open
    [span] = closed_spans(changed, SHOP, NOW, NOW + 40 * DAY)
    assert span.start == was_to_end


def test_hours_that_allow_are_set_aside_until_the_next_ones():
    evening = NOW + 4 * HOUR
    found = spared(Calendar((OFFICE,)), evening)
    assert clearance(found, SHOP, evening + 48 * HOUR).is_open  # a weekend
    monday_evening = evening + 3 * DAY
    assert not clearance(found, SHOP, monday_evening).is_open


def test_what_cannot_be_read_is_set_aside_for_a_day_and_what_it_says_then_is_another_thing():
    unread = Unreadable("closures", "no such file", "carol")
    found = spared(Calendar(unreadable=(unread,)), NOW)
    assert clearance(found, SHOP, NOW + BLIND_FOR - JUST).is_open
    assert not clearance(found, SHOP, NOW + BLIND_FOR).is_open
    readable = replace(found, unreadable=(), windows=(replace(YEAR_END, name="closures"),))
    assert not clearance(readable, SHOP, NOW).is_open


def test_hours_that_a_project_allows_itself_open_nothing_that_the_station_keeps_closed():
    night = replace(
        OFFICE, times=replace(OFFICE.times, after=time(17), before=time(9)), project="shop"
    )
    evening = NOW + 4 * HOUR
    assert clearance(Calendar((night,)), SHOP, evening).is_open
    found = clearance(Calendar((OFFICE, night)), SHOP, evening)
    assert [closing.name for closing in found.closings] == ["office"]
    assert [
        span.start
        for span in closed_spans(Calendar((OFFICE, night)), SHOP, evening, evening + HOUR)
    ]


def test_events_that_overlap_are_told_one_by_one():
    class Events:
        zone = PARIS

        def spans(self, begin, end):
            found = [Span(NOW - HOUR, NOW + HOUR, "Lunch"), Span(NOW - HOUR, NOW + DAY, "Moving")]
            return [span for span in found if span.overlaps(begin, end)]

    calendar = Calendar((Window("closures", Events()),))
    found = clearance(calendar, SHOP, NOW)
    assert [closing.what for closing in found.closings] == [
        "the freeze closures (Lunch)",
        "the freeze closures (Moving)",
    ]
    lunch = {found.closings[0].key: found.closings[0].until}
    assert not clearance(calendar.without(lunch), SHOP, NOW).is_open


@pytest.mark.parametrize(
    ("at", "zone", "said"),
    [
        (NOW, PARIS, "2026-12-18 15:00 UTC (16:00 Europe/Paris)"),
        (NOW + 8 * HOUR, PARIS, "2026-12-18 23:00 UTC (2026-12-19 00:00 Europe/Paris)"),
        (NOW, ZoneInfo("UTC"), "2026-12-18 15:00 UTC"),
        (NOW, None, "2026-12-18 15:00 UTC"),
        (None, PARIS, "nobody knows when"),
    ],
)
def test_an_instant_is_told_in_the_zone_of_people_too(at, zone, said):
    assert when(at, zone) == said


def test_one_window_that_refuses_is_enough_to_refuse():
    refusing = replace(YEAR_END, on_closed=OnClosed.REFUSE)
    assert clearance(Calendar((FRIDAYS, refusing)), SHOP, NOW).is_refusal
    assert not clearance(Calendar((FRIDAYS, YEAR_END)), SHOP, NOW).is_refusal
