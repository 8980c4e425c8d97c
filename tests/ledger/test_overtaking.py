"""A hotfix in the ledger's queue: who gives way to it, when, and what a release that was overtaken keeps."""

import pytest

from gare.domain.locks import LINE, Priority
from gare.domain.releases import ReleaseState, StepState
from gare.domain.waits import Cause, Waited
from gare.errors import Refused
from gare.ledger.effects import Absent, Effect
from gare.ledger.verify import verify_bundle

ALL = {LINE, "production"}


@pytest.fixture
def pair(ledger, story):
    """A release that holds its locks, and a hotfix of the same project."""
    first, hotfix = (story.open_release(ledger, run=f"run {n}")[0].id for n in range(2))
    story.do_step(ledger, ledger.releases.get(first), "plan")
    assert ledger.locks.ask(first, ALL) is None
    return first, hotfix


def ask(ledger, hotfix):
    return ledger.locks.ask(hotfix, ALL, priority=Priority.HOTFIX)


def rest(ledger, release_id):
    ledger.releases.mark(
        release_id, ReleaseState.WAITING, actor="gare", waiting=[Waited("votes", Cause.OTHER)]
    )


def begin(ledger, release_id, step, state=None):
    ledger.releases.begin_step(release_id, step, actor="gare")
    if state:
        ledger.releases.end_step(release_id, step, state, actor="gare")


def test_a_release_that_waits_for_votes_loses_its_locks_to_the_hotfix(ledger, pair):
    first, hotfix = pair
    begin(ledger, first, "build", StepState.DONE)
    rest(ledger, first)
    assert ask(ledger, hotfix) is None
    assert str(ledger.locks.place(first)) == (
        "queued behind R-2 (shop/production and the version line), place 1 of 1"
    )
    assert not ledger.locks.has_lost(first), "it gave them; nobody took them for want of renewal"
    ledger.releases.mark(hotfix, ReleaseState.RELEASED, actor="gare")
    assert ledger.locks.ask(first, ALL) is None


def test_one_that_runs_keeps_them_and_gives_way_before_its_next_step(ledger, pair):
    first, hotfix = pair
    begin(ledger, first, "build")
    assert ask(ledger, hotfix).behind == first
    rest(ledger, hotfix)
    ledger.releases.end_step(first, "build", StepState.DONE, actor="gare")
    assert ledger.locks.give_way(first).behind == hotfix
    assert ledger.locks.give_way(first).behind == hotfix, "asked again, it still waits"
    woken = ledger.releases.get(hotfix).wake_at
    assert woken is not None
    assert woken <= ledger.now()
    assert ask(ledger, hotfix) is None


@pytest.mark.parametrize("state", [None, StepState.DONE])
def test_one_that_is_changing_its_last_environment_finishes_it(ledger, pair, state):
    first, hotfix = pair
    begin(ledger, first, "deploy-production", state)
    assert ask(ledger, hotfix).behind == first
    assert ledger.locks.give_way(first) is None
    rest(ledger, first)
    assert ask(ledger, hotfix).behind == first
    assert ledger.locks.held(first) == ["production", LINE]


def test_nobody_gives_way_to_an_equal(ledger, pair):
    first, other = pair
    rest(ledger, first)
    assert ledger.locks.ask(other, ALL).behind == first
    assert ledger.locks.give_way(first) is None


def test_a_release_that_was_overtaken_begins_anew_and_its_votes_are_void(
    ledger, story, pair, tmp_path, store
):
    first, _ = pair
    begin(ledger, first, "build", StepState.DONE)
    before = ledger.releases.get(first)
    plan = story.make_plan(version="1.5.0", tag="v1.5.0")
    value = {"plan": ledger.plans.store(plan), "summary": "1 commits, minor"}
    for _ in range(2):
        ledger.releases.replan(
            first, value["plan"], plan, value, reason="R-2 overtook it", restart=True
        )
    assert ledger.releases.step_states(first) == {"plan": StepState.DONE}
    assert ledger.releases.get(first).version == "1.5.0"
    begin(ledger, first, "build", StepState.DONE)
    ledger.releases.mark(first, ReleaseState.CANCELLED, actor="gare")
    story.write_bundle(ledger, store, first, tmp_path / "out.zip")
    report = verify_bundle(tmp_path / "out.zip")
    assert [str(problem) for problem in report.problems] == []
    assert before.version == "1.4.0"


def test_one_that_has_done_something_outside_does_not_begin_anew(ledger, story, pair):
    first, _ = pair
    begin(ledger, first, "build")
    ledger.effects.perform(first, "build", Effect("mail", {}, Absent, dict))
    plan = story.make_plan(version="1.5.0")
    with pytest.raises(Refused) as caught:
        ledger.releases.replan(
            first, ledger.plans.store(plan), plan, {}, reason="overtaken", restart=True
        )
    assert caught.value.what == "R-1 has begun (build): its plan does not change any more."
    assert ledger.releases.get(first).version == "1.4.0"
