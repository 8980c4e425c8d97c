"""What a step waits for in a closed environment, and what has begun and is finished."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from gare.config.loader import load_station
from gare.domain.plan import Kind, PlannedEffect, PlannedStep, Reversibility
from gare.ledger.effects import Absent, Effect
from gare.ledger.ledger import Ledger
from gare.wiring import Gare
from tasks.waiting import look, look_at_freezes

TAG = (PlannedEffect("tag", "v1", Reversibility.POINT_OF_NO_RETURN),)
BUILD = PlannedStep("build", "build", "Build")
DEPLOY = PlannedStep("deploy-production", "deploy", "", ("build",), "production")
VERIFY = PlannedStep("verify-production", "verify", "", ("deploy-production",), "production")
PUBLISH = PlannedStep("publish", "publish", "", ("verify-production",), effects=TAG)
STATION = """\
name: demo
freezes:
  - {name: year-end, start: 2026-03-01, end: 2026-03-10, environments: [production]%s}
"""


@pytest.fixture
def open_in(tmp_path: Path, story: ModuleType):
    """Open a release in a station whose production is closed; the ledger's clock is at 2 March 2026."""

    def make(more: str = "", **changes):
        (tmp_path / "station.yaml").write_text(STATION % more)
        gare = Gare(load_station(tmp_path))
        gare.__dict__["ledger"] = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=story.Clock())
        steps = (BUILD, DEPLOY, VERIFY, PUBLISH)
        plan = story.make_plan(steps=steps, approvals=(), environments=("production",), **changes)
        release, plan = story.open_release(gare.ledger, plan)
        return gare, release, plan

    return make


def test_what_changes_the_environment_waits_until_it_opens_and_the_rest_does_not(open_in):
    gare, release, plan = open_in()
    wait = look(gare, release, plan, DEPLOY)
    assert wait.reason == (
        "deploy-production: production is closed: the freeze year-end in station.yaml; "
        "opens 2026-03-10 23:00 UTC"
    )
    assert wait.wake_at == datetime(2026, 3, 10, 23, tzinfo=UTC)
    assert not wait.is_refusal
    assert look(gare, release, plan, PUBLISH).reason.startswith("publish: production is closed")
    assert look(gare, release, plan, BUILD) is None
    assert look(gare, release, plan, VERIFY) is None


def test_looking_twice_says_the_same(open_in):
    gare, release, plan = open_in()
    assert look(gare, release, plan, DEPLOY) == look(gare, release, plan, DEPLOY)


def test_a_window_may_refuse(open_in):
    gare, release, plan = open_in(", on_closed: refuse")
    assert look(gare, release, plan, DEPLOY).is_refusal


def test_a_rollback_is_let_through_and_a_hotfix_when_it_is_said(open_in):
    gare, release, plan = open_in(kind=Kind.ROLLBACK)
    assert look_at_freezes(gare, release, plan, DEPLOY) is None


def test_a_hotfix_waits_unless_it_is_let_through(open_in):
    gare, release, plan = open_in(kind=Kind.HOTFIX)
    assert look_at_freezes(gare, release, plan, DEPLOY) is not None
    gare, release, plan = open_in(", lets: [hotfix]", kind=Kind.HOTFIX)
    assert look_at_freezes(gare, release, plan, DEPLOY) is None


class Killed(BaseException):
    """The process dies in the middle of the act."""


def test_what_was_begun_and_nobody_knows_the_end_of_is_finished(open_in):
    gare, release, plan = open_in()

    def act():
        raise Killed

    effect = Effect("deploy production", {"version": "1.4.0"}, Absent, act)
    with pytest.raises(Killed):
        gare.ledger.effects.perform(release.id, "deploy-production", effect)
    assert look_at_freezes(gare, release, plan, DEPLOY) is None
    assert look_at_freezes(gare, release, plan, PUBLISH) is not None


def test_an_attempt_that_was_taken_back_has_not_begun(open_in):
    gare, release, plan = open_in()

    def act():
        raise OSError("no route to host")

    effect = Effect("deploy production", {"version": "1.4.0"}, Absent, act)
    with pytest.raises(OSError, match="no route"):
        gare.ledger.effects.perform(release.id, "deploy-production", effect)
    waits = look_at_freezes(gare, release, plan, DEPLOY) is not None
    begun = [one for one in gare.ledger.effects.of(release.id) if one.receipt is None]
    assert waits == (not begun)


def test_an_override_and_the_end_of_the_window_open(open_in):
    gare, release, plan = open_in()
    closed = {"year-end": "the freeze year-end"}
    gare.ledger.freezes.override(release.id, "production", closed, person="alice", reason="why")
    assert look_at_freezes(gare, release, plan, DEPLOY) is None


def test_the_end_of_the_window_opens(open_in):
    gare, release, plan = open_in()
    wait = look_at_freezes(gare, release, plan, DEPLOY)
    clock = gare.ledger.database.clock
    clock.pass_by(wait.wake_at - clock.now - timedelta(seconds=30))
    assert look_at_freezes(gare, release, plan, DEPLOY) is not None
    clock.pass_by(timedelta(seconds=30))
    assert look_at_freezes(gare, release, plan, DEPLOY) is None
