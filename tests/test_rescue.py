"""What the reconciler does about runs that died: a real ledger, an engine that keeps its runs in a dictionary."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from gare.config.models import RescueSettings
from gare.domain.releases import ReleaseState, StepState
from gare.domain.waits import Cause, Waited
from gare.engine import ALIVE
from gare.errors import Refused, Unavailable, UnexpectedReply
from gare.ledger.ledger import Ledger
from gare.reconciler import SWEEP_ROUNDS, Reconciler
from gare.requests import ReleaseRequest
from gare.rescue import Rescuer, lost, recover
from gare.run_lists import Listed, Run

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class FakeEngine:
    """An engine that does as it is told and can be away."""

    runs_by_id: dict[str, Run] = field(default_factory=dict)
    is_away: bool = False
    is_listless: bool = False
    broken: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    requests: list[dict] = field(default_factory=list)

    def put(self, run_id: str, state: str, name: str = "", message: str = "") -> None:
        since = NOW - timedelta(minutes=1)
        title = name or state.capitalize()
        self.runs_by_id[run_id] = Run(run_id, "release", state, title, message, since)

    def _answer(self) -> None:
        if self.is_away:
            raise Unavailable("the engine is away")

    def runs(self, ids):
        self._answer()
        return {run_id: self.runs_by_id[run_id] for run_id in ids if run_id in self.runs_by_id}

    def moving(self, ended_after):
        self._answer()
        if self.is_listless:
            raise UnexpectedReply("Cannot read runs: HTTP 500")
        found = [run for run in self.runs_by_id.values() if run.state_type in ALIVE or run.is_over]
        return Listed([run for run in found if run.id not in self.broken], len(self.broken))

    def ring(self):
        self.calls.append("ring")

    def resume(self, run_id):
        self._answer()
        self.calls.append(f"resume {run_id}")
        is_suspended = self.runs_by_id[run_id].is_suspended
        if is_suspended:
            self.put(run_id, "SCHEDULED", "Resuming")
        return is_suspended

    def retry(self, run_id):
        self._answer()
        if run_id in self.broken:
            raise UnexpectedReply("Cannot change the run's state: HTTP 500")
        self.calls.append(f"retry {run_id}")
        self.put(run_id, "SCHEDULED", "AwaitingRetry")

    def cancel(self, run_id, *, has_process=True):
        self.calls.append(f"cancel {run_id} {has_process}")
        self.put(run_id, "CANCELLING" if has_process else "CANCELLED")

    def give_up(self, run_id, reason):
        self.put(run_id, "FAILED", "NeedsAttention", reason)

    def start(self, request, *, deployment, idempotency_key, at):
        assert deployment == "release/gare"
        self.requests.append(request)
        run_id = f"new-{idempotency_key}"[:36]
        if run_id not in self.runs_by_id:
            self.put(run_id, "SCHEDULED")
        assert at > NOW + timedelta(days=1)
        return self.runs_by_id[run_id]

    def rename(self, run_id, name, tags):
        self.calls.append(f"rename {name}")

    def begin(self, run_id):
        self.calls.append(f"begin {run_id}")

    def run_address(self, run_id):
        return f"/runs/{run_id}"


@pytest.fixture
def clock():
    return SimpleNamespace(now=NOW)


@pytest.fixture
def gare(tmp_path, clock):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: clock.now)
    settings = RescueSettings(quiet=timedelta(microseconds=50), attempts=3)
    station = SimpleNamespace(config=SimpleNamespace(rescue=settings), root=tmp_path)
    made = SimpleNamespace(
        ledger=ledger, engine=FakeEngine(), station=station, work_folder=tmp_path / "work"
    )
    made.plan = ledger.plans.get
    yield made
    ledger.close()


@pytest.fixture
def release(gare, story):
    return story.open_release(gare.ledger)[0]


@pytest.fixture
def reconciler(gare):
    made = Reconciler(gare)
    yield made
    made.leave()


def rounds(reconciler, count=6):
    return [told for _ in range(count) for told in reconciler.round()]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("RUNNING", "its process did not begin"),
        ("PENDING", "no process began after a worker had taken the run"),
        ("CRASHED", "the run ended as Crashed: killed"),
        ("FAILED", "the run ended as Failed: killed"),
    ],
)
def test_a_dead_run_is_brought_on_and_the_record_says_why(gare, release, reconciler, state, reason):
    gare.engine.put(release.flow_run_id, state, message="killed")
    assert f"{release.id} is brought on (attempt 1): {reason}" in rounds(reconciler)
    assert gare.engine.calls == [f"retry {release.flow_run_id}"]
    [event] = [e for e in gare.ledger.database.events("R-1") if e.kind == "run brought on"]
    assert reason in event.body


def test_a_run_whose_process_lives_is_left_alone_whatever_the_engine_says(
    gare, release, reconciler
):
    worker = Ledger(gare.ledger.database.url)
    worker.leases.take(f"run {release.flow_run_id}")
    for state in ("RUNNING", "CRASHED", "PENDING"):
        gare.engine.put(release.flow_run_id, state)
        assert rounds(reconciler) == []
    worker.close()
    assert "is brought on" in rounds(reconciler)[0]


def test_a_run_that_was_slow_to_begin_is_given_time_to_tell_its_end(gare, release, monkeypatch):
    """Its process came late, did the rest and has let go of its lease; the engine hears of it in a moment."""
    at = SimpleNamespace(now=0.0)
    monkeypatch.setattr("gare.rescue.time", SimpleNamespace(monotonic=lambda: at.now))
    gare.station.config.rescue = RescueSettings(quiet=timedelta(seconds=2), attempts=3)
    rescuer, run_id = Rescuer(gare), release.flow_run_id

    def look(state, now):
        at.now = now
        gare.engine.put(run_id, state)
        return rescuer.look(list(gare.engine.runs([run_id]).values()))

    assert look("PENDING", 0) == look("PENDING", 11) == []
    worker = Ledger(gare.ledger.database.url)
    worker.leases.take(f"run {run_id}")
    worker.leases.free(f"run {run_id}")
    worker.close()
    assert look("RUNNING", 13) == look("RUNNING", 14) == []
    assert "its process is gone" in look("RUNNING", 16)[0]


def test_after_so_many_attempts_it_needs_attention_and_says_what_happened(
    gare, release, reconciler, clock
):
    for _ in range(3):
        gare.engine.put(release.flow_run_id, "CRASHED", message="out of memory")
        assert "is brought on" in rounds(reconciler)[0]
        clock.now += timedelta(minutes=1)
    gare.engine.put(release.flow_run_id, "CRASHED", message="out of memory")
    [told] = rounds(reconciler)
    found = gare.ledger.releases.get(release.id)
    assert found.state is ReleaseState.ATTENTION
    assert found.end == (
        "brought on 3 times without a further step done; last: the run ended as Crashed: out of memory"
    )
    assert told == f"R-1 needs attention: {found.end}"
    assert gare.engine.runs_by_id[release.flow_run_id].state_name == "NeedsAttention"


def test_a_vendor_that_is_away_for_an_hour_uses_up_no_attempt(gare, release, reconciler, clock):
    gare.station.config.rescue = RescueSettings(quiet=timedelta(microseconds=50), attempts=2)
    said, run_id = "Jira cannot be used now: it answered 503.", release.flow_run_id
    told = []
    for _ in range(360):
        gare.engine.put(run_id, "FAILED", "Unavailable", said)
        told += rounds(reconciler, 2)
        clock.now += timedelta(seconds=10)
    assert 12 <= len(told) < 40
    assert told[-1].endswith(said)
    assert gare.ledger.releases.get(release.id).state is ReleaseState.RUNNING
    gare.engine.put(run_id, "CRASHED", message="out of memory")
    clock.now += timedelta(minutes=5)
    assert "(attempt 1)" in rounds(reconciler)[0]


def test_the_engine_or_ledger_that_is_away_again_and_again_does(gare, release, reconciler, clock):
    for _ in range(4):
        gare.engine.put(release.flow_run_id, "FAILED", "Interrupted", "not done: build")
        told = rounds(reconciler)
        clock.now += timedelta(minutes=5)
    assert "needs attention" in told[0]


def test_what_waits_for_a_vendor_to_be_planned_is_known_by_its_name(gare, reconciler, clock):
    gare.engine.put("early", "FAILED", "Unavailable", "GitLab cannot be used now.")
    rounds(reconciler)
    (found,) = gare.ledger.rescues.unopened(NOW - timedelta(minutes=10))
    assert (found.name, found.reason) == ("run release", "GitLab cannot be used now.")
    assert gare.ledger.rescues.unopened(clock.now + timedelta(minutes=1)) == []


def test_a_step_done_since_starts_the_count_anew(gare, release, reconciler, clock):
    for turn in range(8):
        gare.engine.put(release.flow_run_id, "CRASHED")
        assert "(attempt 1)" in rounds(reconciler)[0]
        gare.ledger.releases.begin_step(release.id, f"step-{turn}", actor="gare")
        gare.ledger.releases.end_step(release.id, f"step-{turn}", StepState.DONE, actor="gare")
        clock.now += timedelta(minutes=1)


def test_the_second_attempt_waits_longer(gare, release, reconciler, clock):
    gare.station.config.rescue = RescueSettings(quiet=timedelta(microseconds=50), attempts=3)
    gare.engine.put(release.flow_run_id, "CRASHED")
    rounds(reconciler)
    gare.engine.put(release.flow_run_id, "CRASHED")
    assert rounds(reconciler) == [], "the ledger's clock has not moved"
    clock.now += timedelta(seconds=1)
    assert "(attempt 2)" in rounds(reconciler)[0]


def test_a_waiting_release_is_woken_by_its_moment_and_not_before(gare, release, reconciler, clock):
    gare.engine.put(release.flow_run_id, "PAUSED", "Suspended")
    gare.ledger.releases.mark(
        release.id,
        ReleaseState.WAITING,
        actor="gare",
        waiting=[Waited("people", Cause.OTHER)],
        wake_at=NOW + timedelta(hours=1),
    )
    clock.now += timedelta(minutes=59)
    assert rounds(reconciler) == []
    clock.now += timedelta(minutes=1)
    assert rounds(reconciler, 1) == [f"{release.id} goes on"]


def test_a_step_ticked_off_by_a_person_wakes_the_release(gare, release, reconciler):
    gare.engine.put(release.flow_run_id, "PAUSED", "Suspended")
    gare.ledger.releases.mark(
        release.id, ReleaseState.WAITING, actor="gare", waiting=[Waited("somebody", Cause.OTHER)]
    )
    gare.ledger.releases.begin_step(release.id, "check", actor="alice")
    gare.ledger.releases.end_step(release.id, "check", StepState.DONE, actor="alice")
    assert rounds(reconciler, 1) == [f"{release.id} goes on"]


def test_a_run_put_to_sleep_by_somebody_else_is_woken(gare, release, reconciler, clock):
    clock.now += timedelta(minutes=1)
    gare.engine.put(release.flow_run_id, "PAUSED", "Suspended")
    assert f"{release.id} goes on" in rounds(reconciler)


def test_a_run_cancelled_in_the_engine_cancels_its_release(gare, release, reconciler):
    gare.engine.put(release.flow_run_id, "CANCELLED")
    assert f"{release.id} is cancelled" in rounds(reconciler)
    assert gare.ledger.releases.get(release.id).state is ReleaseState.CANCELLED


def test_a_cancellation_that_nobody_is_left_to_carry_out_is_carried_out(gare, release, reconciler):
    gare.engine.put(release.flow_run_id, "CANCELLING")
    rounds(reconciler)
    assert gare.engine.calls[0] == f"cancel {release.flow_run_id} False"


def test_a_release_that_ended_shows_its_end_in_the_engine_too(gare, release, reconciler):
    gare.ledger.releases.mark(release.id, ReleaseState.RELEASED, actor="gare", end="done")
    gare.engine.put(release.flow_run_id, "CRASHED")
    assert "R-1 has ended, its run not" in rounds(reconciler)[0]
    gare.engine.put(release.flow_run_id, "COMPLETED")
    rounds(reconciler)
    assert gare.ledger.runs.unsettled() == []


def test_a_run_that_died_before_it_opened_a_release_is_brought_on_and_a_refused_one_is_not(
    gare, reconciler
):
    gare.engine.put("lost", "CRASHED", message="503")
    gare.engine.put("refused", "FAILED", "Refused")
    gare.engine.put("database away", "FAILED", "Unavailable")
    rounds(reconciler)
    assert sorted(gare.engine.calls) == ["retry database away", "retry lost"]


def test_a_run_that_no_worker_took_is_not_counted_as_dead_but_the_worker_is_woken(
    gare, release, reconciler
):
    gare.engine.put(release.flow_run_id, "SCHEDULED", "Late")
    assert rounds(reconciler) == []
    assert set(gare.engine.calls) == {"ring"}


def test_while_the_engine_is_away_it_is_said_once_and_nothing_is_judged(gare, release, reconciler):
    gare.engine.put(release.flow_run_id, "RUNNING")
    gare.engine.is_away = True
    assert rounds(reconciler, 10) == ["the engine is away"]
    gare.engine.is_away = False
    assert rounds(reconciler)[0] == "everything answers again"


def test_without_the_engines_list_the_runs_of_releases_are_brought_on_and_the_rest_goes_on(
    gare, release, story, reconciler, clock
):
    waiting = story.open_release(gare.ledger, run="waits")[0]
    gare.ledger.locks.ask(waiting.id, {"production"})
    gare.engine.put(waiting.flow_run_id, "PAUSED", "Suspended")
    gare.ledger.releases.mark(
        waiting.id, ReleaseState.WAITING, actor="gare", waiting=[Waited("people", Cause.OTHER)]
    )
    gare.engine.put(release.flow_run_id, "CRASHED", message="killed")
    gare.engine.is_listless = True
    told = rounds(reconciler)
    assert told.count("Cannot read runs: HTTP 500") == 1
    assert f"{release.id} is brought on (attempt 1): the run ended as Crashed: killed" in told
    for _ in range(10):  # leases are renewed: nobody loses a lock
        clock.now += timedelta(minutes=4)
        rounds(reconciler, SWEEP_ROUNDS)
    assert gare.ledger.locks.held(waiting.id) == ["production"]
    gare.engine.is_listless = False
    assert rounds(reconciler) == []


def test_a_run_that_the_engine_cannot_tell_of_keeps_no_other_from_being_brought_on(
    gare, release, story, reconciler
):
    other = story.open_release(gare.ledger, run="other")[0]
    for run_id in (release.flow_run_id, other.flow_run_id):
        gare.engine.put(run_id, "CRASHED")
    gare.engine.broken = {release.flow_run_id}
    told = rounds(reconciler)
    assert "the engine cannot tell of 1 of its runs; see `gare doctor`" in told
    assert f"{other.id} is brought on (attempt 1): the run ended as Crashed" in told
    failed = [one for one in told if one.startswith(f"{release.id} cannot be brought on")]
    assert len(failed) == 1, "and it is said once"


def test_nobody_loses_a_lock_while_the_engine_is_away(gare, release, reconciler, clock):
    gare.ledger.locks.ask(release.id, {"production"})
    gare.engine.is_away = True
    rounds(reconciler, 3)
    clock.now += timedelta(hours=9)
    rounds(reconciler, SWEEP_ROUNDS)
    assert gare.ledger.locks.held(release.id) == ["production"]


def test_one_reconciler_is_active_and_the_next_takes_over_when_it_leaves(gare, release, clock):
    first = Reconciler(gare)
    second_ledger = Ledger(gare.ledger.database.url, clock=lambda: clock.now)
    second = Reconciler(SimpleNamespace(**{**vars(gare), "ledger": second_ledger}))
    gare.engine.put(release.flow_run_id, "CRASHED")
    first.round()
    assert rounds(second) == []
    first.leave()
    assert "is brought on" in rounds(second)[0]
    second.leave()


def test_an_overtaken_reconciler_stands_by(gare, release, reconciler):
    reconciler.round()
    gare.ledger.database.fence("reconciler", 99)
    gare.engine.put(release.flow_run_id, "CRASHED")
    assert rounds(reconciler, 4) == ["another reconciler has taken over; standing by"]


def test_a_release_whose_run_is_gone_needs_attention_and_is_recovered_once(
    gare, release, reconciler, clock
):
    clock.now += timedelta(minutes=1)
    [told] = rounds(reconciler)
    assert "gare recover R-1" in told
    assert lost(gare) == [gare.ledger.releases.get(release.id)]
    made = recover(gare, lost(gare)[0], actor="alice")
    assert made.flow_run_id != release.flow_run_id
    assert gare.ledger.releases.of_run(made.flow_run_id) == made
    assert gare.engine.calls[-1] == f"begin {made.flow_run_id}"
    with pytest.raises(Refused, match="The engine has the run of R-1"):
        recover(gare, made, actor="alice")
    assert lost(gare) == []


def test_a_recovered_run_is_asked_for_what_the_lost_one_was(gare, story):
    plan = story.make_plan()
    asked = {"project": plan.project, "version": "1.4.0", "ref": "main", "replan": True}
    release = gare.ledger.releases.open(
        gare.ledger.plans.store(plan), plan, story.RUN, "", "why\x00", ReleaseRequest(**asked).model_dump()
    )  # fmt: skip
    recover(gare, release, actor="alice")
    [request] = gare.engine.requests
    assert request == ReleaseRequest(**asked).model_dump()


def test_a_release_that_an_older_gare_opened_is_recovered_with_its_plan(gare, release):
    recover(gare, release, actor="alice")
    [request] = gare.engine.requests
    assert (request["project"], request["plan"]) == (release.project, release.plan)
