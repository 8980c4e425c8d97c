"""iCalendar files are read as times of freezes, and freezes are written as such files."""

# ruff: noqa: E501 - tables of whole messages, one row each

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gare.calendars import as_icalendar, read_feed
from gare.domain.freezes import Calendar, Stop, Window, WindowKind
from gare.domain.spans import Holidays, Once, Rule, Span, Weekly, merged
from gare.errors import ConfigError

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
YEAR = timedelta(days=365)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def feed(tmp_path: Path, *events: str):
    """Read a file with these events, each the lines between BEGIN and END."""
    body = "".join(f"BEGIN:VEVENT\nUID:{n}\n{text}\nEND:VEVENT\n" for n, text in enumerate(events))
    return read(tmp_path, f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:test\n{body}END:VCALENDAR\n")


def read(tmp_path: Path, text: str):
    file = tmp_path / "closures.ics"
    file.write_bytes(text.replace("\n", "\r\n").encode())
    return read_feed(file, PARIS)


@pytest.mark.parametrize(
    ("event", "span"),
    [
        ("DTSTART:20261224T120000Z\nDTEND:20261224T180000Z", ("24 12:00", "24 18:00")),
        ("DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261226", ("23 23:00", "25 23:00")),
        ("DTSTART;VALUE=DATE:20261224", ("23 23:00", "24 23:00")),
        ("DTSTART:20261224T120000\nDURATION:PT2H", ("24 11:00", "24 13:00")),
        ("DTSTART;TZID=America/New_York:20261224T080000\nDURATION:PT2H", ("24 13:00", "24 15:00")),
    ],
)
def test_an_event_is_a_time_in_its_zone_or_else_in_the_calendars(event, span, tmp_path):
    found = feed(tmp_path, f"SUMMARY:Closed\n{event}").spans(utc("2026-12-20"), utc("2027-01-01"))
    assert [(f"{one.start:%d %H:%M}", f"{one.end:%d %H:%M}", one.label) for one in found] == [
        (*span, "Closed")
    ]


def test_an_event_that_comes_again_leaves_its_exceptions_out(tmp_path):
    event = (
        "SUMMARY:Night\nDTSTART;TZID=Europe/Paris:20261201T220000\nDURATION:PT2H\n"
        "RRULE:FREQ=DAILY;COUNT=4\nEXDATE;TZID=Europe/Paris:20261202T220000"
    )
    found = feed(tmp_path, event).spans(utc("2026-12-01"), utc("2026-12-31"))
    assert [span.start.day for span in found] == [1, 3, 4]


def test_free_and_cancelled_events_close_nothing(tmp_path):
    when = "DTSTART:20261224T120000Z\nDTEND:20261224T180000Z"
    found = feed(tmp_path, f"TRANSP:TRANSPARENT\n{when}", f"STATUS:CANCELLED\n{when}")
    assert found.spans(utc("2026-12-20"), utc("2027-01-01")) == []


WHEN = "DTSTART:20261224T120000Z\nDTEND:20261224T180000Z"
BROKEN = [
    ("", "it holds no VCALENDAR"),
    ("<html>Sign in</html>", "it holds no VCALENDAR"),
    ("BEGIN:VCALENDAR\nnonsense\nEND:VCALENDAR\n", "Content line could not be parsed into parts: 'nonsense': Invalid content line"),
    (f"BEGIN:VCALENDAR\nBEGIN:VEVENT\n{WHEN}\n", "it holds no VCALENDAR"),
    ("BEGIN:VCALENDAR\nEND:VCALENDAR\nBEGIN:VCALENDAR\nEND:VCALENDAR\n", "it holds 2 VCALENDAR"),
]  # fmt: skip
WRONG_EVENTS = [
    ("SUMMARY:Closed", "has no DTSTART"),
    ("SUMMARY:Closed\nDTSTART:20261224T180000Z\nDTEND:20261224T120000Z", "ends before it starts"),
    ("SUMMARY:Closed\nDTSTART;TZID=Mars/Olympus:20261224T180000", "names a time zone that does not exist: Mars/Olympus"),
    (f"SUMMARY:Closed\n{WHEN}\nRRULE:FREQ=SECONDLY", "has a rule: its FREQ is none of DAILY, WEEKLY, MONTHLY, YEARLY"),
    (
        f"SUMMARY:Closed\n{WHEN}\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "has a rule: it never fires from 2026-12-24 12:00 on",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), BROKEN)
def test_a_broken_file_says_what_is_wrong_with_it(text, problem, tmp_path):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert caught.value.what == f"This is no calendar that can be used: {problem}."
    assert caught.value.where == str(tmp_path / "closures.ics")


@pytest.mark.parametrize(("event", "problem"), WRONG_EVENTS)
def test_a_wrong_event_is_named(event, problem, tmp_path):
    with pytest.raises(ConfigError) as caught:
        feed(tmp_path, event)
    assert caught.value.what == (
        f"This is no calendar that can be used: the event `Closed` {problem}."
    )


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read_feed(tmp_path / "nowhere.ics", PARIS)
    assert str(caught.value) == (
        f"The calendar cannot be read: No such file or directory. ({tmp_path / 'nowhere.ics'}) "
        "Correct its path or rights."
    )


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
