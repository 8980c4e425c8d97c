"""Locks and the queue in the ledger: who gets them, who is woken, what a lease is worth, on both databases."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import insert, select

from gare.domain.digest import canonical
from gare.domain.locks import LEASE, LINE, Priority
from gare.domain.plan import Kind
from gare.domain.releases import ReleaseState, StepState
from gare.domain.waits import Cause, Waited
from gare.errors import Refused
from gare.ledger.ledger import Ledger
from gare.ledger.schema import locks, releases
from gare.ledger.verify import verify_bundle

ALL = {LINE, "production"}
MINUTE = timedelta(minutes=1)
ENDS = [state for state in ReleaseState if state.is_closed or state.is_stopped]


@pytest.fixture
def opened(ledger, story):
    """Open releases R-1 to R-n of one project."""

    def open_many(count: int, **changes: object) -> list[str]:
        return [
            story.open_release(ledger, story.make_plan(**changes), run=f"run {number}")[0].id
            for number in range(count)
        ]

    return open_many


def rest(ledger, release_id, **more):
    """Write down that a release waits, as the conductor does."""
    return ledger.releases.mark(
        release_id,
        ReleaseState.WAITING,
        actor="gare",
        waiting=[Waited("its turn", Cause.OTHER)],
        **more,
    )


def is_woken(ledger, release_id):
    found = ledger.releases.get(release_id)
    return found.wake_at is not None and found.wake_at <= ledger.now()


def events(ledger, release_id):
    return [event.kind for event in ledger.database.events(release_id)]


def rows(ledger):
    with ledger.database.read() as connection:
        return connection.execute(select(locks).order_by(locks.c.release)).all()


def test_the_first_gets_all_locks_and_the_others_their_places(ledger, opened):
    first, second, third = opened(3)
    assert ledger.locks.ask(first, ALL) is None
    assert (
        str(ledger.locks.ask(second, ALL))
        == "queued behind R-1 (shop/production and the version line), place 1 of 1"
    )
    assert (
        str(ledger.locks.ask(third, {LINE, "staging"}))
        == "queued behind R-1 (the version line), place 2 of 2"
    )
    assert ledger.locks.place(second).total == 2
    assert set(ledger.locks.places()) == set(ledger.locks.places("shop")) == {second, third}
    assert ledger.locks.places("desk") == {}
    assert ledger.locks.place(first) is None
    assert [ledger.locks.held(one) for one in (first, second)] == [["production", LINE], []]
    assert events(ledger, first) == ["release opened", "lock granted"]
    assert events(ledger, second) == ["release opened"]


def test_asking_again_changes_neither_holder_nor_place(ledger, opened):
    first, second, third = opened(3)
    for _ in range(3):
        assert ledger.locks.ask(first, ALL) is None
        assert ledger.locks.ask(third, ALL).holders[0].release == first
        assert ledger.locks.ask(second, ALL).number == 1
    assert ledger.locks.place(third).number == 2
    assert events(ledger, first).count("lock granted") == 1
    assert len({row.granted_at for row in rows(ledger) if row.release == 1}) == 1


def test_other_projects_are_in_nobodys_way(ledger, story, opened):
    opened(1)
    other, _ = story.open_release(ledger, story.make_plan(project="desk"), run="other")
    assert ledger.locks.ask("R-1", ALL) is None
    assert ledger.locks.ask(other.id, ALL) is None


@pytest.mark.parametrize("end", ENDS)
def test_whoever_ends_or_stands_still_frees_its_locks_and_the_next_is_woken(ledger, opened, end):
    first, second, third = opened(3)
    for release in (first, second, third):
        ledger.locks.ask(release, ALL)
    rest(ledger, second)
    rest(ledger, third)
    ledger.releases.mark(first, end, actor="gare", end="the end")
    assert [is_woken(ledger, one) for one in (second, third)] == [True, False]
    assert ledger.locks.held(first) == []
    assert str(ledger.locks.place(second)) == "queued, its turn has come, place 1 of 2"
    assert str(ledger.locks.place(third)) == "queued behind R-2, place 2 of 2"
    assert ledger.locks.ask(second, ALL) is None
    assert ledger.locks.place(third).behind == second


def test_whoever_is_opened_meanwhile_does_not_slip_in_before_the_one_that_is_woken(ledger, opened):
    first, second, third = opened(3)
    ledger.locks.ask(first, ALL)
    ledger.locks.ask(second, ALL)
    rest(ledger, second)
    ledger.releases.mark(first, ReleaseState.RELEASED, actor="gare")
    assert ledger.locks.ask(third, ALL).behind == second


def test_a_turn_that_comes_while_the_run_goes_to_sleep_is_not_lost(ledger, opened):
    first, second = opened(2)
    ledger.locks.ask(first, ALL)
    ledger.locks.ask(second, ALL)
    ledger.releases.mark(first, ReleaseState.RELEASED, actor="gare")
    assert not is_woken(ledger, second), "it still runs"
    assert rest(ledger, second).wake_at is not None
    assert is_woken(ledger, second)


def test_a_queued_release_that_is_cancelled_frees_its_place(ledger, opened):
    first, second, third = opened(3)
    for release in (first, second, third):
        ledger.locks.ask(release, ALL)
    ledger.releases.mark(second, ReleaseState.CANCELLED, actor="alice")
    assert str(ledger.locks.place(third)).endswith("place 1 of 1")
    assert ledger.locks.ask(second, ALL) is None
    assert ledger.locks.held(second) == [], "what has ended gets no lock"


def test_one_that_stood_still_and_is_resumed_goes_before_those_opened_later(ledger, opened):
    first, second, third = opened(3)
    ledger.locks.ask(first, ALL)
    ledger.releases.mark(first, ReleaseState.FAILED, actor="gare", end="no compiler")
    ledger.locks.ask(second, ALL)
    ledger.locks.ask(third, ALL)
    with pytest.raises(Refused) as caught:
        ledger.locks.ask(first, ALL)
    assert caught.value.what == "R-1 is failed: it asks for no lock."
    ledger.releases.mark(first, ReleaseState.RUNNING, actor="alice")
    assert ledger.locks.ask(first, ALL).number == 1
    assert ledger.locks.place(third).number == 2


def test_a_hotfix_goes_first_but_pushes_nobody_out(ledger, opened):
    first, second, hotfix = opened(3)
    ledger.locks.ask(first, ALL)
    ledger.locks.ask(second, ALL)
    assert ledger.locks.ask(hotfix, ALL, priority=Priority.HOTFIX).number == 1
    assert ledger.locks.held(first) != []
    rest(ledger, second)
    rest(ledger, hotfix)
    ledger.releases.mark(first, ReleaseState.RELEASED, actor="gare")
    assert [is_woken(ledger, one) for one in (second, hotfix)] == [False, True]


def test_all_or_nothing(ledger, opened):
    first, second, third = opened(3)
    assert ledger.locks.ask(first, {"staging"}) is None
    assert ledger.locks.ask(second, {"staging", "production"}) is not None
    assert ledger.locks.held(second) == []
    assert ledger.locks.ask(third, {"production"}).behind == second, "nobody overtakes it"


def test_other_locks_are_had_at_once_or_the_old_ones_are_let_go_of(ledger, opened):
    first, second, third = opened(3)
    assert ledger.locks.ask(first, {"staging"}) is None
    assert ledger.locks.ask(second, {"production"}) is None
    assert ledger.locks.ask(third, {"staging"}).behind == first
    rest(ledger, third)
    assert ledger.locks.ask(first, {"staging", "production"}).behind == second
    assert ledger.locks.held(first) == []
    assert ledger.locks.place(third).behind == first, "still the first of the queue"
    ledger.releases.mark(second, ReleaseState.RELEASED, actor="gare")
    assert ledger.locks.ask(first, {"staging", "production"}) is None
    assert ledger.locks.ask(first, {"production"}) is None
    assert is_woken(ledger, third)


# leases


def test_a_lease_that_is_renewed_goes_on_and_costs_no_write_most_of_the_time(ledger, clock, opened):
    first, second = opened(2)
    ledger.locks.ask(first, ALL)
    ledger.locks.ask(second, ALL)
    before = rows(ledger)
    assert ledger.locks.renew([first, second]) == {first}
    assert rows(ledger) == before
    for _ in range(10):
        clock.pass_by(6 * MINUTE)
        assert ledger.locks.renew([first, second]) == {first}
        assert ledger.locks.pass_on() == []
    assert ledger.locks.place(second).behind == first


def test_a_crashed_holder_keeps_its_locks_until_its_lease_ends_and_then_the_next_has_them(
    ledger, clock, opened
):
    first, second = opened(2)
    ledger.locks.ask(first, ALL)
    ledger.locks.ask(second, ALL)
    rest(ledger, second)
    clock.pass_by(LEASE - MINUTE)
    ledger.locks.renew([second])
    assert ledger.locks.pass_on() == []
    assert ledger.locks.ask(second, ALL).behind == first
    clock.pass_by(2 * MINUTE)
    assert ledger.locks.pass_on() == [
        "R-1 was not renewed for 0:15:00 and lost its locks",
        "R-2 is next in the queue of shop",
    ]
    assert is_woken(ledger, second)
    assert ledger.locks.ask(second, ALL) is None
    assert events(ledger, first)[-1] == "lock lost"
    assert events(ledger, second)[-1] == "lock granted"
    assert ledger.locks.renew([first]) == set(), "the loser learns it when it renews"
    assert ledger.locks.ask(first, ALL).behind == second, "and must queue again"


def test_one_in_the_queue_that_nobody_brings_on_is_passed_by(ledger, clock, opened):
    first, second, third = opened(3)
    for release in (first, second, third):
        ledger.locks.ask(release, ALL)
    rest(ledger, third)
    clock.pass_by(LEASE)
    ledger.locks.renew([first, third])
    assert ledger.locks.pass_on() == ["R-2 was not renewed for 0:15:00 and lost its place"]
    ledger.releases.mark(first, ReleaseState.RELEASED, actor="gare")
    assert is_woken(ledger, third)
    assert ledger.locks.ask(third, ALL) is None
    assert ledger.locks.ask(second, ALL).behind == third, "it must queue again"


def test_a_station_that_was_down_for_a_night_takes_nobodys_lock(ledger, clock, opened):
    first, second = opened(2)
    ledger.locks.ask(first, ALL)
    ledger.locks.ask(second, ALL)
    clock.pass_by(timedelta(hours=12))
    assert ledger.locks.ask(second, ALL).behind == first, "only the reconciler takes a lock away"
    ledger.locks.renew()
    assert ledger.locks.pass_on() == []
    clock.pass_by(LEASE)
    assert len(ledger.locks.pass_on()) == 2


def test_all_that_wait_are_renewed_together_and_the_running_ones_are_not(ledger, clock, opened):
    first, second = opened(2)
    ledger.locks.ask(first, ALL)
    ledger.locks.ask(second, ALL)
    rest(ledger, second)
    clock.pass_by(LEASE - MINUTE)
    ledger.locks.renew_waiting()
    clock.pass_by(2 * MINUTE)
    assert ledger.locks.pass_on()[0] == "R-1 was not renewed for 0:15:00 and lost its locks"
    assert ledger.locks.place(second) is not None


def test_a_clock_that_was_set_back_makes_no_lease_longer(ledger, clock, opened):
    first, second = opened(2)
    ledger.locks.ask(first, ALL)
    clock.pass_by(-timedelta(days=2))
    ledger.locks.ask(second, ALL)
    assert ledger.locks.pass_on() == []
    clock.pass_by(LEASE)
    ledger.locks.renew([second])
    assert ledger.locks.pass_on()[0] == "R-1 was not renewed for 0:15:00 and lost its locks"


def test_a_clock_that_was_set_back_changes_no_order(ledger, clock, opened):
    first, second, third = opened(3)
    ledger.locks.ask(first, ALL)
    ledger.locks.ask(second, ALL)
    clock.pass_by(-timedelta(days=2))
    assert ledger.locks.ask(third, ALL).number == 2


def test_many_are_renewed_at_once(sqlite_ledger, story):
    story.open_release(sqlite_ledger)
    fields = {"flow_run_id", "number"}
    with sqlite_ledger.database.write() as connection:
        first = connection.execute(select(releases)).one()._mapping
        same = {key: value for key, value in first.items() if key not in fields}
        rows = [{**same, "number": n, "flow_run_id": str(n)} for n in range(2, 1202)]
        connection.execute(insert(releases), rows)
        lock = {"environment": LINE, "priority": 0, "asked_at": "2026-01-01", "until": "2026-01-01"}
        connection.execute(
            insert(locks),
            [
                {**lock, "project": f"p{n}", "release": n, "granted_at": "2026-01-01"}
                for n in range(2, 1202)
            ],
        )
    ids = {f"R-{number}" for number in range(2, 1202)}
    assert sqlite_ledger.locks.renew(ids) == ids
    assert sqlite_ledger.locks.pass_on() == []


# races


def test_of_twenty_threads_exactly_one_holds_at_any_time(url, story):
    """And when it ends, the first of the queue has its locks, however many ask at once."""
    ledgers = [Ledger(url) for _ in range(4)]
    ids = [
        story.open_release(ledgers[0], story.make_plan(), run=f"run {number}")[0].id
        for number in range(20)
    ]
    barrier = Barrier(20)

    def ask(number):
        barrier.wait()
        return ledgers[number % 4].locks.ask(ids[number], ALL)

    with ThreadPoolExecutor(20) as pool:
        places = list(pool.map(ask, range(20)))
    assert places.count(None) == 1
    gone = ids[places.index(None)]
    left = [one for one in ids if one != gone]
    for _ in range(3):
        ledgers[1].releases.mark(gone, ReleaseState.RELEASED, actor="gare")
        with ThreadPoolExecutor(20) as pool:
            places = list(pool.map(lambda one: ledgers[2].locks.ask(one, ALL), left))
        assert [one for one, place in zip(left, places, strict=True) if place is None] == left[:1]
        gone = left.pop(0)
    for one in ledgers:
        one.database.close()


ASK = """
import sys
from gare.ledger.ledger import Ledger
ledger = Ledger(sys.argv[1])
sys.stdin.readline()
print("held" if ledger.locks.ask(sys.argv[2], ["", "production"]) is None else "queued")
"""


def test_of_several_processes_one_gets_the_locks(url, story):
    ledger = Ledger(url)
    ids = [
        story.open_release(ledger, story.make_plan(), run=f"run {number}")[0].id
        for number in range(6)
    ]
    ledger.database.close()
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", ASK, url, one],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for one in ids
    ]  # fmt: skip
    for process in asking:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].strip() for process in asking]
    assert sorted(said) == ["held"] + ["queued"] * 5


# planned anew


def replanned(ledger, story, version="1.5.0"):
    plan = story.make_plan(version=version, tag=f"v{version}", commit="c" * 40)
    digest = ledger.plans.store(plan)
    value = {"plan": digest, "summary": "2 commits, minor"}
    return digest, ledger.releases.replan("R-1", digest, plan, value, reason="R-9 took it")


def test_a_release_that_has_done_nothing_gets_another_plan(ledger, story, tmp_path, store):
    before, _ = story.open_release(ledger)
    story.do_step(ledger, before, "plan", {"plan": before.plan, "summary": "1 commits, minor"})
    digest, release = replanned(ledger, story)
    assert (release.plan, release.version) == (digest, "1.5.0")
    assert ledger.releases.steps("R-1")["plan"].value["plan"] == digest
    [event] = [one for one in ledger.database.events("R-1") if one.kind == "planned anew"]
    assert event.body == canonical(
        {"plan": digest, "before": before.plan, "version": "1.5.0", "commit": "c" * 40, "reason": "R-9 took it"}
    )  # fmt: skip
    assert replanned(ledger, story)[1] == release
    assert events(ledger, "R-1").count("planned anew") == 1


def test_the_evidence_of_a_release_that_was_planned_anew_is_sound(
    sqlite_ledger, story, tmp_path, store
):
    ledger = sqlite_ledger
    before, _ = story.open_release(ledger)
    story.do_step(ledger, before, "plan", {"plan": before.plan, "summary": "1 commits, minor"})
    replanned(ledger, story)
    ledger.releases.mark("R-1", ReleaseState.CANCELLED, actor="gare")
    story.write_bundle(ledger, store, "R-1", tmp_path / "out.zip")
    report = verify_bundle(tmp_path / "out.zip")
    assert [str(problem) for problem in report.problems] == []


def test_a_release_that_has_begun_keeps_its_plan(ledger, story):
    release, _ = story.open_release(ledger)
    story.do_step(ledger, release, "plan")
    ledger.releases.begin_step(release.id, "build", actor="gare")
    ledger.releases.end_step(release.id, "build", StepState.FAILED, error="no", actor="gare")
    with pytest.raises(Refused) as caught:
        replanned(ledger, story)
    assert caught.value.what == "R-1 has begun (build): its plan does not change any more."
    assert ledger.releases.get("R-1") == replace(release)


def test_what_ended_since_a_plan_was_made_is_known(ledger, story):
    for number in range(4):
        story.open_release(ledger, story.make_plan(version=f"1.4.{number}"), run=f"run {number}")
    ends = [ReleaseState.RELEASED, ReleaseState.ROLLED_BACK, ReleaseState.CANCELLED]
    for number, end in enumerate(ends, 1):
        ledger.releases.mark(f"R-{number}", end, actor="gare")
    since = ledger.releases.ended_since_plan
    assert [one.id for one in since(ledger.releases.get("R-4"))] == ["R-2", "R-1"]
    story.open_release(ledger, story.make_plan(version="1.5.0"), run="late")
    assert since(ledger.releases.get("R-5")) == []
    # A rollback takes no version, and is told by itself.
    story.open_release(ledger, story.make_plan(version="1.4.0", kind=Kind.ROLLBACK), run="back")
    ledger.releases.mark("R-6", ReleaseState.RELEASED, actor="gare")
    assert since(ledger.releases.get("R-5")) == []
    back = ledger.releases.went_back_since_plan
    assert [one.id for one in back(ledger.releases.get("R-5"))] == ["R-6"]
