"""What a freeze would hit, how the way stands to each environment, and how freezes are listed."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gare.domain.freezes import Calendar, Move, Scope, Stop, Unreadable, Window, WindowKind
from gare.domain.plan import Kind, PlannedEffect, PlannedStep, Reversibility
from gare.domain.releases import Release, ReleaseState, StepState
from gare.domain.spans import Once, Rule, Weekly
from gare.reports.freeze_hits import OpenRelease, TrainAhead, hits, train_hits
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


def open_release(story, number: int, states=None, **changes) -> OpenRelease:
    plan = story.make_plan(steps=STEPS, environments=("staging", "production"), **changes)
    release = Release(
        f"R-{number}", plan.project, plan.version, "p", "run", ReleaseState.RUNNING, "", "", NOW, NOW, None, "", (),
        None,
    )  # fmt: skip
    return OpenRelease(release, plan, states or {})


def test_a_freeze_hits_the_releases_with_steps_to_come_that_it_keeps(story):
    done = {"deploy-staging": StepState.DONE}
    found = [
        open_release(story, 1),
        open_release(story, 2, done, project="api"),
        open_release(story, 3, {step.id: StepState.DONE for step in STEPS}),
        open_release(story, 4, kind=Kind.ROLLBACK),
    ]
    assert [str(hit) for hit in hits(FRIDAYS, found, NOW)] == [
        "R-1 (shop 1.4.0): deploy-production, publish; production closed "
        "from 2026-03-06 14:00 UTC until 2026-03-06 23:00 UTC",
        "R-2 (api 1.4.0): deploy-production, publish; production closed "
        "from 2026-03-06 14:00 UTC until 2026-03-06 23:00 UTC",
    ]
    assert [(hit.release.id, hit.environment) for hit in hits(STOP, found, NOW)] == [
        ("R-1", "staging"), ("R-1", "production"),
    ]  # fmt: skip
    assert hits(LATER, found, NOW) == []


def test_a_freeze_hits_the_departures_that_fall_into_it():
    friday = datetime(2026, 3, 6, 16, 0, tzinfo=UTC)
    moves = [Move("shop", "production"), Move("shop", "staging"), Move("api", "staging")]
    train = TrainAhead("weekly", [NOW, friday], moves)
    assert [str(hit) for hit in train_hits(FRIDAYS, [train])] == [
        "train weekly, departing 2026-03-06 16:00 UTC: shop"
    ]


def test_what_is_hit_is_told_in_the_zone_of_people_too(story):
    [hit, _] = hits(STOP, [open_release(story, 1)], NOW, PARIS)
    assert str(hit).endswith(
        "staging closed from 2026-03-02 09:00 UTC (10:00 Europe/Paris) "
        "until 2026-03-03 09:00 UTC (10:00 Europe/Paris)"
    )


def test_a_freeze_that_begins_while_a_train_is_on_its_way_hits_it():
    friday = datetime(2026, 3, 6, 13, 30, tzinfo=UTC)
    train = TrainAhead("weekly", [friday], [Move("shop", "production")], timedelta(hours=1), PARIS)
    assert [str(hit) for hit in train_hits(FRIDAYS, [train])] == [
        "train weekly, departing 2026-03-06 13:30 UTC (14:30 Europe/Paris): shop; "
        "closed from 2026-03-06 14:00 UTC (15:00 Europe/Paris), while it may be on its way"
    ]
    short = TrainAhead("weekly", [friday], train.moves, timedelta(minutes=30), PARIS)
    assert train_hits(FRIDAYS, [short]) == []


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


def test_the_list_says_that_a_freeze_is_over_and_keeps_what_cannot_be_read_out_of_the_times():
    done = Rule(datetime(2020, 1, 30, 18), "FREQ=DAILY;COUNT=3", timedelta(hours=2), PARIS)
    unread = Unreadable("closures", "no such file", "carol")
    over, closed = lines(Calendar((Window("done", done),), unreadable=(unread,)), NOW)
    assert (over["now"], over["next"]) == ("", "over since 2020-02-01 19:00 UTC")
    assert (closed["now"], closed["next"], closed["problem"]) == ("closed", "", "no such file")
