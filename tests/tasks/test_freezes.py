"""What a step waits for in a closed environment, and what has begun and is finished."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from gare.config.loader import load_station
from gare.domain.freezes import move_of
from gare.domain.plan import Kind, PlannedEffect, PlannedStep, Reversibility
from gare.domain.releases import StepState
from gare.ledger.effects import Absent, Effect
from gare.ledger.freezes import Spared
from gare.ledger.ledger import Ledger
from gare.wiring import Gare
from tasks.waiting import look_at_freezes

TAG = (PlannedEffect("tag", "v1", Reversibility.POINT_OF_NO_RETURN),)
BUILD = PlannedStep("build", "build", "Build")
DEPLOY = PlannedStep("deploy-production", "deploy", "", ("build",), "production")
VERIFY = PlannedStep("verify-production", "verify", "", ("deploy-production",), "production")
PIPELINE = PlannedStep("ci", "pipeline", "", ("build",), effects=TAG)
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
    wait = look_at_freezes(gare, release, plan, DEPLOY)
    assert wait.reason == (
        "deploy-production: production is closed: the freeze year-end in station.yaml; "
        "opens 2026-03-10 23:00 UTC"
    )
    assert wait.wake_at == datetime(2026, 3, 10, 23, tzinfo=UTC)
    assert not wait.is_refusal
    assert look_at_freezes(gare, release, plan, PUBLISH).reason.startswith(
        "publish: production is closed"
    )
    assert look_at_freezes(gare, release, plan, BUILD) is None
    assert look_at_freezes(gare, release, plan, VERIFY) is None


def test_a_command_without_an_environment_waits_for_that_of_the_next_deployment(open_in):
    gare, release, plan = open_in()
    outward = PlannedStep("migrate", "run", "", ("build",), settings={"outward": True})
    assert look_at_freezes(gare, release, plan, outward).reason.startswith(
        "migrate: production is closed: the freeze year-end"
    )
    assert (
        look_at_freezes(gare, release, plan, replace(outward, settings={"outward": False})) is None
    )


def test_looking_twice_says_the_same(open_in):
    gare, release, plan = open_in()
    assert look_at_freezes(gare, release, plan, DEPLOY) == look_at_freezes(
        gare, release, plan, DEPLOY
    )


def test_a_window_may_refuse(open_in):
    gare, release, plan = open_in(", on_closed: refuse")
    assert look_at_freezes(gare, release, plan, DEPLOY).is_refusal


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


def begin(gare: Gare, release, step: PlannedStep, act) -> None:
    """Start a step and one effect of it, as a process does that does not get to the end."""
    gare.ledger.releases.begin_step(release.id, step.id, actor="gare")
    effect = Effect(step.id, {"version": "1.4.0"}, Absent, act)
    with suppress(Killed):
        gare.ledger.effects.perform(release.id, step.id, effect)


def die() -> None:
    raise Killed


def test_a_rollout_that_a_process_died_in_is_finished(open_in):
    gare, release, plan = open_in()
    begin(gare, release, DEPLOY, die)
    assert look_at_freezes(gare, release, plan, DEPLOY) is None
    assert look_at_freezes(gare, release, plan, PUBLISH) is not None


def test_a_rollout_that_failed_and_is_resumed_waits(open_in):
    gare, release, plan = open_in()
    begin(gare, release, DEPLOY, die)
    gare.ledger.releases.end_step(
        release.id, DEPLOY.id, StepState.FAILED, error="no route to host", actor="gare"
    )
    assert look_at_freezes(gare, release, plan, DEPLOY) is not None


def test_another_step_that_a_process_died_in_waits(open_in):
    gare, release, plan = open_in()
    begin(gare, release, PUBLISH, die)
    assert look_at_freezes(gare, release, plan, PUBLISH) is not None


@pytest.mark.parametrize(("act", "waits"), [(die, True), (dict, False)])
def test_a_pipeline_that_was_started_is_looked_at_in_a_freeze_too(open_in, act, waits):
    gare, release, plan = open_in()
    begin(gare, release, PIPELINE, act)
    assert (look_at_freezes(gare, release, plan, PIPELINE) is not None) is waits


def test_an_override_opens(open_in):
    gare, release, plan = open_in()
    found = gare.freezes.clearance(move_of(plan, DEPLOY))
    spared = [Spared(one.key, one.what, one.until) for one in found.closings]
    gare.ledger.freezes.override(release.id, "production", spared, person="alice", reason="why")
    assert look_at_freezes(gare, release, plan, DEPLOY) is None


def test_the_end_of_the_window_opens(open_in):
    gare, release, plan = open_in()
    wait = look_at_freezes(gare, release, plan, DEPLOY)
    clock = gare.ledger.database.clock
    clock.pass_by(wait.wake_at - clock.now - timedelta(seconds=30))
    assert look_at_freezes(gare, release, plan, DEPLOY) is not None
    clock.pass_by(timedelta(seconds=30))
    assert look_at_freezes(gare, release, plan, DEPLOY) is None
