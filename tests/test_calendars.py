"""Freezes are written as iCalendar files, and read back as the same times."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from gare.calendars import as_icalendar
from gare.domain.freezes import Calendar, Scope, Stop, Window, WindowKind
from gare.domain.spans import Holidays, Once, Rule, Span, Weekly, merged
from gare.feeds import read_feed

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
YEAR = timedelta(days=365)


WINDOWS = (
    Window("year-end", Once(datetime(2026, 12, 18, 18), datetime(2027, 1, 4, 8), PARIS), reason="nobody, or few"),
    Window("fridays", Weekly(frozenset({4}), time(15), time(), PARIS)),
    Window("nights", Weekly(frozenset({5, 6}), time(22), time(6), PARIS)),
    Window("holidays", Holidays("FR", "", PARIS)),
    Window("month", Rule(datetime(2026, 1, 30, 18), "FREQ=MONTHLY;BYDAY=-1FR", timedelta(hours=20), PARIS)),
)  # fmt: skip
OFFICE = Window(
    "office", Weekly(frozenset(range(5)), time(9), time(17), PARIS, is_short=True), WindowKind.ALLOW
)
STOP = Stop("db", "the database is down", "bob", NOW, NOW + timedelta(hours=3), "https://inc/7")


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.name)
def test_what_is_written_reads_back_as_the_same_times(window, tmp_path):
    file = tmp_path / "out.ics"
    file.write_bytes(as_icalendar(Calendar((window,)), NOW))
    found = read_feed(file, ZoneInfo("Asia/Tokyo")).spans(NOW, NOW + YEAR)
    assert merged(found) == merged(window.times.spans(NOW, NOW + YEAR))


def test_stops_are_written_and_windows_that_allow_close_nothing(tmp_path):
    text = as_icalendar(Calendar((OFFICE,), (STOP,)), NOW)
    assert b"SUMMARY:Allowed: office" in text
    assert b"SUMMARY:Stop of the line: db" in text
    file = tmp_path / "out.ics"
    file.write_bytes(text)
    assert read_feed(file, PARIS).spans(NOW, NOW + YEAR) == [
        Span(NOW, NOW + timedelta(hours=3), "Stop of the line: db")
    ]


def test_the_same_calendar_is_written_as_the_same_bytes():
    assert as_icalendar(Calendar(WINDOWS), NOW) == as_icalendar(Calendar(WINDOWS), NOW)


def events(text: bytes) -> list[tuple[str, str]]:
    """The name and the summary of every event."""
    from icalendar import Calendar as Ical

    return [(str(one["UID"]), str(one["SUMMARY"])) for one in Ical.from_ical(text).walk("VEVENT")]


def test_every_event_has_a_name_of_its_own_that_stays():
    own = Once(datetime(2026, 12, 1), datetime(2026, 12, 2), PARIS)
    windows = (
        Window("own", own, project="api", scope=Scope(("api",))),
        Window("own", own, project="shop", scope=Scope(("shop",))),
        Window("own", own, number=7),
        Window("holidays", Holidays("FR", "", PARIS)),
    )
    stops = (Stop("db", "down", "bob", NOW, number=8), Stop("db", "down", "bob", NOW, number=9))
    found = events(as_icalendar(Calendar(windows, stops), NOW))
    assert len({name for name, _ in found}) == len(found)
    assert {"api/own@gare", "shop/own@gare", "own#7@gare", "db#8@gare", "db#9@gare"} <= {
        name for name, _ in found
    }
    later = events(as_icalendar(Calendar(windows, stops), NOW + timedelta(days=60)))
    assert dict(found).items() >= {
        (name, what) for name, what in later if name in dict(found)
    }  # Christmas has not become New Year


@pytest.mark.parametrize(
    "now", [datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 10, 28, tzinfo=UTC)]
)
def test_hours_written_in_the_week_of_a_clock_change_keep_their_hour(now, tmp_path):
    sundays = Window("sundays", Weekly(frozenset({6}), time(2, 30), time(5), PARIS))
    file = tmp_path / "out.ics"
    file.write_bytes(as_icalendar(Calendar((sundays,)), now))
    since = now + timedelta(days=10)
    assert merged(read_feed(file, PARIS).spans(since, since + YEAR / 3)) == merged(
        sundays.times.spans(since, since + YEAR / 3)
    )
