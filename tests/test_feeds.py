"""iCalendar files are read as times of freezes."""

# ruff: noqa: E501 - tables of whole messages, one row each

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gare.errors import ConfigError
from gare.feeds import read_feed

PARIS = ZoneInfo("Europe/Paris")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def feed(tmp_path: Path, *events: str, has_free: bool = False):
    """Read a file with these events, each the lines between BEGIN and END."""
    body = "".join(f"BEGIN:VEVENT\nUID:{n}\n{text}\nEND:VEVENT\n" for n, text in enumerate(events))
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:test\n{body}END:VCALENDAR\n"
    return read(tmp_path, text, has_free=has_free)


def read(tmp_path: Path, text: str, *, has_free: bool = False):
    file = tmp_path / "closures.ics"
    file.write_bytes(text.replace("\n", "\r\n").encode())
    return read_feed(file, PARIS, has_free=has_free)


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


def test_free_and_cancelled_events_close_nothing_in_any_spelling(tmp_path):
    when = "DTSTART:20261224T120000Z\nDTEND:20261224T180000Z"
    said = ("TRANSP:TRANSPARENT", "TRANSP:transparent", "STATUS:CANCELLED", "STATUS:Cancelled")
    found = feed(tmp_path, *(f"{one}\n{when}" for one in said))
    assert found.spans(utc("2026-12-20"), utc("2027-01-01")) == []
    assert str(found.count()) == (
        "0 of 4 events close (2 are marked free: `free: closes` lets them close)"
    )


def test_free_events_close_when_it_is_said_so(tmp_path):
    when = "DTSTART:20261224T120000Z\nDTEND:20261224T180000Z"
    events = (f"TRANSP:TRANSPARENT\n{when}", f"TRANSP:TRANSPARENT\nSTATUS:CANCELLED\n{when}")
    found = feed(tmp_path, *events, has_free=True)
    assert len(found.spans(utc("2026-12-20"), utc("2027-01-01"))) == 1
    assert str(found.count()) == "1 of 2 events close"


def test_a_time_of_so_many_hours_over_a_clock_change_is_the_longer_one(tmp_path):
    spring = "DTSTART;TZID=Europe/Paris:20260328T100000\nDURATION:PT24H"
    autumn = "DTSTART;TZID=Europe/Paris:20261024T100000\nDURATION:PT24H"
    found = feed(tmp_path, spring, autumn).spans(utc("2026-03-01"), utc("2026-12-01"))
    assert [(span.start, span.end) for span in found] == [
        (utc("2026-03-28T09:00"), utc("2026-03-29T09:00")),
        (utc("2026-10-24T08:00"), utc("2026-10-25T09:00")),
    ]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;UNTIL=20250101",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    ],
)
def test_a_series_that_never_begins_is_no_time_and_closes_nothing_else(rule, tmp_path):
    found = feed(tmp_path, f"SUMMARY:Never\n{WHEN}\nRRULE:{rule}", f"SUMMARY:Eve\n{WHEN}")
    assert [span.label for span in found.spans(utc("2026-12-20"), utc("2027-01-01"))] == ["Eve"]


def test_a_series_by_the_hour_is_read(tmp_path):
    found = feed(
        tmp_path, "DTSTART:20261224T120000Z\nDURATION:PT10M\nRRULE:FREQ=HOURLY;INTERVAL=6;COUNT=3"
    ).spans(utc("2026-12-20"), utc("2027-01-01"))
    assert [f"{span.start:%d %H:%M}" for span in found] == ["24 12:00", "24 18:00", "25 00:00"]


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
    (f"SUMMARY:Closed\n{WHEN}\nRRULE:FREQ=SECONDLY", "has a rule: its FREQ is none of HOURLY, DAILY, WEEKLY, MONTHLY, YEARLY"),
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
