"""What a freeze would hit: releases on their way, and departures."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gare.domain.freezes import Move, Scope, Stop, Window
from gare.domain.plan import Kind, PlannedEffect, PlannedStep, Reversibility
from gare.domain.releases import Release, ReleaseState, StepState
from gare.domain.spans import Once, Weekly
from gare.reports.freeze_hits import OpenRelease, TrainAhead, hits, train_hits

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
