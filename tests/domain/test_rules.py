"""Rules that can be used are, and the others say why: at once, as a person waits who writes one."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gare.domain.rules import rule_problem

PARIS = ZoneInfo("Europe/Paris")
EVERY_MINUTE = ",".join(map(str, range(60)))


@pytest.mark.parametrize(
    ("rrule", "problem"),
    [
        ("FREQ=MONTHLY;BYDAY=-1FR", ""),
        ("freq=weekly;byday=mo", ""),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "it never fires from 2026-12-01 18:00 on."),
        ("FREQ=DAILY;UNTIL=20261130", "it never fires from 2026-12-01 18:00 on."),
        ("FREQ=MINUTELY", "its FREQ is none of DAILY, WEEKLY, MONTHLY, YEARLY."),
        ("FREQ=DAILY;INTERVAL=0", "its INTERVAL is not above 0."),
        ("every friday", "`EVERY FRIDAY` in it is no NAME=VALUE."),
        ("FREQ=DAILY;BYDAY=XX", "this is no rule of RFC 5545 (invalid 'BYDAY': XX)."),
        ("FREQ=DAILY;INTERVAL=-1", "its INTERVAL is not above 0."),
        ("FREQ=DAILY;COUNT=0", "its COUNT is not above 0."),
        (
            "FREQ=DAILY;UNTIL=2026-12-04",
            "its UNTIL is no day such as 20270104, nor a time such as 20270104T080000.",
        ),
        ("FREQ=DAILY;BYSECOND=0,30", "it names seconds."),
        (
            f"FREQ=DAILY;BYHOUR=1,2;BYMINUTE={EVERY_MINUTE}",
            "it names 120 times a day; 24 are the most.",
        ),
        ("FREQ=DAILY;BYHOUR=1,2;BYMINUTE=0,30", ""),
        ("FREQ=DAILY;BYSETPOS=5", "its BYSETPOS 5 is none of the times that it names."),
        (
            "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=3",
            "its BYSETPOS 3 is none of the times that it names.",
        ),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", ""),
    ],
)
@pytest.mark.timeout(5)
def test_rules_that_cannot_be_used_say_why(rrule, problem):
    assert rule_problem(rrule, datetime(2026, 12, 1, 18), PARIS) == problem
