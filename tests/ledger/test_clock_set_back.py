"""A clock that is set back by an hour: nothing waits for the hour, and the record of it is sound."""

from datetime import timedelta

import pytest

from gare.domain.approvals import Decision
from gare.domain.releases import ReleaseState, StepState
from gare.domain.waits import Cause, Waited
from gare.ledger.audit import audit_ledger
from gare.ledger.ledger import Ledger
from gare.ledger.verify import verify_bundle

HOUR = timedelta(hours=1)


def test_a_vote_wakes_its_release_although_the_clock_is_set_back_after_it(
    sqlite_ledger, story, clock, store, tmp_path
):
    release, _ = waiting(sqlite_ledger, story, store, tmp_path)
    assert sqlite_ledger.runs.due(sqlite_ledger.now()) == []
    story.vote(sqlite_ledger, release, story.ALICE)
    story.vote(sqlite_ledger, release, story.BOB)
    clock.pass_by(-HOUR)
    assert [found.id for found in sqlite_ledger.runs.due(sqlite_ledger.now())] == [release.id]
    assert story.decide(sqlite_ledger, release) is Decision.APPROVED


def test_a_step_ticked_off_wakes_its_release_although_the_clock_is_set_back_after_it(
    sqlite_ledger, story, clock, store, tmp_path
):
    release, _ = waiting(sqlite_ledger, story, store, tmp_path)
    sqlite_ledger.releases.begin_step(release.id, "backup", actor="bob")
    sqlite_ledger.releases.end_step(release.id, "backup", StepState.DONE, actor="bob")
    clock.pass_by(-HOUR)
    assert [found.id for found in sqlite_ledger.runs.due(sqlite_ledger.now())] == [release.id]


def test_who_is_next_in_the_queue_is_woken_although_the_clock_is_set_back(
    sqlite_ledger, story, clock
):
    first, plan = story.open_release(sqlite_ledger)
    second, _ = story.open_release(sqlite_ledger, plan, "second")
    assert sqlite_ledger.locks.ask(first.id, {"production"}) is None
    assert sqlite_ledger.locks.ask(second.id, {"production"}) is not None
    sqlite_ledger.releases.mark(
        second.id, ReleaseState.WAITING, actor="gare", waiting=[Waited("turn", Cause.OTHER)]
    )
    sqlite_ledger.releases.mark(first.id, ReleaseState.RELEASED, actor="gare")
    clock.pass_by(-HOUR)
    assert [found.id for found in sqlite_ledger.runs.due(sqlite_ledger.now())] == [second.id]
    assert sqlite_ledger.locks.ask(second.id, {"production"}) is None


def test_an_approval_expires_by_the_clock_and_not_before(
    sqlite_ledger, story, clock, store, tmp_path
):
    release, _ = waiting(sqlite_ledger, story, store, tmp_path)
    expires_at = sqlite_ledger.releases.get(release.id).wake_at
    clock.pass_by(-HOUR)
    assert sqlite_ledger.approvals.standing(release.id, story.RULE).decision is Decision.PENDING
    clock.now = expires_at
    assert [found.id for found in sqlite_ledger.runs.due(sqlite_ledger.now())] == [release.id]
    assert sqlite_ledger.approvals.standing(release.id, story.RULE).decision is Decision.EXPIRED


@pytest.mark.parametrize("reading", [3, 10, 17, 24, 31])
def test_a_release_in_which_the_clock_is_set_back_is_sound_and_its_evidence_verifies(
    story, tmp_path, reading
):
    class SetBack(story.Clock):
        left = reading

        def __call__(self):
            self.left -= 1
            if not self.left:
                self.now -= HOUR
            return super().__call__()

    clock = SetBack()
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock)
    (tmp_path / "files").mkdir()
    release = story.tell(ledger, tmp_path / "store", tmp_path / "files")
    assert clock.left < 0, "it was set back on the way"
    assert release.state is ReleaseState.RELEASED
    story.write_bundle(ledger, tmp_path / "store", release.id, tmp_path / "bundle.zip")
    assert [str(problem) for problem in verify_bundle(tmp_path / "bundle.zip").problems] == []
    report = audit_ledger(ledger.database)
    assert report.is_sound, report
    ledger.close()


def waiting(ledger, story, store, tmp_path):
    """Make a release that waits for votes."""
    release, plan = story.open_release(ledger)
    story.build_and_validate(ledger, release, store, tmp_path)
    story.ask(ledger, release, plan)
    return release, plan
