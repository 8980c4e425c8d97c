"""How the way stands to each environment, and how freezes are listed."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gare.domain.freezes import Calendar, Scope, Stop, Unreadable, Window, WindowKind
from gare.domain.plan import PlannedEffect, PlannedStep, Reversibility
from gare.domain.releases import StepState
from gare.domain.spans import Once, Weekly
from gare.reports.freezes import ahead, earliest, entries, lines

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)
TAG = (PlannedEffect("tag", "v1", Reversibility.POINT_OF_NO_RETURN),)
STEPS = (
    PlannedStep("build", "build", "Build"),
    PlannedStep("deploy-staging", "deploy", "", ("build",), "staging"),
    PlannedStep("deploy-production", "deploy", "", ("deploy-staging",), "production"),
    PlannedStep("publish", "publish", "", ("deploy-production",), effects=TAG),
)
FRIDAYS = Window(
    "fridays", Weekly(frozenset({4}), time(15), time(), PARIS), scope=Scope(("*",), ("production",))
)
LATER = Window("later", Once(datetime(2026, 6, 1), datetime(2026, 6, 2), PARIS))
STOP = Stop("db", "it is down", "bob", NOW, NOW + DAY, scope=Scope(("shop",)))


def test_the_way_is_told_for_each_environment_with_what_comes(story):
    plan = story.make_plan(steps=STEPS, environments=("staging", "production"))
    calendar = Calendar((FRIDAYS,))
    ways = ahead(plan, {}, lambda _: calendar, NOW)
    assert [(way.step, str(way)) for way in ways] == [
        ("deploy-staging", "staging is open"),
        ("deploy-production", "production is open; it closes 2026-03-06 14:00 UTC"),
    ]
    assert earliest(ways) == ""
    stopped = Calendar((FRIDAYS,), (STOP,))
    ways = ahead(plan, {"deploy-staging": StepState.DONE}, lambda _: stopped, NOW)
    assert [way.step for way in ways] == ["deploy-production"]
    assert earliest(ways) == "the earliest start of deploy-production: 2026-03-03 09:00 UTC"
    assert ways[0].as_json() == {
        "step": "deploy-production",
        "environment": "production",
        "is_open": False,
        "closed_by": [
            {
                "freeze": "db",
                "what": "bob stopped the line, db: it is down",
                "owner": "bob",
                "until": "2026-03-03T09:00:00+00:00",
            }
        ],
        "opens_at": "2026-03-03T09:00:00+00:00",
        "closes_at": "2026-03-06T14:00:00+00:00",
    }


def test_times_are_listed_in_order_whatever_they_come_from():
    allowing = Window(
        "office", Weekly(frozenset({2}), time(9), time(17), PARIS, True), WindowKind.ALLOW
    )
    found = entries(Calendar((FRIDAYS, allowing, LATER), (STOP,)), NOW, NOW + 7 * DAY)
    assert [entry.row()[:3] for entry in found] == [
        ["2026-03-02 09:00 UTC", "2026-03-03 09:00 UTC", "db: stop of the line"],
        ["2026-03-04 08:00 UTC", "2026-03-04 16:00 UTC", "office: allowed"],
        ["2026-03-06 14:00 UTC", "2026-03-06 23:00 UTC", "fridays"],
    ]


def test_what_cannot_be_read_is_closed_from_now_on_beside_the_rest():
    unread = Unreadable("closures", "no such file", "carol")
    found = entries(Calendar((FRIDAYS,), unreadable=(unread,)), NOW, NOW + 7 * DAY)
    assert [entry.row()[:3] + entry.row()[-1:] for entry in found] == [
        [
            "2026-03-02 09:00 UTC", "nobody knows when",
            "closures: cannot be read, closed until it can", "no such file",
        ],
        ["2026-03-06 14:00 UTC", "2026-03-06 23:00 UTC", "fridays", ""],
    ]  # fmt: skip


def test_the_list_says_what_is_active_and_what_comes():
    friday = datetime(2026, 3, 6, 16, 0, tzinfo=UTC)
    found = lines(Calendar((FRIDAYS, LATER), (STOP,)), friday)
    assert [(line["name"], line["now"], line["next"]) for line in found] == [
        ("fridays", "active until 2026-03-06 23:00 UTC", "2026-03-13 14:00 UTC"),
        ("later", "", "2026-05-31 22:00 UTC"),
        ("db", "stopped until 2026-03-03 09:00 UTC", ""),
    ]


def test_the_list_says_what_to_know_of_a_window_that_never_comes():
    never = Once(datetime(2020, 6, 1), datetime(2020, 6, 2), PARIS)
    [line] = lines(Calendar((Window("closures", never, note="0 of 11 events close"),)), NOW)
    assert (line["now"], line["next"]) == ("", "0 of 11 events close")
